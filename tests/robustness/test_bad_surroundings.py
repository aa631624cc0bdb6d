"""Credentials, buckets, endpoints and stores that are not what they should be are told in words that help."""

from __future__ import annotations

import socket

import pytest

from aios3 import (
    ANONYMOUS,
    AccessDeniedError,
    AmazonS3StorageDriver,
    ConfigurationError,
    ContainerNotFoundError,
    Credentials,
    CredentialsError,
    ObjectNotFoundError,
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
    """However the call ended: no upload is open and nothing was committed."""
    yield
    assert server.open_uploads == []
    assert server.objects == {}


async def test_no_credentials(server, make_driver):
    """The message says where was looked, and every way to give some."""
    with pytest.raises(ConfigurationError) as caught:
        await make_driver(credentials=None).upload_object_via_stream(b"x", "bucket", "key")
    message = str(caught.value)
    for word in ("no credentials", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "profile 'default'", "Credentials("):
        assert word in message
    assert "ANONYMOUS" in message
    assert server.requests == []


async def test_half_of_the_credentials(server, make_driver, monkeypatch):
    """The missing half is named."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not"):
        await make_driver(credentials=None).get_container("bucket")


@pytest.mark.parametrize("size", [10, 5000])
async def test_a_wrong_secret(server, make_driver, size):
    """One request, no retry, and the words that matter."""
    driver = make_driver(credentials=Credentials(server.credentials.access_key_id, "wrong"))
    with pytest.raises(CredentialsError, match="SignatureDoesNotMatch: .*secret access key.*wrong") as caught:
        await driver.upload_object_via_stream(bytes(size), "bucket", "key")
    assert caught.value.status == 403
    assert len(server.requests) == 1


async def test_an_unknown_access_key(server, make_driver):
    """It is the id that is unknown, not the secret that is wrong."""
    driver = make_driver(credentials=Credentials("UNKNOWN", "wrong"))
    with pytest.raises(CredentialsError, match="does not know the access key id"):
        await driver.upload_object_via_stream(b"x", "bucket", "key")


async def test_an_anonymous_upload_to_a_private_bucket(server, make_driver):
    """The store says no, and it is an `AccessDeniedError`."""
    with pytest.raises(AccessDeniedError, match="403"):
        await make_driver(credentials=ANONYMOUS).upload_object_via_stream(b"x", "bucket", "key")


async def test_wrong_credentials_seen_by_a_head(server, make_driver):
    """An answer to HEAD has no body, but the message still says what it may be."""
    driver = make_driver(credentials=Credentials(server.credentials.access_key_id, "wrong"))
    with pytest.raises(AccessDeniedError, match="credentials"):
        await driver.get_container("bucket")


@pytest.mark.parametrize("size", [10, 5000])
async def test_a_missing_bucket(server, driver, size):
    """It is named, with the key; one request."""
    with pytest.raises(ContainerNotFoundError, match="'missing/key' was answered 404 NoSuchBucket") as caught:
        await driver.upload_object_via_stream(bytes(size), "missing", "key")
    assert (caught.value.bucket, caught.value.key, caught.value.code) == ("missing", "key", "NoSuchBucket")
    assert len(server.requests) == 1


async def test_missing_things_seen_by_a_head(driver):
    """What is missing is said in words, although HEAD has no body."""
    with pytest.raises(ContainerNotFoundError, match=r"'missing' was answered 404: .*(no such|does not exist)"):
        await driver.get_container("missing")
    with pytest.raises(ObjectNotFoundError, match=r"'bucket/missing' was answered 404: .*(no such|does not exist)"):
        await driver.get_object("bucket", "missing")


async def test_a_dead_endpoint(make_driver):
    """The endpoint is named, and how often it was tried."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
    driver = make_driver(endpoint_url=endpoint, retry=RetryPolicy(max_attempts=3, base_delay=0))
    with pytest.raises(TransportError, match=f"PutObject at {endpoint}") as caught:
        await driver.upload_object_via_stream(b"x", "bucket", "key")
    assert any("3 attempts" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("127.0.0.1:9000", "must begin with https:// or http://"),
        ("ftp://localhost", "must begin with https:// or http://"),
        ("http://localhost:99999", "port"),
        ("http://", "host"),
        ("http://localhost/?a=b", "query"),
        ("http://local host", "spaces"),
        (5, "endpoint"),
    ],
)
async def test_an_endpoint_that_cannot_be(make_driver, url, words):
    """The message says where it came from and what is wrong with it."""
    with pytest.raises(ConfigurationError, match=f"endpoint_url=: .*{words}"):
        await make_driver(endpoint_url=url).get_container("bucket")


async def test_an_endpoint_that_nobody_knows(make_driver):
    """`generic` has none of its own."""
    with pytest.raises(ConfigurationError, match="pass endpoint_url=, or set AWS_ENDPOINT_URL"):
        await make_driver(endpoint_url=None).get_container("bucket")


@pytest.mark.parametrize("status", [200, 403, 404, 502])
@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
async def test_a_web_page_is_not_a_store(server, make_driver, operation, status):
    """A proxy's HTML in place of XML, also with a 200, is an error that says so."""
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


async def test_amazons_driver_says_the_same(server, make_driver):
    """The two preset classes are the same driver."""
    driver = make_driver(AmazonS3StorageDriver)
    with pytest.raises(ConfigurationError, match="not empty"):
        await driver.upload_object_via_stream(b"x", "bucket", "")
    with pytest.raises(ContainerNotFoundError):
        await driver.upload_object_via_stream(b"x", "missing", "key")
