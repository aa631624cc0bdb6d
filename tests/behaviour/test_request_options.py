"""Options of reads, deletions and listings: each reaches the store, or is refused before a request."""

from __future__ import annotations

import dataclasses
import os

import aiohttp
import pytest
from yarl import URL

from aios3 import (
    AccessDeniedError,
    ConfigurationError,
    ObjectNotFoundError,
    PreconditionFailedError,
    ResponseError,
)
from aios3.testing import Fault, S3Server

KEY = os.urandom(32)
PAYER = {"request_payer": "requester", "expected_bucket_owner": "123456789012"}


async def drain(iterator):
    return [item async for item in iterator]


async def _open(driver, **options):
    async with driver.open_object("bucket", "key", **options) as found:
        return b"".join([chunk async for chunk in found])


READS = {
    "get": lambda driver, path, **options: driver.get_object("bucket", "key", **options),
    "open": lambda driver, path, **options: _open(driver, **options),
    "stream": lambda driver, path, **options: drain(driver.download_object_as_stream("bucket", "key", **options)),
    "nothing": lambda driver, path, **options: _open(driver, start=1, end=1, **options),
    "file": lambda driver, path, **options: driver.download_object("bucket", "key", path, overwrite=True, **options),
}
DELETES = {"delete": lambda driver, path, **options: driver.delete_object("bucket", "key", **options)}
LISTINGS = {
    "objects": lambda driver, path, **options: drain(driver.iterate_container_objects("bucket", **options)),
    "uploads": lambda driver, path, **options: drain(driver.iterate_multipart_uploads("bucket", **options)),
}
CALLS = READS | DELETES | LISTINGS


def every(calls):
    return pytest.mark.parametrize("call", calls.values(), ids=calls)


@every(CALLS)
async def test_payer_and_owner_are_on_the_wire(server, driver, tmp_path, call):
    await driver.upload_object_via_stream(b"data", "bucket", "key")
    server.requests.clear()
    await call(driver, tmp_path / "file", **PAYER)
    (request,) = server.requests
    assert request.header("x-amz-request-payer") == "requester"
    assert request.header("x-amz-expected-bucket-owner") == "123456789012"


@every(CALLS)
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"unknown": "x"}, TypeError),
        ({"request_payer": "requester\r\nx-evil: 1"}, ConfigurationError),
        ({"expected_bucket_owner": "1\n2"}, ConfigurationError),
        ({"request_payer": 5}, ConfigurationError),
    ],
)
async def test_invalid_option_is_refused_before_a_request(server, driver, tmp_path, call, options, error):
    with pytest.raises(error):
        await call(driver, tmp_path / "file", **options)
    assert not server.requests


@every(READS | DELETES)
@pytest.mark.parametrize("options", [{"if_match": "a\r\nb"}, {"version_id": "a\nb"}, {"version_id": ""}])
async def test_invalid_version_or_condition_is_refused_before_a_request(server, driver, tmp_path, call, options):
    with pytest.raises(ConfigurationError):
        await call(driver, tmp_path / "file", **options)
    assert not server.requests


@every(CALLS)
async def test_option_that_the_provider_does_not_take_is_refused(server, make_driver, small_provider, tmp_path, call):
    provider = dataclasses.replace(small_provider, refused_attributes=frozenset({"request_payer"}), versions=False)
    driver = make_driver(provider=provider)
    with pytest.raises(ConfigurationError, match="request_payer"):
        await call(driver, tmp_path / "file", request_payer="requester")
    if call not in LISTINGS.values():
        with pytest.raises(ConfigurationError, match="version_id"):
            await call(driver, tmp_path / "file", version_id="v")
    assert not server.requests


@every(CALLS)
async def test_option_of_none_is_no_option(driver, tmp_path, call):
    await driver.upload_object_via_stream(b"data", "bucket", "key")
    await call(driver, tmp_path / "file", request_payer=None)


@every(READS)
async def test_customer_key_decrypts_and_needs_https(small_provider, make_driver, tls, tmp_path, call):
    async with S3Server(small_provider, ssl_context=tls.server) as server:
        driver = make_driver(on=server, ssl_context=tls.client)
        await driver.upload_object_via_stream(b"data", "bucket", "key", sse_customer_key=KEY)
        await call(driver, tmp_path / "file", sse_customer_key=KEY)
        with pytest.raises(ResponseError) as caught:
            await call(driver, tmp_path / "file")
        assert caught.value.status == 400
        with pytest.raises(AccessDeniedError):
            await call(driver, tmp_path / "file", sse_customer_key=bytes(32))
    with pytest.raises(ConfigurationError, match="https"):
        await call(make_driver(), tmp_path / "file", sse_customer_key=KEY)


@every(READS)
async def test_customer_key_that_is_no_key_is_refused_without_showing_it(driver, tmp_path, call):
    with pytest.raises(ConfigurationError) as caught:
        await call(driver, tmp_path / "file", sse_customer_key=b"secret key")
    assert "secret" not in str(caught.value)


@every(READS | DELETES)
async def test_if_match_holds_for_that_etag_only(server, driver, tmp_path, call):
    receipt = await driver.upload_object_via_stream(b"data", "bucket", "key")
    with pytest.raises(PreconditionFailedError):
        await call(driver, tmp_path / "file", if_match="0" * 32)
    assert ("bucket", "key") in server.objects
    await call(driver, tmp_path / "file", if_match=receipt.etag)


async def test_condition_that_the_store_ignores_when_it_deletes_is_refused(server, make_driver, small_provider):
    driver = make_driver(provider=dataclasses.replace(small_provider, conditional_delete=False))
    with pytest.raises(ConfigurationError, match="ignores if_match"):
        await driver.delete_object("bucket", "key", if_match="x")
    assert not server.requests


@pytest.fixture
async def versions(make_driver, small_provider):
    """A driver, the store, and the ids of two versions, ``b"old"`` and ``b"newer"``."""
    async with S3Server(small_provider, versioned_buckets=["bucket"]) as server:
        driver = make_driver(on=server)
        receipts = [await driver.upload_object_via_stream(data, "bucket", "key") for data in (b"old", b"newer")]
        server.requests.clear()
        yield driver, server, [receipt.version_id for receipt in receipts]


async def test_version_is_read_by_its_id(versions, tmp_path):
    driver, _, (old, new) = versions
    assert (await driver.get_object("bucket", "key")).version_id == new
    found = await driver.get_object("bucket", "key", version_id=old)
    assert (found.version_id, found.size) == (old, 3)
    assert await _open(driver, version_id=old) == b"old"
    assert await _open(driver) == b"newer"
    await driver.download_object("bucket", "key", tmp_path / "file", version_id=old)
    assert (tmp_path / "file").read_bytes() == b"old"


async def test_version_that_breaks_off_is_resumed_in_that_version(versions):
    driver, server, (old, _) = versions
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    assert await _open(driver, version_id=old) == b"old"
    assert [request.head.parameter("versionId") for request in server.requests] == [old, old]


@every(READS)
async def test_missing_version_is_not_found(versions, tmp_path, call):
    driver, _, _ = versions
    with pytest.raises(ObjectNotFoundError):
        await call(driver, tmp_path / "file", version_id="missing")


@every(READS)
async def test_store_that_ignores_the_version_is_an_error(server, driver, tmp_path, call):
    """The bytes would be those of another version."""
    await driver.upload_object_via_stream(b"data", "bucket", "key")
    answer = {"ETag": '"e"', "Content-Length": "4"}
    for operation in ("HeadObject", "GetObject"):
        server.faults.add(Fault("answer", operation, status=200, body=b"", headers=answer, times=9))
    with pytest.raises(ResponseError, match="ignored the version"):
        await call(driver, tmp_path / "file", version_id="v")


async def test_null_version_of_a_bucket_without_versions_is_the_object(driver):
    await driver.upload_object_via_stream(b"data", "bucket", "key")
    assert (await driver.get_object("bucket", "key", version_id="null")).size == 4


async def test_deletion_of_a_version_leaves_the_others(versions):
    driver, server, (old, new) = versions
    await driver.delete_object("bucket", "key", version_id=new)
    assert await _open(driver) == b"old"
    await driver.delete_object("bucket", "key")
    with pytest.raises(ObjectNotFoundError):
        await driver.get_object("bucket", "key")
    assert (await driver.get_object("bucket", "key", version_id=old)).size == 3


@pytest.mark.parametrize("is_conditional", [False, True])
@pytest.mark.parametrize(("status", "code"), [(404, "NoSuchKey"), (412, "PreconditionFailed")])
async def test_deletion_with_a_lost_response_counts_as_done(server, driver, is_conditional, status, code):
    """The repetition is refused because the first attempt has deleted the object."""
    receipt = await driver.upload_object_via_stream(b"data", "bucket", "key")
    server.faults.add(Fault("drop_after", "DeleteObject"))
    server.faults.add(Fault("answer", "DeleteObject", nth=2, status=status, code=code))
    access = {"request_payer": "requester", "expected_bucket_owner": "111122223333"}
    await driver.delete_object("bucket", "key", **access, **({"if_match": receipt.etag} if is_conditional else {}))
    assert not server.objects
    for request in server.requests[1:]:  # a look at the key is paid and guarded like the deletion
        assert set(access.values()) <= {value for _, value in request.headers}


async def test_deletion_of_an_object_that_another_writer_replaced_is_refused(server, driver):
    receipt = await driver.upload_object_via_stream(b"data", "bucket", "key")
    server.faults.add(Fault("drop_before", "DeleteObject"))
    await driver.upload_object_via_stream(b"other", "bucket", "key")
    with pytest.raises(PreconditionFailedError):
        await driver.delete_object("bucket", "key", if_match=receipt.etag)
    with pytest.raises(ObjectNotFoundError):
        await driver.delete_object("bucket", "missing", if_match=receipt.etag)


async def test_deletion_of_a_missing_object_is_no_error_on_any_store(server, driver):
    """Google sends 404."""
    server.faults.add(Fault("answer", "DeleteObject", status=404, code="NoSuchKey"))
    await driver.delete_object("bucket", "missing")


OVERRIDES = {
    "response_content_type": "text/plain",
    "response_content_disposition": 'attachment; filename="a &.mp4"',
    "response_content_encoding": "identity",
    "response_content_language": "de",
    "response_cache_control": "no-store",
    "response_expires": "Thu, 01 Jan 2032 00:00:00 GMT",
}


async def test_signed_url_replaces_headers_of_the_response_and_names_the_version(versions):
    driver, _, (old, _) = versions
    url = await driver.create_download_url("bucket", "key", expires_in=60, version_id=old, **OVERRIDES)
    async with aiohttp.ClientSession() as session, session.get(URL(url, encoded=True)) as response:
        assert (response.status, await response.read()) == (200, b"old")
        found = {name: response.headers[name.removeprefix("response_").replace("_", "-")] for name in OVERRIDES}
    assert found == OVERRIDES
    async with aiohttp.ClientSession() as session:
        changed = url.replace("no-store", "public")
        assert (await session.get(URL(changed, encoded=True))).status == 403


@pytest.mark.parametrize("versions", [None, False])
async def test_version_of_a_signed_url_that_the_provider_cannot_name_is_refused(make_driver, small_provider, versions):
    driver = make_driver(provider=dataclasses.replace(small_provider, versions=versions))
    with pytest.raises(ConfigurationError):
        await driver.create_download_url("bucket", "key", expires_in=60, version_id="v" if versions is False else "")
