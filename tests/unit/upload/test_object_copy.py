"""Copy by one request, whose response is lost."""

from __future__ import annotations

import pytest

from aios3._client.attempts import FailedAttempts
from aios3._protocol.operations import CopyObject, CopySource
from aios3._upload.object_copy import copy_whole
from aios3.errors import CompletionUnknownError, TransportError
from aios3.models import UploadReceipt
from tests.support.fakes import FakeClock, FakeStore, make_engine, make_job, refusal


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.store.on("CopyObject", *[TransportError("reset")] * 4)

    async def copy(self) -> UploadReceipt:
        engine = make_engine(self.store, self.clock)
        operation = CopyObject("bucket", "key", CopySource("bucket", "from", etag="ours"), {})
        return await copy_whole(engine, make_job(), operation, 4, FailedAttempts(engine.client.clock.monotonic()))


async def test_old_object_of_that_etag_is_no_copy() -> None:
    """The same bytes were there before."""
    scene = Scene()
    scene.store.put("key", b"data", '"ours"')
    scene.clock.advance(3600)
    with pytest.raises(TransportError):
        await scene.copy()


async def test_young_object_of_another_size_is_no_copy() -> None:
    scene = Scene()
    scene.store.put("key", b"other data", '"ours"')
    with pytest.raises(TransportError):
        await scene.copy()


async def test_young_object_of_that_size_is_a_copy_if_its_etag_is_that_of_the_source() -> None:
    scene = Scene()
    scene.store.put("key", b"data", '"ours"')
    assert (await scene.copy()).etag == "ours"
    scene = Scene()
    scene.store.put("key", b"data", '"theirs"')
    with pytest.raises(CompletionUnknownError):
        await scene.copy()


async def test_key_that_cannot_be_seen_is_unknown() -> None:
    scene = Scene()
    scene.store.on("HeadObject", refusal(403))
    with pytest.raises(CompletionUnknownError):
        await scene.copy()
