"""Memory of ended uploads: freed without the garbage collector, because small objects are many."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from aios3._upload.uploader import Uploader
from tests.support.upload_scene import UploadScene, content


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def test_an_upload_without_parts_is_freed_at_its_end() -> None:
    seen: list[weakref.ref[Uploader]] = []

    async def add(upload: Uploader) -> None:
        seen.append(weakref.ref(upload))
        await upload.add(memoryview(content(0.5)))

    await UploadScene().upload(add)
    assert [ref() for ref in seen] == [None]
