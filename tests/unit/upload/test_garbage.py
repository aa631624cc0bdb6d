"""Small objects are many: each must go when its upload ends, not when the collector comes round."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from aios3._upload.uploader import Uploader
from tests.support.upload_scene import UploadScene, content


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Leave what refers to itself where it is."""
    gc.disable()
    yield
    gc.enable()


async def test_an_upload_without_parts_is_gone_when_it_has_ended() -> None:
    """Nothing of it refers back to it."""
    seen: list[weakref.ref[Uploader]] = []

    async def add(upload: Uploader) -> None:
        seen.append(weakref.ref(upload))
        await upload.add(memoryview(content(0.5)))

    await UploadScene().upload(add)
    assert [ref() for ref in seen] == [None]
