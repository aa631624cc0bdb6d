"""Whatever the length and the kind of a source: the key holds its bytes, and the receipt says so."""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiofiles
import aiohttp
from aiohttp.base_protocol import BaseProtocol

from aios3 import PROVIDERS, TransferConfig, UploadProgress
from tests.conformance.endpoints import PART, Endpoint, meddling_session
from tests.conformance.exchange import chunks, open_keys, payload, put, read, verify
from tests.conformance.registry import CHECKS, check

SIZES = {
    "empty": 0,
    "one byte": 1,
    "a byte less than a part": PART - 1,
    "one part": PART,
    "a byte more than a part": PART + 1,
    "two parts": 2 * PART,
    "several parts and a remainder": 2 * PART + 12_345,
}


def _size_check(size: int) -> Callable[[Endpoint], Awaitable[None]]:
    async def run(endpoint: Endpoint) -> None:
        async with endpoint.driver() as driver:
            receipt = await put(driver, endpoint, endpoint.key("object"), payload(size))
            await verify(driver, endpoint, receipt, payload(size))

    return run


for _name, _size in SIZES.items():
    CHECKS[f"a_source_of_any_length_arrives[{_name}]"] = _size_check(_size)


class _AsyncReader:
    """Like Starlette's UploadFile: an async ``read`` that may give less than was asked for."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    async def read(self, size: int = -1) -> bytes:
        await asyncio.sleep(0)
        return self._file.read(min(size, 300_000))


def _asyncio_reader(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


def _aiohttp_reader(data: bytes) -> aiohttp.StreamReader:
    loop = asyncio.get_running_loop()
    # The limit is above the data, or the reader would ask its transport, which is not there, to pause.
    reader = aiohttp.StreamReader(BaseProtocol(loop), 2 * len(data), loop=loop)
    reader.feed_data(data)
    reader.feed_eof()
    return reader


SOURCES: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "list": lambda data: [data[:7], b"", data[7:]],
    "generator": lambda data: (data[at : at + 99_999] for at in range(0, len(data), 99_999)),
    "async generator": chunks,
    "asyncio.StreamReader": _asyncio_reader,
    "aiohttp.StreamReader": _aiohttp_reader,
    "object with async read": _AsyncReader,
    "open binary file": io.BytesIO,
}


def _source_check(make: Callable[[bytes], Any]) -> Callable[[Endpoint], Awaitable[None]]:
    async def run(endpoint: Endpoint) -> None:
        data = payload(PART + 777)
        async with endpoint.driver() as driver:
            receipt = await driver.upload_object_via_stream(make(data), endpoint.bucket, endpoint.key("object"))
            await verify(driver, endpoint, receipt, data)

    return run


for _name, _make in SOURCES.items():
    CHECKS[f"a_source_of_any_kind_arrives[{_name}]"] = _source_check(_make)


@check
async def a_file_arrives(endpoint: Endpoint) -> None:
    """By its path, and opened with aiofiles."""
    data = payload(PART + 777)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.bin"
        path.write_bytes(data)
        async with endpoint.driver() as driver, aiofiles.open(path, "rb") as file:
            await verify(driver, endpoint, await driver.upload_object(path, endpoint.bucket, endpoint.key("1")), data)
            receipt = await driver.upload_object_via_stream(file, endpoint.bucket, endpoint.key("2"))
            await verify(driver, endpoint, receipt, data)


@check
async def what_is_written_to_an_open_upload_arrives(endpoint: Endpoint) -> None:
    """In the order of the writes; the receipt is there after the block."""
    data = payload(PART + 777)
    async with endpoint.driver() as driver:
        async with driver.open_upload(endpoint.bucket, endpoint.key("object")) as upload:
            await upload.write(data[:10])
            await upload.write_from(chunks(data[10:-10]))
            await upload.write(data[-10:])
        await verify(driver, endpoint, upload.receipt, data)


@check
async def one_request_at_a_time_is_enough(endpoint: Endpoint) -> None:
    """With ``concurrency=1`` the same bytes arrive as with 8, the default of all other checks."""
    data = payload(2 * PART + 1)
    async with endpoint.driver(transfer=TransferConfig(part_size=PART, concurrency=1)) as driver:
        await verify(driver, endpoint, await put(driver, endpoint, endpoint.key("object"), data), data)


@check
async def uploads_at_the_same_time_do_not_mix(endpoint: Endpoint) -> None:
    """Four uploads on one driver, within a memory limit of three parts."""
    contents = {endpoint.key(str(number)): payload(PART + 1000 * number)[number:] for number in range(4)}
    async with endpoint.driver(transfer=TransferConfig(part_size=PART, memory_limit=3 * PART)) as driver:
        async with asyncio.TaskGroup() as group:
            uploads = [group.create_task(put(driver, endpoint, key, data)) for key, data in contents.items()]
        for upload in uploads:
            await verify(driver, endpoint, upload.result(), contents[upload.result().key])


@check
async def a_declared_size_is_kept(endpoint: Endpoint) -> None:
    """Also where it is exactly one part, or two."""
    async with endpoint.driver() as driver:
        for size in (PART, 2 * PART):
            data = payload(size)
            receipt = await put(driver, endpoint, endpoint.key(str(size)), data, size=size, max_size=size)
            await verify(driver, endpoint, receipt, data)


@check
async def overwriting_replaces_all_of_an_object(endpoint: Endpoint) -> None:
    """By a longer multipart upload, and then by a shorter PutObject."""
    key = endpoint.key("object")
    async with endpoint.driver() as driver:
        for data in (payload(100), payload(PART + 1), payload(10)):
            await verify(driver, endpoint, await put(driver, endpoint, key, data), data)


@check
async def progress_never_goes_back_and_ends_at_the_size(endpoint: Endpoint) -> None:
    """For one put and for parts; the total is the declared size, or unknown."""
    async with endpoint.driver() as driver:
        for size, declared in ((100, None), (2 * PART + 5, None), (2 * PART + 5, 2 * PART + 5)):
            seen: list[UploadProgress] = []
            receipt = await put(
                driver, endpoint, endpoint.key("object"), payload(size), size=declared, on_progress=seen.append
            )
            counts = [(snapshot.bytes_read, snapshot.bytes_stored, snapshot.parts_stored) for snapshot in seen]
            assert all(
                later >= earlier
                for before, after in zip(counts, counts[1:], strict=False)
                for earlier, later in zip(before, after, strict=True)
            )
            assert counts[-1] == (size, size, len(receipt.parts))
            assert {snapshot.bytes_total for snapshot in seen} == {declared}


ATTRIBUTES = {
    "content_type": "video/mp4",
    "cache_control": "max-age=60, public",
    "content_disposition": 'attachment; filename="cat.mp4"',
    "content_language": "de",
}


async def _check_attributes(endpoint: Endpoint, size: int) -> None:
    answers: list[aiohttp.ClientResponse] = []

    async def remember(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        answers.append(await handler(request))
        return answers[-1]

    refused = (endpoint.record or PROVIDERS[endpoint.provider]).refused_attributes
    given = {name: value for name, value in ATTRIBUTES.items() if name not in refused}
    key, metadata = endpoint.key("object"), {"camera": "7", "title": "Käse, grün ✓"}
    async with meddling_session(remember) as session, endpoint.driver(session=session) as driver:
        await put(driver, endpoint, key, payload(size), metadata=metadata, **given)
        found = await driver.get_object(endpoint.bucket, key)
    assert found.content_type == ATTRIBUTES["content_type"]
    assert dict(found.metadata) == metadata
    headers = {name: answers[-1].headers.get(name.replace("_", "-")) for name in given}
    assert headers == given


@check
async def attributes_of_a_put_come_back(endpoint: Endpoint) -> None:
    """Content type and metadata in the answer of ``get_object``, the other headers in the store's own answer."""
    await _check_attributes(endpoint, 100)


@check
async def attributes_of_a_multipart_upload_come_back(endpoint: Endpoint) -> None:
    """The same for an object made of parts."""
    await _check_attributes(endpoint, PART + 1)


@check
async def the_content_type_is_guessed_from_the_key(endpoint: Endpoint) -> None:
    """For a known ending; another is an octet stream."""
    async with endpoint.driver() as driver:
        for name, content_type in (("cat.mp4", "video/mp4"), ("cat.nonsense", "application/octet-stream")):
            await put(driver, endpoint, endpoint.key(name), b"x")
            assert (await driver.get_object(endpoint.bucket, endpoint.key(name))).content_type == content_type


@check
async def a_range_of_an_object_can_be_read(endpoint: Endpoint) -> None:
    """From an offset, up to an offset, between two, and beyond the end, across the border of two parts."""
    data, key = payload(PART + 1000), endpoint.key("object")
    async with endpoint.driver() as driver:
        await put(driver, endpoint, key, data)
        for start, end in ((PART - 10, None), (None, 10), (PART - 5, PART + 5), (PART, PART + 5000), (0, 1)):
            assert await read(driver, endpoint, key, start=start, end=end) == data[start:end]
        pieces = [len(piece) async for piece in driver.download_object_as_stream(endpoint.bucket, key, chunk_size=1000)]
    assert sum(pieces) == len(data)
    assert max(pieces) <= 1000


@check
async def an_upload_that_runs_is_listed(endpoint: Endpoint) -> None:
    """With its exact key, an id and a beginning; and no longer once it has ended."""
    key = endpoint.key("sp ace+%41 é🎬 & x=1.bin")
    async with endpoint.driver() as driver:
        async with driver.open_upload(endpoint.bucket, key) as upload:
            await upload.write(payload(PART + 1))
            (pending,) = [one async for one in driver.iterate_multipart_uploads(endpoint.bucket, prefix=key)]
            assert (pending.bucket, pending.key) == (endpoint.bucket, key)
            assert pending.initiated_at is not None
            assert await open_keys(driver, endpoint, endpoint.key("another")) == []
        assert upload.receipt.upload_id == pending.upload_id
        await verify(driver, endpoint, upload.receipt, payload(PART + 1))
