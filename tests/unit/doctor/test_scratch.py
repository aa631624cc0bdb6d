"""The scratch key of an examination: what it has written is removed, whenever the examination is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from aios3._doctor.scratch import Scratch
from aios3._protocol.wire.messages import Response
from tests.support.fakes import FakeClock, FakeStore, Gate, make_client, turns


async def complete(scratch: Scratch) -> object:
    upload_id = await scratch.create()
    return await scratch.complete(upload_id, [await scratch.send_part(upload_id, 1, 10)])


@pytest.mark.parametrize(
    ("operation", "write", "removal"),
    [
        ("CreateMultipartUpload", Scratch.create, "AbortMultipartUpload"),
        ("PutObject", lambda scratch: scratch.put(b"body", {}), "DeleteObject"),
        ("CompleteMultipartUpload", complete, "DeleteObject"),
    ],
)
async def test_a_cancelled_request_is_seen_to_its_end_and_what_it_made_is_removed(
    operation: str, write: Callable[[Scratch], Awaitable[object]], removal: str
) -> None:
    clock, gate = FakeClock(), Gate()
    store = FakeStore(clock)
    store.on(operation, gate)
    store.on("DeleteObject", Response(204, {}))
    scratch = Scratch(make_client(store, clock), "bucket", "key")
    writing = asyncio.ensure_future(write(scratch))
    await gate.entered.wait()
    writing.cancel()
    await turns()
    assert not writing.done()
    gate.opened.set()
    await asyncio.wait({writing})
    assert writing.cancelled()
    sent = len(store.sent)
    assert await scratch.clean_up() == []
    assert removal in store.operations[sent:]
    assert store.uploads == {}
