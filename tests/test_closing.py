"""A driver that is closed during a call, at every turn of the loop: the call succeeds, or says that it was closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

from aios3 import (
    RetryPolicy,
    S3StorageDriver,
    TransferConfig,
)
from aios3.testing import S3Server
from tests.sweep import CONTENT, IMPATIENT, PART, SMALL_PARTS, Source, Turns, by_bytes, by_writer

Call = Callable[[S3StorageDriver, Path], Awaitable[object]]


async def all_of(iterator: AsyncIterator[Any]) -> list[Any]:
    async with aclosing(iterator) as each:  # type: ignore[type-var]
        return [one async for one in each]


async def close_during_upload(driver: S3StorageDriver, path: Path) -> None:
    await by_writer(driver, Source())


async def read_opened(driver: S3StorageDriver, path: Path) -> bytes:
    async with driver.open_object("bucket", "key", start=1) as opened:
        return b"".join([chunk async for chunk in opened])


async def upload_a_file(driver: S3StorageDriver, path: Path) -> object:
    source = path / "source"
    source.write_bytes(CONTENT)
    return await driver.upload_object(source, "bucket", "new")


CALLS: dict[str, Call] = {
    "upload_object_via_stream": lambda driver, path: driver.upload_object_via_stream(Source(), "bucket", "new"),
    "upload_object_via_stream of bytes": lambda driver, path: by_bytes(driver, Source()),
    "upload_object": upload_a_file,
    "open_upload": close_during_upload,
    "iterate_containers": lambda driver, path: all_of(driver.iterate_containers()),
    "get_container": lambda driver, path: driver.get_container("bucket"),
    "create_container": lambda driver, path: driver.create_container("new-bucket"),
    "delete_container": lambda driver, path: driver.delete_container("empty"),
    "iterate_container_objects": lambda driver, path: all_of(driver.iterate_container_objects("bucket")),
    "get_object": lambda driver, path: driver.get_object("bucket", "key"),
    "open_object": read_opened,
    "download_object_as_stream": lambda driver, path: all_of(
        driver.download_object_as_stream("bucket", "key", chunk_size=PART)
    ),
    "download_object": lambda driver, path: driver.download_object("bucket", "key", path / "file", overwrite=True),
    "delete_object": lambda driver, path: driver.delete_object("bucket", "key"),
    "get_container_cdn_url": lambda driver, path: driver.get_container_cdn_url("bucket"),
    "get_object_cdn_url": lambda driver, path: driver.get_object_cdn_url("bucket", "key", expires_in=60),
    "create_upload_url": lambda driver, path: driver.create_upload_url("bucket", "key", expires_in=60),
    "iterate_multipart_uploads": lambda driver, path: all_of(driver.iterate_multipart_uploads("bucket")),
    "cleanup_multipart_uploads": lambda driver, path: driver.cleanup_multipart_uploads(
        "bucket", older_than=timedelta(0)
    ),
    "find_checkpoints": lambda driver, path: driver.find_checkpoints(),
    "recover": lambda driver, path: driver.recover(),
}
NEED_JOURNAL = {"find_checkpoints", "recover"}
NEED_UPLOADS = {"iterate_multipart_uploads", "cleanup_multipart_uploads", *NEED_JOURNAL}
COMMITS = {name for name in CALLS if "upload_" in name or name == "open_upload"}
"""Cut off on its way, a commit may have been made or not."""


def make_driver(server: S3Server, **options: Any) -> S3StorageDriver:
    given: dict[str, Any] = {
        "endpoint_url": server.endpoint_url,
        "region": server.region,
        "credentials": server.credentials,
        "transfer": TransferConfig(part_size=PART, concurrency=2, memory_limit=16 * PART),
        "retry": RetryPolicy(base_delay=0, throttle_base_delay=0),
        **options,
    }
    driver = S3StorageDriver(SMALL_PARTS, **given)
    driver._clock = IMPATIENT
    return driver


async def stalled() -> AsyncIterator[bytes]:
    yield CONTENT[: 2 * PART + 1]
    await asyncio.Event().wait()


async def leave_uploads_open(server: S3Server, journal: Path) -> None:
    """Leave two uploads with parts at the store."""
    driver = make_driver(server, journal=journal)
    uploads = [asyncio.create_task(driver.upload_object_via_stream(stalled(), "bucket", key)) for key in ("a", "b")]
    await server.wait_for(lambda server: sum(bool(each.parts) for each in server.open_uploads) == 2)
    await driver.aclose()
    await asyncio.gather(*uploads, return_exceptions=True)


async def run_closed_at(name: str, step: int, directory: Path, **options: Any) -> tuple[int, object]:
    """Return how many turns the call took, and what it came to when the driver was closed at turn `step`."""
    async with S3Server(SMALL_PARTS, buckets=["bucket", "empty"], page_limit=1) as server:
        async with make_driver(server) as other:
            for key in ("key", "other"):
                await other.upload_object_via_stream(CONTENT[:PART], "bucket", key)
        if name in NEED_UPLOADS:
            await leave_uploads_open(server, directory)
        driver = make_driver(server, journal=directory if name in NEED_JOURNAL else None, **options)
        async with driver:
            closing: list[asyncio.Task[None]] = []
            task = asyncio.ensure_future(CALLS[name](driver, directory))
            turns = Turns((step, lambda: closing.append(asyncio.create_task(driver.aclose()))))
            await asyncio.wait({task})
            turns.stop()
            await asyncio.gather(*closing)
        return turns.count, "cancelled" if task.cancelled() else task.exception() or task.result()


def is_right(name: str, outcome: object) -> bool:
    if isinstance(outcome, CompletionUnknownError):
        return name in COMMITS
    return isinstance(outcome, DriverClosedError) or not (isinstance(outcome, BaseException) or outcome == "cancelled")


async def sweep(name: str, directory: Path, stride: int = 1, **options: Any) -> tuple[int, dict[int, object]]:
    """Return how often the call was cut off, and what came of it where that was wrong."""
    cut_off, wrong, step, turns = 0, {}, 0, 0
    while step <= turns:
        turns, outcome = await run_closed_at(name, step, directory, **options)
        cut_off += isinstance(outcome, DriverClosedError)
        if not is_right(name, outcome):
            wrong[step] = outcome
        step += stride
    return cut_off, wrong


def test_every_public_call_is_swept() -> None:
    """One that is added needs a line in the table."""
    public = {name for name in dir(S3StorageDriver) if not name.startswith("_")} - {"aclose", "default_provider"}
    assert {name.split(" ")[0] for name in CALLS} == public


@pytest.mark.parametrize("name", CALLS)
async def test_a_driver_that_is_closed_says_so(name: str, server: S3Server, tmp_path: Path) -> None:
    """Whatever it is asked for; so a web application can answer 503."""
    driver = make_driver(server, journal=tmp_path)
    await driver.aclose()
    with pytest.raises(DriverClosedError, match="the driver is closed"):
        await CALLS[name](driver, tmp_path)
    assert server.requests == []


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_whose_driver_is_closed_ends_well_or_says_so(name: str, tmp_path: Path) -> None:
    """At every turn of the loop, from before the driver is open."""
    cut_off, wrong = await sweep(name, tmp_path, stride=5 if name in NEED_JOURNAL else 1)
    assert wrong == {}
    assert cut_off >= (1 if name in ("get_container_cdn_url", "get_object_cdn_url", "create_upload_url") else 3)
