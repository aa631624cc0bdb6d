"""Resumable uploads on stores that others wrote: with conditional writes (moto), and without (rclone)."""

from __future__ import annotations

import random

import pytest

from aios3 import S3StorageDriver
from aios3.web import ResumableUploads
from tests.stores.stores import STORES, is_available
from tests.support.web_client import Vanish, WebClient

CONTENT = random.Random(3).randbytes(12_345_678)


@pytest.fixture(params=sorted(STORES))
def store(request):
    if not is_available(request.param):
        pytest.skip(f"{request.param} is not installed")
    with STORES[request.param]() as running:
        yield running


@pytest.mark.store
async def test_two_processes_upload_resume_join_and_delete(store):
    options = {"endpoint_url": store.endpoint_url, "region": store.region, "credentials": store.credentials}
    async with S3StorageDriver(store.provider, **options) as one, S3StorageDriver(store.provider, **options) as other:
        await one.create_container("web-bucket")
        here, there = (WebClient(ResumableUploads(driver, "web-bucket", prefix="in/")) for driver in (one, other))
        url = (await here.create(len(CONTENT), Upload_Metadata="filetype dmlkZW8vbXA0")).headers["location"]
        assert (await there.patch(url, 0, CONTENT[:3_000_000])).status == 204
        await here.patch(url, 3_000_000, [CONTENT[3_000_000:9_000_000], Vanish()])
        assert (await there.head(url)).offset == 9_000_000
        assert (await there.patch(url, 9_000_000, CONTENT[9_000_000:])).offset == len(CONTENT)
        answer = await here.call("GET", url)
        assert (answer.body == CONTENT, answer.headers["content-type"]) == (True, "video/mp4")
        empty = await here.create(0)
        assert (await there.head(empty.headers["location"])).offset == 0
        part = (await here.create(5, b"12345", Upload_Concat="partial")).headers["location"]
        final = await there.call("POST", headers={"Upload-Concat": f"final;{part} {part}"})
        assert (await here.call("GET", final.headers["location"])).body == b"1234512345"
        begun = (await here.create(9, b"123")).headers["location"]
        for each in (url, empty.headers["location"], part, final.headers["location"], begun):
            assert (await there.call("DELETE", each)).status == 204
            assert (await here.head(each)).status == 404
        assert [found async for found in one.iterate_multipart_uploads("web-bucket")] == []
        assert [found async for found in one.iterate_container_objects("web-bucket")] == []
