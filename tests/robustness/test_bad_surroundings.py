"""Wrong credentials, buckets, endpoints and stores: errors that name the cause, and nothing is left."""

from __future__ import annotations

import socket

import pytest

from aios3 import (
    ConfigurationError,
    ContainerNotFoundError,
    Credentials,
    CredentialsError,
    ResponseError,
    RetryPolicy,
    StorageError,
    TransportError,
)
from aios3.testing import Fault

PART = 1024
MIB = 1024 * 1024
PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(server):
    """Check after each test that no upload is open and nothing was committed."""
    yield
    assert server.open_uploads == []
    assert server.objects == {}


async def test_missing_credentials_are_an_error(server, make_driver):
    with pytest.raises(ConfigurationError) as caught:
        await make_driver(credentials=None).upload_object_via_stream(b"x", "bucket", "key")
    message = str(caught.value)
    for word in ("no credentials", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "profile 'default'", "Credentials("):
        assert word in message
    assert "ANONYMOUS" in message
    assert server.requests == []


@pytest.mark.parametrize("size", [10, 5000])
async def test_a_wrong_secret_raises_after_one_request(server, make_driver, size):
    driver = make_driver(credentials=Credentials(server.credentials.access_key_id, "wrong"))
    with pytest.raises(CredentialsError, match="SignatureDoesNotMatch: .*secret access key.*wrong") as caught:
        await driver.upload_object_via_stream(bytes(size), "bucket", "key")
    assert caught.value.status == 403
    assert len(server.requests) == 1


@pytest.mark.parametrize("size", [10, 5000])
async def test_a_missing_bucket_raises_after_one_request(server, driver, size):
    with pytest.raises(ContainerNotFoundError, match="'missing/key' got response 404 NoSuchBucket") as caught:
        await driver.upload_object_via_stream(bytes(size), "missing", "key")
    assert (caught.value.bucket, caught.value.key, caught.value.code) == ("missing", "key", "NoSuchBucket")
    assert len(server.requests) == 1


async def test_an_unreachable_endpoint_is_named(make_driver):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
    driver = make_driver(endpoint_url=endpoint, retry=RetryPolicy(max_attempts=3, base_delay=0))
    with pytest.raises(TransportError, match=f"PutObject at {endpoint}") as caught:
        await driver.upload_object_via_stream(b"x", "bucket", "key")
    assert any("3 attempts" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("status", [200, 403, 404, 502])
@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
async def test_a_web_page_instead_of_xml_is_an_error(server, make_driver, operation, status):
    """Also with status 200, for example from a proxy. The message says so."""
    kind = "garbage_200" if status == 200 else "answer"
    server.faults.add(Fault(kind, operation, status=status, body=PAGE, times=1000))
    driver = make_driver(retry=RetryPolicy(max_attempts=2, base_delay=0, throttle_base_delay=0))
    with pytest.raises(StorageError) as caught:
        await driver.upload_object_via_stream(bytes(10 if operation == "PutObject" else 5000), "bucket", "key")
    assert isinstance(caught.value, ResponseError)
    assert caught.value.code is None
    assert "Please log in" not in str(caught.value)
    if status == 200 and operation in ("PutObject", "UploadPart"):  # these answers have no document to be read
        assert "ETag" in str(caught.value)
    else:
        assert "an HTML page" in str(caught.value)
