"""Tests of the simulation's network and store, which must behave like real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from aios3._protocol.operations.multipart import AbortMultipartUpload, CreateMultipartUpload, ListParts, UploadPart
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.uri import Endpoint
from aios3.errors import TransportError, TransportTimeoutError

from .faults import Conditions, Plan
from .loop import VirtualLoop
from .schedule import draw
from .store import BUCKET
from .world import World

ENDPOINT = Endpoint.parse("http://store.test", "path")
OK = Plan("ok", 0.0, 0, 1.0, 99, 1.0, 1.0, 2.0, True, True, 0, False)


class Scene:
    """World in which every request meets the same plan."""

    def __init__(self) -> None:
        conditions = Conditions(0.0, 0, 0.0, cleanup_is_reachable=True, resurrects=True)
        self.loop = VirtualLoop()
        self.world = World(replace(draw(0), conditions=conditions, skew=0.0), self.loop)
        self.plan = OK
        self.world.transport._faults.plan = lambda request: self.plan  # type: ignore[method-assign]

    async def send(self, operation: Any, **options: Any) -> Response:
        return await self.world.transport.send(operation.build(ENDPOINT), **options)

    async def create(self) -> str:
        operation = CreateMultipartUpload(BUCKET, "key", {})
        return operation.read(await self.send(operation))

    def part(self, upload_id: str) -> UploadPart:
        return UploadPart(BUCKET, "key", upload_id, 1, (bytearray(b"abc"), bytearray(b"def")), {})

    def parts(self, upload_id: str) -> list[bytes]:
        return [part.body for part in self.world.store.state.uploads[upload_id].parts.values()]


def in_scene(test: Callable[[Scene], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        scene = Scene()
        scene.loop.run(test(scene))  # type: ignore[arg-type]

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@pytest.mark.parametrize("survives", [True, False])
def test_a_part_that_is_cut_after_its_end_may_be_stored_later(survives: bool) -> None:
    scene = Scene()

    async def run() -> None:
        upload_id = await scene.create()
        scene.plan = replace(OK, survives_cut=survives)
        sending = asyncio.create_task(scene.send(scene.part(upload_id)))
        await asyncio.sleep(2.5)
        sending.cancel()
        await asyncio.sleep(1.9)
        assert scene.parts(upload_id) == []
        await asyncio.sleep(1)
        assert scene.parts(upload_id) == ([b"abcdef"] if survives else [])

    scene.loop.run(run())


@in_scene
async def test_an_abort_can_miss_a_part_that_is_being_stored(scene: Scene) -> None:
    upload_id = await scene.create()
    sending = asyncio.create_task(scene.send(scene.part(upload_id)))
    await asyncio.sleep(2.5)
    sending.cancel()
    await asyncio.sleep(0)
    scene.plan = replace(OK, processing=0.0, answering=0.0)
    assert (await scene.send(AbortMultipartUpload(BUCKET, "key", upload_id))).status == 204
    assert (await scene.send(ListParts(BUCKET, "key", upload_id))).status == 200
    assert scene.world.store.open_uploads("key") == [upload_id]
    await asyncio.sleep(5)
    assert scene.parts(upload_id) == [b"abcdef"]
    assert (await scene.send(AbortMultipartUpload(BUCKET, "key", upload_id))).status == 204
    assert (await scene.send(ListParts(BUCKET, "key", upload_id))).status == 404


@pytest.mark.parametrize(
    ("kind", "error", "parts_after"),
    [
        ("refused", TransportError, []),
        ("stall_connect", TransportTimeoutError, []),
        ("reset_body", TransportError, []),
        ("stall_body", TransportTimeoutError, []),
        ("reset_before", TransportError, []),
        ("reset_after", TransportError, [b"abcdef"]),
        ("reset_late", TransportError, [b"abcdef"]),
        ("stall_before", TransportTimeoutError, []),
        ("stall_after", TransportTimeoutError, [b"abcdef"]),
        ("stall_late", TransportTimeoutError, [b"abcdef"]),
    ],
)
def test_a_request_without_a_response_may_have_been_processed(
    kind: str, error: type[TransportError], parts_after: list[bytes]
) -> None:
    scene = Scene()

    async def run() -> None:
        upload_id = await scene.create()
        scene.plan = replace(OK, kind=kind, breaks_after=1)
        with pytest.raises(error) as caught:
            await scene.send(scene.part(upload_id), read_timeout=7.0)
        assert isinstance(caught.value, TransportTimeoutError) == (error is TransportTimeoutError)
        assert caught.value.on_reused_connection == kind.startswith("reset")
        await asyncio.sleep(10)
        assert scene.parts(upload_id) == parts_after
        assert scene.world.transport.in_flight == []

    scene.loop.run(run())
