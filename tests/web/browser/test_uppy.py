"""Uppy 5 and 6 in Chromium: by tus to three processes, and straight to the store with the signatures of three."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass

import pytest
import pytest_asyncio

from aios3.testing import Fault

pytestmark = pytest.mark.asyncio(loop_scope="module")  # of the browser

FILES = {f"{size}.mp4": random.Random(size).randbytes(size) for size in (12_345_678, 5 * 2**20, 1000, 0)}
LARGE = "12345678.mp4"


@dataclass(frozen=True)
class Way:
    """How a version of Uppy uploads. The words in capitals stand for URLs."""

    version: int
    plugin: str
    options: dict[str, object]


WAYS = {
    "tus-5": Way(5, "Tus", {"endpoint": "FILES", "chunkSize": 5 * 2**20}),
    "tus-6": Way(6, "Tus", {"endpoint": "FILES", "chunkSize": 5 * 2**20}),
    "companion-5": Way(5, "AwsS3", {"endpoint": "DIRECT", "shouldUseMultipart": True}),
    "companion-6": Way(6, "AwsS3", {"companionEndpoint": "DIRECT", "shouldUseMultipart": True}),
    "signed-6": Way(6, "AwsS3", {"signUrl": "DIRECT/s3/sign", "shouldUseMultipart": True}),
}
PUTS = {
    "put-5": Way(5, "AwsS3", {"endpoint": "DIRECT"}),
    "put-6": Way(6, "AwsS3", {"signUrl": "DIRECT/s3/sign", "shouldUseMultipart": False}),
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
tus_only = pytest.mark.parametrize("way", [WAYS["tus-5"], WAYS["tus-6"]], ids=["tus-5", "tus-6"])


@pytest_asyncio.fixture(loop_scope="module")
async def uppy(cluster, site, page, bundle, way):
    """Page in which Uppy has started."""
    script = await bundle("uppy_page.js", f"uppy{way.version}")
    site.files |= {"uppy.js": script, **FILES}
    await page.open(site.add_page("uppy.html", "uppy.js"))
    await start(page, cluster, way)
    return page


async def start(page, cluster, way):
    options = json.dumps(way.options).replace("FILES", cluster.url).replace("DIRECT", f"{cluster.origin}/direct")
    await page.run("(plugin, options) => start(plugin, options)", way.plugin, json.loads(options))


async def add(page, site, *names):
    for name in names:
        await page.run("(name, url) => add(name, url)", name, site.url + name)


async def upload(page):
    return await page.run("() => upload()")


def bodies(cluster):
    return [each.body for (_, key), each in cluster.store.objects.items() if ".uploads/" not in key]


def stored(cluster):
    """Return the sizes of the whole objects, and check that nothing else remained."""
    assert all(body in FILES.values() for body in bodies(cluster))
    assert cluster.store.open_uploads == []
    assert cluster.log.read_text() == ""
    return sorted(map(len, bodies(cluster)))


@pytest.mark.parametrize("way", (WAYS | PUTS).values(), ids=WAYS | PUTS)
async def test_several_files_are_uploaded_at_once(cluster, site, uppy, way):
    # With Companion's routes Uppy 6 sends an empty file as a form, which is not offered.
    files = {name: content for name, content in FILES.items() if content or way is not WAYS["companion-6"]}
    await add(uppy, site, *files)
    result = await upload(uppy)
    assert (sorted(result["successful"]), result["failed"]) == (sorted(files), [])
    assert stored(cluster) == sorted(map(len, files.values()))


@every_way
async def test_an_upload_is_paused_and_resumed(cluster, site, uppy, way):
    await add(uppy, site, LARGE)
    await uppy.limit_uploads(6e6)
    async with asyncio.TaskGroup() as group:
        uploading = group.create_task(upload(uppy))
        await uppy.run("() => progressed(3e6)")
        await uppy.run("() => uppy.pauseAll()")
        await uppy.limit_uploads(None)
        await asyncio.sleep(1)  # in which an upload that goes on would end
        assert not uploading.done()
        assert bodies(cluster) == []
        await uppy.run("() => uppy.resumeAll()")
    assert uploading.result() == {"successful": [LARGE], "failed": []}
    assert stored(cluster) == [len(FILES[LARGE])]


@every_way
async def test_a_cancelled_upload_leaves_nothing(cluster, site, uppy, way):
    await add(uppy, site, LARGE)
    await uppy.limit_uploads(6e6)
    async with asyncio.TaskGroup() as group:
        group.create_task(upload(uppy))
        await uppy.run("() => progressed(3e6)")
        await uppy.run("() => uppy.cancelAll()")
        await uppy.limit_uploads(None)
    async with asyncio.timeout(20):
        await cluster.store.wait_for(lambda store: not store.objects and not store.open_uploads)


@every_way
async def test_an_upload_continues_after_its_connection_was_lost(cluster, site, uppy, way):
    cluster.store.faults.add(Fault("drop_mid_body", "UploadPart", after_bytes=200_000))  # the browser's, or a process's
    await add(uppy, site, LARGE)
    await uppy.limit_uploads(6e6)
    async with asyncio.TaskGroup() as group:
        uploading = group.create_task(upload(uppy))
        await uppy.run("() => progressed(3e6)")
        cluster.cut_connections()
        await uppy.limit_uploads(None)
    assert uploading.result() == {"successful": [LARGE], "failed": []}
    assert stored(cluster) == [len(FILES[LARGE])]


@tus_only
async def test_an_upload_is_resumed_after_the_page_was_loaded_again(cluster, site, uppy, way):
    await add(uppy, site, LARGE)
    await uppy.limit_uploads(6e6)
    await uppy.run("() => { upload() }")
    await uppy.run("() => progressed(7e6)")
    await uppy.open(f"{site.url}uppy.html")
    await uppy.limit_uploads(None)
    await start(uppy, cluster, way)
    await add(uppy, site, LARGE)
    assert await upload(uppy) == {"successful": [LARGE], "failed": []}
    assert stored(cluster) == [len(FILES[LARGE])]
    creations = [each for each in cluster.store.requests if each.operation == "CreateMultipartUpload"]
    assert len(creations) == 1
