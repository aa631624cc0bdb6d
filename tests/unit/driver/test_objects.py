"""Objects, once they are there: looked at, deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aios3 import AccessDeniedError, ContainerNotFoundError, ObjectNotFoundError, ResponseError, TransportError
from aios3.testing import Fault
from tests.support.driver_scenes import KEY, operations


async def test_an_object_is_described_by_one_head(server, driver, stored):
    found = await driver.get_object("bucket", KEY)
    assert operations(server) == ["HeadObject"]
    assert (found.bucket, found.key, found.size) == ("bucket", KEY, len(stored))
    assert found.etag == server.objects["bucket", KEY].etag.strip('"')
    assert (found.content_type, found.metadata) == ("text/x", {"name": "é", "plain": "x"})
    assert abs(found.last_modified - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_missing_object_is_not_found_and_a_hidden_one_denied(server, driver):
    """The response to HEAD cannot tell a missing object from a missing bucket."""
    for bucket in ("bucket", "missing"):
        with pytest.raises(ObjectNotFoundError) as caught:
            await driver.get_object(bucket, "missing")
        assert (caught.value.operation, caught.value.status, caught.value.code) == ("HeadObject", 404, None)
    server.faults.add(Fault("answer", "HeadObject", status=403, code="AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await driver.get_object("bucket", "key")


async def test_deleting_is_repeatable(server, driver, stored):
    """An object that does not exist is no error to S3."""
    await driver.delete_object("bucket", KEY)
    await driver.delete_object("bucket", KEY)
    assert server.objects == {}
    with pytest.raises(ContainerNotFoundError):
        await driver.delete_object("missing", "key")


@pytest.mark.parametrize("operation", ["HeadObject", "DeleteObject"])
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "answer"])
async def test_a_passing_failure_is_repeated(server, driver, operation, kind):
    await driver.upload_object_via_stream(b"x", "bucket", "key")
    server.faults.add(Fault(kind, operation, times=2))
    call = driver.get_object if operation == "HeadObject" else driver.delete_object
    await call("bucket", "key")
    assert operations(server)[1:] == [operation] * 3


@pytest.mark.parametrize("method", ["get_object", "delete_object"])
async def test_a_web_page_is_an_error_that_says_so(server, driver, method):
    page = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"
    server.faults.add(Fault("raw", body=page, times=100))
    with pytest.raises((ResponseError, TransportError)) as caught:
        await getattr(driver, method)("bucket", "key")
    if method == "delete_object":
        assert "an HTML page instead of S3's XML" in str(caught.value)
