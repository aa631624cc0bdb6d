"""Reads of stored objects: bytes and metadata equal those of the upload, although the store may recode them."""

from __future__ import annotations

import dataclasses
import gzip

import pytest

from aios3 import PROVIDERS, ResponseError, TransferConfig
from aios3.testing import Fault, S3Server

CAPITALS = {"X-Amz-Meta-Camera": "front", "X-AMZ-META-TAKE": "3", "ETag": '"e"', "Content-Length": "0"}


@pytest.mark.parametrize("operation", ["HeadObject", "GetObject"])
async def test_metadata_names_with_capitals_come_back_in_lower_case(server, driver, operation):
    """As rclone sends them."""
    await driver.upload_object_via_stream(b"", "bucket", "key")
    server.faults.add(Fault("answer", operation, status=200, body=b"", headers=CAPITALS))
    if operation == "HeadObject":
        found = await driver.get_object("bucket", "key")
    else:
        async with driver.open_object("bucket", "key") as found:
            pass
    assert found.metadata == {"camera": "front", "take": "3"}


PACKED = gzip.compress(b"the quick brown fox " * 500)
GOOGLE = dataclasses.replace(PROVIDERS["google"], min_part_size=64)


@pytest.fixture
async def google(make_driver):
    """A driver, and a store that unpacks gzip for clients that do not accept it."""
    async with S3Server(GOOGLE) as server:
        driver = make_driver(on=server, transfer=TransferConfig(part_size=64))
        await driver.upload_object_via_stream(PACKED, "bucket", "key", content_encoding="gzip")
        server.requests.clear()
        yield server, driver


async def test_gzip_object_is_read_as_it_was_stored(google, tmp_path):
    """Description, whole downloads and ranges."""
    _, driver = google
    found = await driver.get_object("bucket", "key")
    assert (found.size, bool(found.etag)) == (len(PACKED), True)
    async with driver.open_object("bucket", "key", start=3, end=10) as opened:
        assert (opened.size, b"".join([chunk async for chunk in opened])) == (len(PACKED), PACKED[3:10])
    assert (await driver.download_object("bucket", "key", tmp_path / "file")).etag == found.etag
    assert (tmp_path / "file").read_bytes() == PACKED


async def test_gzip_object_that_breaks_off_is_resumed_at_its_offset(google):
    server, driver = google
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    assert b"".join([chunk async for chunk in driver.download_object_as_stream("bucket", "key")]) == PACKED
    assert [request.header("Range") is None for request in server.requests] == [True, False]


async def test_gzip_object_with_a_lost_commit_is_found(google):
    server, driver = google
    server.faults.add(Fault("drop_after", "CompleteMultipartUpload", times=99))
    receipt = await driver.upload_object_via_stream(PACKED, "bucket", "other", content_encoding="gzip")
    assert receipt.etag == (await driver.get_object("bucket", "other")).etag


async def test_gzip_is_accepted_by_reads_of_objects_only_and_never_signed(google):
    """Front ends of Google change the header, and could pack a listing."""
    server, driver = google
    await driver.get_object("bucket", "key")
    async for _ in driver.iterate_container_objects("bucket"):
        pass
    assert [request.header("Accept-Encoding") for request in server.requests] == ["gzip", "identity"]
    assert all("accept-encoding" not in request.header("Authorization") for request in server.requests)


async def test_gzip_is_not_accepted_where_objects_come_as_stored(server, driver):
    """A proxy could pack the bytes."""
    await driver.upload_object_via_stream(b"x", "bucket", "key")
    await driver.get_object("bucket", "key")
    assert server.requests[-1].header("Accept-Encoding") == "identity"


async def test_object_that_was_recoded_on_the_way_is_refused(google, make_driver):
    server, _ = google
    driver = make_driver(on=server, provider="generic", transfer=TransferConfig())
    with pytest.raises(ResponseError, match="recoded on the way"):
        await anext(driver.download_object_as_stream("bucket", "key"))
