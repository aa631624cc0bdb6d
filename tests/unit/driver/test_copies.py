"""Copies inside the store: whole or not at all, with what the source has."""

from __future__ import annotations

import asyncio
import dataclasses
import os

import pytest

from aios3 import (
    AccessDeniedError,
    CompletionUnknownError,
    ConfigurationError,
    DriverClosedError,
    IntegrityError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    PartLimitError,
    PreconditionFailedError,
    ResponseError,
    RetryPolicy,
    TransferConfig,
    TransportError,
)
from aios3.testing import Fault, S3Server

DATA = os.urandom(5000)
DESCRIBED = {
    "content_type": "video/mp4",
    "cache_control": "no-cache",
    "content_disposition": "attachment",
    "content_language": "de",
    "metadata": {"camera": "front", "title": "für Elise"},
    "tags": {"a": "1", "b c": "ü&="},
}
WHOLE, IN_PARTS = 10_000, 2048
"""Limits of one CopyObject, of which the second is below the size of the source."""


@pytest.fixture(params=[WHOLE, IN_PARTS], ids=["whole", "parts"])
async def scene(request, small_provider, make_driver):
    """A driver, its store, and the source at ``bucket/from``; copies are whole or in parts."""
    async for each in _scene(small_provider, make_driver, request.param):
        yield each


@pytest.fixture
async def in_parts(small_provider, make_driver):
    async for each in _scene(small_provider, make_driver, IN_PARTS):
        yield each


@pytest.fixture
async def whole(small_provider, make_driver):
    async for each in _scene(small_provider, make_driver, WHOLE):
        yield each


async def _scene(small_provider, make_driver, limit):
    provider = dataclasses.replace(small_provider, max_copy_size=limit)
    async with S3Server(provider, buckets=["bucket", "other"]) as server:
        driver = make_driver(on=server)
        await driver.upload_object_via_stream(DATA, "bucket", "from", **DESCRIBED)
        server.requests.clear()
        yield driver, server


def names(server) -> list[str]:
    return [request.operation for request in server.requests]


async def test_copy_has_bytes_headers_metadata_and_tags_of_the_source(scene):
    driver, server = scene
    receipt = await driver.copy_object("bucket", "from", "other", "to/ü +%&?.mp4")
    copied = server.objects["other", "to/ü +%&?.mp4"]
    assert copied.body == DATA
    assert copied.headers == server.objects["bucket", "from"].headers
    found = await driver.get_object("other", "to/ü +%&?.mp4")
    assert (receipt.bucket, receipt.key, receipt.size) == ("other", "to/ü +%&?.mp4", len(DATA))
    assert (receipt.etag, receipt.verification.bodies) == (found.etag, frozenset())
    assert not server.open_uploads
    assert not any(request.body for request in server.requests if request.operation.startswith(("Copy", "UploadPart")))


async def test_copy_in_parts_lists_its_parts(in_parts):
    driver, server = in_parts
    receipt = await driver.copy_object("bucket", "from", "bucket", "to")
    assert [part.size for part in receipt.parts] == [2048, 2048, 904]
    assert receipt.upload_id
    assert names(server).count("UploadPartCopy") == 3


@pytest.mark.parametrize("key", ["ü +%&?#", "a//b", "a/../b", ".", " ", "\x01"])
async def test_source_of_any_name_is_copied_exactly(scene, key):
    driver, server = scene
    server.objects["bucket", key] = server.objects["bucket", "from"]
    await driver.copy_object("bucket", key, "bucket", "to")
    assert server.objects["bucket", "to"].body == DATA


async def test_given_attributes_replace_and_the_others_stay(scene):
    driver, server = scene
    given = {"content_type": "video/webm", "metadata": {"take": "2"}, "tags": {"c": "3"}, "storage_class": "GLACIER"}
    await driver.copy_object("bucket", "from", "bucket", "to", **given)
    headers = server.objects["bucket", "to"].headers
    assert headers["content-type"] == "video/webm"
    assert headers["cache-control"] == "no-cache"
    assert [name for name in headers if name.startswith("x-amz-meta-")] == ["x-amz-meta-take"]
    assert (headers["x-amz-tagging"], headers["x-amz-storage-class"]) == ("c=3", "GLACIER")


async def test_given_content_header_keeps_the_metadata(scene):
    driver, server = scene
    await driver.copy_object("bucket", "from", "bucket", "to", cache_control="max-age=1")
    found = await driver.get_object("bucket", "to")
    assert (found.metadata, found.content_type) == (DESCRIBED["metadata"], "video/mp4")
    assert server.objects["bucket", "to"].headers["cache-control"] == "max-age=1"


async def test_empty_metadata_removes_that_of_the_source(scene):
    driver, _ = scene
    await driver.copy_object("bucket", "from", "bucket", "to", metadata={})
    assert (await driver.get_object("bucket", "to")).metadata == {}


async def test_source_that_changes_is_an_error_and_nothing_is_committed(scene):
    driver, server = scene
    operation = "UploadPartCopy" if server.store.provider.max_copy_size == IN_PARTS else "CopyObject"
    server.hold(operation)
    copying = asyncio.create_task(driver.copy_object("bucket", "from", "bucket", "to"))
    await server.wait_for(lambda server: server.held_requests)
    await driver.upload_object_via_stream(b"other", "bucket", "from")
    server.release(operation)
    with pytest.raises(IntegrityError, match="was replaced"):
        await copying
    assert ("bucket", "to") not in server.objects
    assert not server.open_uploads


@pytest.mark.parametrize("how", ["cancel", "close", "refuse"])
async def test_copy_in_parts_that_ends_early_is_aborted(in_parts, how):
    driver, server = in_parts
    if how == "refuse":
        server.faults.add(Fault("answer", "UploadPartCopy", nth=2, status=403, code="AccessDenied"))
        with pytest.raises(AccessDeniedError) as caught:
            await driver.copy_object("bucket", "from", "bucket", "to")
        assert "it was aborted" in caught.value.__notes__[-1]
    else:
        server.hold("UploadPartCopy")
        copying = asyncio.create_task(driver.copy_object("bucket", "from", "bucket", "to"))
        await server.wait_for(lambda server: server.held_requests)
        copying.cancel() if how == "cancel" else await driver.aclose()
        with pytest.raises(asyncio.CancelledError if how == "cancel" else DriverClosedError):
            await copying
    assert not server.open_uploads
    assert ("bucket", "to") not in server.objects
    assert "AbortMultipartUpload" in names(server)


@pytest.mark.parametrize("kind", ["error_in_200", "garbage_200", "drop_after", "drop_mid_answer", "whitespace_200"])
async def test_copy_with_an_unclear_response_is_repeated(scene, kind):
    driver, server = scene
    for operation in ("CopyObject", "UploadPartCopy"):
        server.faults.add(Fault(kind, operation, code="InternalError", body=b"<html>"))
    await driver.copy_object("bucket", "from", "bucket", "to")
    assert server.objects["bucket", "to"].body == DATA


async def test_error_in_a_success_is_an_error(scene):
    driver, server = scene
    for operation in ("CopyObject", "UploadPartCopy"):
        server.faults.add(Fault("error_in_200", operation, code="AccessDenied", times=99))
    with pytest.raises(AccessDeniedError):
        await driver.copy_object("bucket", "from", "bucket", "to")
    assert ("bucket", "to") not in server.objects


async def test_lost_response_to_every_attempt_is_settled_by_the_key(whole):
    """An object of one PutObject has the same ETag as its copy."""
    driver, server = whole
    await driver.upload_object_via_stream(b"small", "bucket", "small")
    server.faults.add(Fault("drop_after", "CopyObject", times=99))
    assert (await driver.copy_object("bucket", "small", "bucket", "to")).size == 5
    assert server.objects["bucket", "to"].body == b"small"
    with pytest.raises(CompletionUnknownError):
        await driver.copy_object("bucket", "from", "bucket", "to")  # of several parts, so the ETag is another one


async def test_lost_response_without_a_copy_is_a_failure(whole):
    driver, server = whole
    server.faults.add(Fault("drop_before", "CopyObject", times=99))
    with pytest.raises(TransportError):
        await driver.copy_object("bucket", "from", "bucket", "to")


async def test_lost_response_with_a_key_that_cannot_be_seen_is_unknown(small_provider, make_driver, whole):
    driver, server = whole
    server.faults.add(Fault("drop_after", "CopyObject", times=99))
    server.faults.add(Fault("answer", "HeadObject", nth=2, status=403, code="AccessDenied", times=99))
    with pytest.raises(CompletionUnknownError, match="lost"):
        await driver.copy_object("bucket", "from", "bucket", "to")


async def test_copy_without_an_etag_looks_it_up(whole):
    driver, server = whole
    server.faults.add(Fault("garbage_after", "CopyObject", status=200, body=b"<CopyObjectResult></CopyObjectResult>"))
    assert (await driver.copy_object("bucket", "from", "bucket", "to")).etag


async def test_copy_that_was_made_is_a_success_although_its_etag_cannot_be_seen(whole):
    driver, server = whole
    server.faults.add(Fault("garbage_after", "CopyObject", status=200, body=b"<CopyObjectResult></CopyObjectResult>"))
    server.faults.add(Fault("answer", "HeadObject", nth=2, status=403, code="AccessDenied"))
    assert (await driver.copy_object("bucket", "from", "bucket", "to")).etag == ""
    assert server.objects["bucket", "to"].body == DATA


async def test_end_of_the_driver_waits_for_a_copy_of_one_request(whole):
    """The store may copy by then, so a copy that is cut off would be unknown."""
    driver, server = whole
    server.hold("CopyObject")
    copying = asyncio.create_task(driver.copy_object("bucket", "from", "bucket", "to"))
    await server.wait_for(lambda server: server.held_requests)
    closing = asyncio.create_task(driver.aclose())
    for _ in range(100):  # turns in which it would close the connections
        await asyncio.sleep(0)
    server.release("CopyObject")
    assert (await copying).size == len(DATA)
    await closing


async def test_source_without_an_etag_is_not_copied_in_parts(in_parts):
    """Nothing would keep the parts from being of two versions of it."""
    driver, server = in_parts
    server.objects["bucket", "from"] = dataclasses.replace(server.objects["bucket", "from"], etag="")
    with pytest.raises(IntegrityError, match="no ETag"):
        await driver.copy_object("bucket", "from", "bucket", "to")
    assert "CreateMultipartUpload" not in names(server)


@pytest.mark.parametrize("obeys", [True, None])
@pytest.mark.parametrize("size", [0, len(DATA)])
async def test_condition_of_the_copy_holds_whether_copy_object_obeys_it(
    make_driver, small_provider, whole, obeys, size
):
    """Where that is not known, CompleteMultipartUpload or PutObject compares."""
    _, server = whole
    server.store.provider = dataclasses.replace(server.store.provider, conditional_copy=obeys)
    driver = make_driver(on=server)
    await driver.upload_object_via_stream(DATA[:size], "bucket", "from", metadata={"a": "b"})
    await driver.copy_object("bucket", "from", "bucket", "to", if_none_match="*")
    assert server.objects["bucket", "to"].body == DATA[:size]
    assert (await driver.get_object("bucket", "to")).metadata == {"a": "b"}
    with pytest.raises(PreconditionFailedError):
        await driver.copy_object("bucket", "from", "bucket", "to", if_none_match="*")
    assert ("CopyObject" in names(server)) == (obeys is True)
    assert not server.open_uploads


async def test_version_and_condition_of_the_source(make_driver, small_provider):
    async with S3Server(small_provider, versioned_buckets=["bucket"]) as server:
        driver = make_driver(on=server)
        old = await driver.upload_object_via_stream(b"old", "bucket", "from")
        await driver.upload_object_via_stream(b"new", "bucket", "from")
        await driver.copy_object("bucket", "from", "bucket", "to", source_version_id=old.version_id)
        assert server.objects["bucket", "to"].body == b"old"
        with pytest.raises(PreconditionFailedError):
            await driver.copy_object("bucket", "from", "bucket", "to", source_if_match=old.etag)


@pytest.mark.parametrize("limit", [WHOLE, IN_PARTS])
async def test_customer_keys_of_source_and_copy(make_driver, small_provider, tls, limit):
    theirs, ours = os.urandom(32), os.urandom(32)
    provider = dataclasses.replace(small_provider, max_copy_size=limit)
    async with S3Server(provider, ssl_context=tls.server) as server:
        driver = make_driver(on=server, ssl_context=tls.client)
        await driver.upload_object_via_stream(DATA, "bucket", "from", sse_customer_key=theirs)
        keys = {"source_sse_customer_key": theirs, "sse_customer_key": ours}
        await driver.copy_object("bucket", "from", "bucket", "to", **keys)
        read = [chunk async for chunk in driver.download_object_as_stream("bucket", "to", sse_customer_key=ours)]
        assert b"".join(read) == DATA
        with pytest.raises(ResponseError):
            await driver.copy_object("bucket", "from", "bucket", "to")
    for name in keys:
        with pytest.raises(ConfigurationError, match="https"):
            await make_driver().copy_object("bucket", "from", "bucket", "to", **{name: theirs})


async def test_payer_and_owners_are_on_the_wire(scene):
    driver, server = scene
    owners = {"source_expected_bucket_owner": "111", "expected_bucket_owner": "222", "request_payer": "requester"}
    await driver.copy_object("bucket", "from", "bucket", "to", **owners)
    head, *copies = [request for request in server.requests if request.operation != "GetObjectTagging"]
    assert head.header("x-amz-expected-bucket-owner") == "111"
    assert all(request.header("x-amz-request-payer") == "requester" for request in server.requests)
    assert all(request.header("x-amz-expected-bucket-owner") == "222" for request in copies if request.bucket)
    sources = [request for request in copies if request.header("x-amz-copy-source")]
    assert sources
    assert all(request.header("x-amz-source-expected-bucket-owner") == "111" for request in sources)


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ({"unknown": "x"}, TypeError),
        ({"source_version_id": "a\r\nb"}, ConfigurationError),
        ({"cache_control": "a\r\nb"}, ConfigurationError),
        ({"metadata": {"a": "b\nc"}}, ConfigurationError),
        ({"source_sse_customer_key": b"short"}, ConfigurationError),
    ],
)
async def test_invalid_attribute_is_refused_before_a_request(server, driver, attributes, error):
    with pytest.raises(error):
        await driver.copy_object("bucket", "from", "bucket", "to", **attributes)
    assert not server.requests


@pytest.mark.parametrize(
    "place", [("", "a", "b", "c"), ("bucket", "", "b", "c"), ("a", "b", "..", "c"), ("a", "b", "c", "")]
)
async def test_invalid_place_is_refused(server, driver, place):
    with pytest.raises(ConfigurationError):
        await driver.copy_object(*place)
    assert not server.requests


async def test_missing_source_is_not_found(driver):
    with pytest.raises(ObjectNotFoundError):
        await driver.copy_object("bucket", "missing", "bucket", "to")


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"max_object_size": 4999}, ObjectTooLargeError),
        ({"max_parts": 2}, PartLimitError),
        ({"multipart": False}, ConfigurationError),
    ],
)
async def test_source_that_the_store_cannot_hold_is_refused(in_parts, make_driver, limits, error):
    _, server = in_parts
    driver = make_driver(on=server, provider=dataclasses.replace(server.store.provider, **limits))
    with pytest.raises(error):
        await driver.copy_object("bucket", "from", "bucket", "to")
    assert not server.open_uploads


async def test_condition_that_complete_ignores_is_refused(in_parts, make_driver):
    _, server = in_parts
    driver = make_driver(on=server, provider=dataclasses.replace(server.store.provider, conditional_complete=False))
    with pytest.raises(ConfigurationError, match="ignores if_match"):
        await driver.copy_object("bucket", "from", "bucket", "to", if_none_match="*")
    await driver.copy_object("bucket", "from", "bucket", "to")


async def test_small_source_is_copied_where_there_are_no_multipart_uploads(make_driver, small_provider):
    async with S3Server(dataclasses.replace(small_provider, multipart=False)) as server:
        driver = make_driver(on=server, transfer=TransferConfig(part_size=1024, payload_signing="sha256"))
        await driver.upload_object_via_stream(b"data", "bucket", "from", size=4)
        await driver.copy_object("bucket", "from", "bucket", "to")
        assert server.objects["bucket", "to"].body == b"data"


async def test_copy_leaves_the_drivers_options_alone(in_parts, make_driver):
    """A nonce or a checksum would describe bytes that never pass here."""
    _, server = in_parts
    options = TransferConfig(part_size=1024, nonce=True, checksum="md5")
    driver = make_driver(on=server, transfer=options, retry=RetryPolicy(max_attempts=1))
    await driver.copy_object("bucket", "from", "bucket", "to")
    assert server.objects["bucket", "to"].headers == server.objects["bucket", "from"].headers
