"""Objects, once they are there: looked at, deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aios3 import (
    AccessDeniedError,
    ConfigurationError,
    ContainerNotFoundError,
    ObjectNotFoundError,
    ResponseError,
    TransportError,
)
from aios3.testing import Fault

CONTENT = bytes(range(256)) * 40


@pytest.fixture(params=[len(CONTENT), 700], ids=["multipart", "single"])
async def stored(request, driver):
    """An object called ``a//b ü``, and its content."""
    content = CONTENT[: request.param]
    await driver.upload_object_via_stream(
        content, "bucket", "a//b ü", content_type="text/x", metadata={"Name": "é", "plain": "x"}
    )
    return content


async def test_an_object_is_described_by_one_head(server, driver, stored):
    """Size, ETag, type, time and metadata, decoded."""
    before = len(server.requests)
    found = await driver.get_object("bucket", "a//b ü")
    assert [request.operation for request in server.requests[before:]] == ["HeadObject"]
    assert (found.bucket, found.key, found.size) == ("bucket", "a//b ü", len(stored))
    assert found.etag == server.objects["bucket", "a//b ü"].etag.strip('"')
    assert found.content_type == "text/x"
    assert found.metadata == {"name": "é", "plain": "x"}
    assert abs(found.last_modified - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_missing_object_is_not_found(driver):
    """The answer to HEAD cannot tell it from a missing bucket."""
    for bucket in ("bucket", "missing"):
        with pytest.raises(ObjectNotFoundError) as caught:
            await driver.get_object(bucket, "missing")
        assert (caught.value.operation, caught.value.status, caught.value.code) == ("HeadObject", 404, None)


async def test_an_object_that_may_not_be_seen_is_denied(server, driver):
    """403 says neither that it exists nor that it does not."""
    server.faults.add(Fault("answer", "HeadObject", status=403, code="AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await driver.get_object("bucket", "key")


async def test_deleting_is_repeatable(server, driver, stored):
    """An object that does not exist is no error to S3."""
    await driver.delete_object("bucket", "a//b ü")
    await driver.delete_object("bucket", "a//b ü")
    assert server.objects == {}
    with pytest.raises(ContainerNotFoundError):
        await driver.delete_object("missing", "key")


@pytest.mark.parametrize("operation", ["HeadObject", "DeleteObject"])
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "answer"])
async def test_a_passing_failure_is_repeated(server, driver, operation, kind):
    """Both are safe to repeat."""
    await driver.upload_object_via_stream(b"x", "bucket", "key")
    server.faults.add(Fault(kind, operation, times=2))
    call = driver.get_object if operation == "HeadObject" else driver.delete_object
    await call("bucket", "key")
    assert [request.operation for request in server.requests[1:]] == [operation] * 3


@pytest.mark.parametrize("method", ["get_object", "delete_object"])
@pytest.mark.parametrize(("bucket", "key"), [("bucket/../x", "key"), ("bucket", ""), ("bucket", "\ud800"), (None, "k")])
async def test_what_cannot_be_a_name_is_refused(server, driver, method, bucket, key):
    """Before any request."""
    with pytest.raises(ConfigurationError):
        await getattr(driver, method)(bucket, key)
    assert server.requests == []


@pytest.mark.parametrize("method", ["get_object", "delete_object"])
async def test_a_web_page_is_not_an_answer(server, driver, method):
    """The error tells what came instead."""
    page = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"
    server.faults.add(Fault("raw", body=page, times=100))
    with pytest.raises((ResponseError, TransportError)) as caught:
        await getattr(driver, method)("bucket", "key")
    if method == "delete_object":
        assert "an HTML page instead of S3's XML" in str(caught.value)
