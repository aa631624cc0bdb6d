"""Closing of a driver during a call, at every turn of the loop: the call succeeds, or raises `DriverClosedError`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aios3 import CompletionUnknownError, DriverClosedError, MultipartUpload, S3StorageDriver, UploadWriter
from aios3.testing import TEST_CREDENTIALS, S3Server
from tests.support.sweep import (
    CONTENT,
    PART,
    SMALL_PARTS,
    Source,
    Turns,
    by_bytes,
    by_writer,
    driver_on,
    let_threads_take_turns,
)

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


def opened_in(path: Path) -> MultipartUpload:
    """Return the open upload that was noted in the directory."""
    return MultipartUpload.from_json((path / "upload").read_text())


OF_AN_UPLOAD: dict[str, Call] = {
    "upload_parts": lambda driver, path: driver.upload_parts(opened_in(path), Source(), first_part=2, last=False),
    "upload_part": lambda driver, path: driver.upload_part(opened_in(path), 2, CONTENT[:PART]),
    "copy_part": lambda driver, path: driver.copy_part(opened_in(path), 2, "bucket", "key", end=1),
    "create_part_url": lambda driver, path: driver.create_part_url(opened_in(path), 2, expires_in=60),
    "iterate_parts": lambda driver, path: all_of(driver.iterate_parts(opened_in(path))),
    "complete_multipart_upload": lambda driver, path: driver.complete_multipart_upload(opened_in(path)),
    "abort_multipart_upload": lambda driver, path: driver.abort_multipart_upload(opened_in(path)),
}
CALLS: dict[str, Call] = {
    **OF_AN_UPLOAD,
    "create_multipart_upload": lambda driver, path: driver.create_multipart_upload("bucket", "new"),
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
    "delete_objects": lambda driver, path: driver.delete_objects("bucket", ["key", "a\x01", "b\x01"]),
    "copy_object": lambda driver, path: driver.copy_object("bucket", "key", "bucket", "new"),
    "copy_object in parts": lambda driver, path: driver.copy_object(
        "bucket", "key", "bucket", "new", if_none_match="*"
    ),
    "iterate_object_versions": lambda driver, path: all_of(driver.iterate_object_versions("bucket")),
    "get_container_cdn_url": lambda driver, path: driver.get_container_cdn_url("bucket"),
    "get_object_cdn_url": lambda driver, path: driver.get_object_cdn_url("bucket", "key", expires_in=60),
    "create_download_url": lambda driver, path: driver.create_download_url("bucket", "key", expires_in=60),
    "create_upload_url": lambda driver, path: driver.create_upload_url("bucket", "key", expires_in=60),
    "iterate_multipart_uploads": lambda driver, path: all_of(driver.iterate_multipart_uploads("bucket")),
    "cleanup_multipart_uploads": lambda driver, path: driver.cleanup_multipart_uploads(
        "bucket", older_than=timedelta(0)
    ),
    "find_checkpoint": lambda driver, path: driver.find_checkpoint("bucket", "key"),
    "find_checkpoints": lambda driver, path: driver.find_checkpoints(),
    "recover": lambda driver, path: driver.recover(),
}
NEED_JOURNAL = {"find_checkpoints", "recover"}
NEED_UPLOADS = {"iterate_multipart_uploads", "cleanup_multipart_uploads", *NEED_JOURNAL}
COMMITS = {name for name in CALLS if "upload_" in name or "copy_" in name}
COMMITS |= {"open_upload", "complete_multipart_upload"}
"""Cut off on its way, a commit may have been made or not."""


async def stalled() -> AsyncIterator[bytes]:
    yield CONTENT[: 2 * PART + 1]
    await asyncio.Event().wait()


async def leave_uploads_open(server: S3Server, journal: Path) -> None:
    """Leave two uploads with parts at the store."""
    driver = driver_on(server, journal=journal)
    uploads = [asyncio.create_task(driver.upload_object_via_stream(stalled(), "bucket", key)) for key in ("a", "b")]
    await server.wait_for(lambda server: sum(bool(each.parts) for each in server.open_uploads) == 2)
    await driver.aclose()
    await asyncio.gather(*uploads, return_exceptions=True)


async def run_closed_at(name: str, step: int, directory: Path, **options: Any) -> tuple[int, object]:
    """Close the driver at turn `step` of a call. Return the number of turns and the outcome of the call."""
    async with S3Server(SMALL_PARTS, buckets=["bucket", "empty"], page_limit=1) as server:
        async with driver_on(server) as other:
            for key in ("key", "other"):
                await other.upload_object_via_stream(CONTENT[:PART], "bucket", key)
            if name in OF_AN_UPLOAD:
                upload = await other.create_multipart_upload("bucket", "new")
                await other.upload_part(upload, 1, CONTENT[:PART])
                (directory / "upload").write_text(upload.to_json())
        if name in NEED_UPLOADS:
            await leave_uploads_open(server, directory)
        let_threads_take_turns()
        driver = driver_on(server, journal=directory if name in NEED_JOURNAL else None, **options)
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
    """Return how many calls were cut off, and the wrong outcomes."""
    cut_off, wrong, step, turns = 0, {}, 0, 0
    while step <= turns:
        turns, outcome = await run_closed_at(name, step, directory, **options)
        cut_off += isinstance(outcome, DriverClosedError)
        if not is_right(name, outcome):
            wrong[step] = outcome
        step += stride
    return cut_off, wrong


def test_every_public_call_is_swept() -> None:
    public = {name for name in dir(S3StorageDriver) if not name.startswith("_")} - {"aclose", "default_provider"}
    assert {name.split(" ")[0] for name in CALLS} == public


@pytest.mark.parametrize("name", CALLS)
async def test_every_call_of_a_closed_driver_raises(name: str, server: S3Server, tmp_path: Path) -> None:
    """A web application can send 503 for it."""
    upload = MultipartUpload(bucket="bucket", key="key", upload_id="id", part_size=PART)
    (tmp_path / "upload").write_text(upload.to_json())
    driver = driver_on(server, journal=tmp_path)
    await driver.aclose()
    with pytest.raises(DriverClosedError, match="the driver is closed"):
        await CALLS[name](driver, tmp_path)
    assert server.requests == []


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_during_closing_succeeds_or_raises_driver_closed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", TEST_CREDENTIALS.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", TEST_CREDENTIALS.secret_access_key)
    cut_off, wrong = await sweep(name, tmp_path, stride=5 if name in NEED_JOURNAL else 1, credentials=None)
    assert wrong == {}
    assert cut_off >= 1


@pytest.mark.parametrize(
    "name", ["get_object", "download_object_as_stream", "iterate_container_objects", "cleanup_multipart_uploads"]
)
async def test_closing_with_the_callers_session_sends_nothing_new(name: str, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        cut_off, wrong = await sweep(name, tmp_path, session=session)
    assert wrong == {}
    assert cut_off >= 1 or name in ("get_object", "download_object_as_stream")


async def test_closing_ends_a_name_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp cancels the waiting task. The caller must not see that as a cancellation."""
    looking = asyncio.Event()

    async def look_up(*args: object, **options: object) -> None:
        looking.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("aios3._transport.resolver.Resolver.resolve", look_up)
    driver = S3StorageDriver(endpoint_url="http://store.test", region="r", credentials=TEST_CREDENTIALS)
    task = asyncio.create_task(driver.get_object("bucket", "key"))
    await looking.wait()
    await driver.aclose()
    with pytest.raises(DriverClosedError) as caught:
        await task
    assert not caught.value.was_sent


async def test_closing_ends_a_wait_for_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(be_silent, "127.0.0.1", 0) as service:
        port = service.sockets[0].getsockname()[1]
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{port}/")
        driver = S3StorageDriver(endpoint_url="http://127.0.0.1:9", region="r")
        task = asyncio.create_task(driver.get_object("bucket", "key"))
        await asked.wait()
        await driver.aclose()
        with pytest.raises(DriverClosedError, match="closed while being refreshed"):
            await task


async def test_closing_during_a_request_reports_an_unknown_outcome(server: S3Server) -> None:
    server.hold("DeleteObject")
    driver = driver_on(server)
    task = asyncio.create_task(driver.delete_object("bucket", "key"))
    await server.wait_for(lambda server: server.held_requests)
    await driver.aclose()
    with pytest.raises(DriverClosedError) as caught:
        await task
    assert caught.value.was_sent


@pytest.mark.parametrize("by", ["write", "write_from"])
async def test_closing_raises_in_other_writing_tasks(server: S3Server, by: str) -> None:
    server.hold("UploadPart")
    driver = driver_on(server)
    is_open, outcome = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def go_on_writing(writer: UploadWriter) -> None:
        try:
            while True:
                await (writer.write(CONTENT) if by == "write" else writer.write_from(CONTENT))
        except Exception as error:  # noqa: BLE001 - it is looked at
            outcome.set_result(error)

    async def upload() -> None:
        async with driver.open_upload("bucket", "key") as writer:
            others.append(asyncio.create_task(go_on_writing(writer)))
            is_open.set()
            await asyncio.Event().wait()

    others: list[asyncio.Task[None]] = []
    task = asyncio.create_task(upload())
    await server.wait_for(lambda server: server.held_requests)
    await driver.aclose()
    assert isinstance(await outcome, DriverClosedError)
    await asyncio.gather(*others)
    with pytest.raises(DriverClosedError):
        await task
