"""The steps of LIBCLOUD-269 in asyncio, against a mocked HTTP client, for each of the three driver classes.

The mock cannot see bytes on the wire, which `tests/unit/transport` checks. These tests check the number, the order and
the content of the requests.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import ssl
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

import aiohttp
import aioresponses.core
import pytest
import xmltodict

from aios3 import (
    AccessDeniedError,
    AmazonS3StorageDriver,
    Credentials,
    GoogleStorageDriver,
    RetryPolicy,
    S3StorageDriver,
    TransferConfig,
)
from aios3.providers import find_provider
from tests.support.mocked_http import Recorder

CHUNK = 5 * 1024 * 1024
UPLOAD_ID = "VXBsb2FkIElE"
CREATED = (
    "<InitiateMultipartUploadResult><Bucket>videos</Bucket><Key>2026/cat.mp4</Key>"
    f"<UploadId>{UPLOAD_ID}</UploadId></InitiateMultipartUploadResult>"
)
COMPLETED = (
    '<CompleteMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>videos</Bucket>'
    "<Key>2026/cat.mp4</Key><ETag>&quot;whole-3&quot;</ETag></CompleteMultipartUploadResult>"
)
DENIED = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
NO_UPLOAD = "<Error><Code>NoSuchUpload</Code><Message>gone</Message></Error>"


@dataclass(frozen=True)
class Store:
    """Construction of one driver class, and its expected URLs."""

    driver_class: type[S3StorageDriver]
    url: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def looks_up_the_etag(self) -> bool:
        """Whether the ETag in the response to Complete may not be the final one."""
        return not find_provider(self.driver_class.default_provider).complete_etag_is_final

    def make(self) -> S3StorageDriver:
        """Make the driver under test."""
        return self.driver_class(
            credentials=Credentials("AKIDEXAMPLE", "secret"),
            retry=RetryPolicy(max_attempts=2, base_delay=0, throttle_base_delay=0),
            ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            **self.options,
        )


STORES = [
    Store(
        S3StorageDriver,
        "http://127.0.0.1:9000/videos/2026/cat.mp4",
        {"endpoint_url": "http://127.0.0.1:9000"},
    ),
    Store(
        AmazonS3StorageDriver,
        "https://videos.s3.eu-west-1.amazonaws.com/2026/cat.mp4",
        {"region": "eu-west-1"},
    ),
    Store(GoogleStorageDriver, "https://storage.googleapis.com/videos/2026/cat.mp4"),
]


@pytest.fixture(params=STORES, ids=lambda store: store.driver_class.__name__)
def store(request):
    """One of the driver classes."""
    return request.param


@pytest.fixture
def http(monkeypatch):
    """Mocked HTTP client. Its responses get the constructor argument that newer versions of aiohttp require."""

    class Answer(aiohttp.ClientResponse):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            if "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters:
                kwargs.setdefault("stream_writer", Mock(output_size=0))
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(aioresponses.core, "ClientResponse", Answer)
    with Recorder() as recorder:
        yield recorder


def script_upload(http: Recorder, url: str, parts: int) -> None:
    """Script the responses to the three steps of one upload."""
    http.post(f"{url}?uploads=", body=CREATED)
    for number in range(1, parts + 1):
        http.put(f"{url}?partNumber={number}&uploadId={UPLOAD_ID}", headers={"ETag": f'"etag-{number}"'})
    http.post(f"{url}?uploadId={UPLOAD_ID}", body=COMPLETED)
    http.head(url, headers={"ETag": '"whole-3"', "Content-Length": str(2 * CHUNK + 7)})


async def stream(*sizes: int):
    """Give chunks of these sizes, each of its own letter."""
    for number, size in enumerate(sizes):
        yield bytes([65 + number]) * size


async def upload(driver: S3StorageDriver, source: Any) -> Any:
    return await driver.upload_object_via_stream(source, "videos", "2026/cat.mp4")


async def test_a_longer_stream_is_create_parts_and_complete(http, store):
    """POST ?uploads, a PUT per 5 MiB with its number, POST with the list, and no other request."""
    script_upload(http, store.url, parts=3)
    async with store.make() as driver:
        receipt = await upload(driver, stream(CHUNK, CHUNK, 7))
    first, *parts, last = http.lines()[: 2 + 3]
    assert first == f"POST {store.url}?uploads="
    assert sorted(parts) == [f"PUT {store.url}?partNumber={number}&uploadId={UPLOAD_ID}" for number in (1, 2, 3)]
    assert last == f"POST {store.url}?uploadId={UPLOAD_ID}"
    assert http.lines()[5:] == ([f"HEAD {store.url}"] if store.looks_up_the_etag else [])
    assert (receipt.etag, receipt.upload_id, receipt.size) == ("whole-3", UPLOAD_ID, 2 * CHUNK + 7)
    assert [(part.number, part.etag, part.size) for part in receipt.parts] == [
        (1, "etag-1", CHUNK),
        (2, "etag-2", CHUNK),
        (3, "etag-3", 7),
    ]


@pytest.mark.parametrize("chunk", [CHUNK, 1_000_000, 2 * CHUNK + 7])
async def test_parts_have_5_mib_for_chunks_of_any_size(http, store, chunk):
    """Every part except the last, with the right bytes in the right order."""
    script_upload(http, store.url, parts=3)
    content = b"A" * CHUNK + b"B" * CHUNK + b"C" * 7
    async with store.make() as driver:
        await upload(driver, [content[start : start + chunk] for start in range(0, len(content), chunk)])
    bodies = {call.url: call.body for call in http.calls if call.method == "PUT"}
    assert [bodies[f"{store.url}?partNumber={number}&uploadId={UPLOAD_ID}"] for number in (1, 2, 3)] == [
        b"A" * CHUNK,
        b"B" * CHUNK,
        b"C" * 7,
    ]


async def test_the_commit_lists_every_part_with_its_etag(http, store):
    """In ascending order, with the ETags as the store sent them, in S3's namespace."""
    script_upload(http, store.url, parts=3)
    async with store.make() as driver:
        await upload(driver, stream(CHUNK, CHUNK, 7))
    complete = next(call for call in http.calls if call.url == f"{store.url}?uploadId={UPLOAD_ID}")
    document = xmltodict.parse(complete.body)["CompleteMultipartUpload"]
    assert document["@xmlns"] == "http://s3.amazonaws.com/doc/2006-03-01/"
    listed = [(part["PartNumber"], part["ETag"]) for part in document["Part"]]
    assert listed == [("1", '"etag-1"'), ("2", '"etag-2"'), ("3", '"etag-3"')]
    assert complete.headers["content-type"] == "application/xml"


async def test_every_request_is_signed(http, store):
    """By Signature Version 4, again for each request, and with its length."""
    script_upload(http, store.url, parts=3)
    async with store.make() as driver:
        await upload(driver, stream(CHUNK, CHUNK, 7))
    for call in http.calls:
        assert re.match(r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/", call.headers["authorization"])
        if call.method in ("PUT", "POST"):
            assert call.headers["content-length"] == str(len(call.body))
    assert len({call.headers["authorization"] for call in http.calls}) == len(http.calls)


async def test_parts_in_flight_do_not_exceed_the_concurrency(http, store):
    http.overlap = asyncio.Event()
    script_upload(http, store.url, parts=3)
    async with store.make() as driver:
        transfer = TransferConfig(concurrency=2)
        await driver.upload_object_via_stream(stream(CHUNK, CHUNK, 7), "videos", "2026/cat.mp4", transfer=transfer)
    assert http.most_parts == 2


async def test_a_part_is_retried_alone(http, store):
    """One failed PUT is repeated with the same bytes. No other request is."""
    http.put(f"{store.url}?partNumber=2&uploadId={UPLOAD_ID}", status=500, body="")
    script_upload(http, store.url, parts=3)
    async with store.make() as driver:
        receipt = await upload(driver, stream(CHUNK, CHUNK, 7))
    counts = [sum(f"partNumber={number}&" in line for line in http.lines()) for number in (1, 2, 3)]
    assert (counts, receipt.retries) == ([1, 2, 1], 1)
    repeated = [call.body for call in http.calls if "partNumber=2&" in call.url]
    assert repeated == [b"B" * CHUNK] * 2


def script_cleanup(http: Recorder, url: str) -> None:
    """Script the responses to the abort and to the check that nothing is left."""
    http.delete(f"{url}?uploadId={UPLOAD_ID}", status=204, body="")
    http.get(f"{url}?uploadId={UPLOAD_ID}", status=404, body=NO_UPLOAD)


async def test_a_failed_part_aborts(http, store):
    """The DELETE of the upload is sent, nothing is committed, and the part's error is raised with a note."""
    http.put(f"{store.url}?partNumber=2&uploadId={UPLOAD_ID}", status=403, body=DENIED)
    script_upload(http, store.url, parts=3)
    script_cleanup(http, store.url)
    async with store.make() as driver:
        with pytest.raises(AccessDeniedError) as caught:
            await upload(driver, stream(CHUNK, CHUNK, 7))
    assert caught.value.part_number == 2
    assert any(UPLOAD_ID in note and "it was aborted" in note for note in caught.value.__notes__)
    assert http.lines().count(f"DELETE {store.url}?uploadId={UPLOAD_ID}") == 1
    assert f"POST {store.url}?uploadId={UPLOAD_ID}" not in http.lines()


async def test_a_failed_source_aborts(http, store):
    """The source's own error reaches the caller. The DELETE comes after every PUT has ended."""

    async def broken():
        yield b"A" * CHUNK
        yield b"B" * CHUNK
        raise OSError("the camera was unplugged")

    script_upload(http, store.url, parts=3)
    script_cleanup(http, store.url)
    async with store.make() as driver:
        with pytest.raises(OSError, match="unplugged"):
            await upload(driver, broken())
    lines = http.lines()
    abort = lines.index(f"DELETE {store.url}?uploadId={UPLOAD_ID}")
    assert not any(line.startswith("PUT") for line in lines[abort:])
    assert f"POST {store.url}?uploadId={UPLOAD_ID}" not in lines


async def test_a_cancelled_upload_aborts(http, store):
    """The response to the DELETE comes before the cancellation reaches the caller."""
    began = asyncio.Event()

    async def endless():
        yield b"A" * CHUNK
        yield b"B" * CHUNK
        began.set()
        await asyncio.Event().wait()

    script_upload(http, store.url, parts=3)
    script_cleanup(http, store.url)
    async with store.make() as driver:
        task = asyncio.create_task(upload(driver, endless()))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert http.lines().count(f"DELETE {store.url}?uploadId={UPLOAD_ID}") == 1
    assert f"POST {store.url}?uploadId={UPLOAD_ID}" not in http.lines()


async def test_a_failed_commit_aborts(http, store):
    """A refusal inside a 200 is a refusal."""
    http.post(f"{store.url}?uploads=", body=CREATED)
    for number in (1, 2, 3):
        http.put(f"{store.url}?partNumber={number}&uploadId={UPLOAD_ID}", headers={"ETag": f'"etag-{number}"'})
    http.post(f"{store.url}?uploadId={UPLOAD_ID}", body=DENIED)
    script_cleanup(http, store.url)
    async with store.make() as driver:
        with pytest.raises(AccessDeniedError):
            await upload(driver, stream(CHUNK, CHUNK, 7))
    assert http.lines().count(f"DELETE {store.url}?uploadId={UPLOAD_ID}") == 1


async def test_a_small_stream_is_one_put(http, store):
    """A multipart upload would need three requests."""
    http.put(store.url, headers={"ETag": '"small"'})
    async with store.make() as driver:
        receipt = await upload(driver, stream(7))
    assert http.lines() == [f"PUT {store.url}"]
    assert (http.calls[0].body, receipt.etag) == (b"A" * 7, "small")
