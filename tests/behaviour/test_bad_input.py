"""Invalid arguments: errors that name the cause, before any request if possible, and nothing is left."""

from __future__ import annotations

import pytest

from aios3 import ConfigurationError, S3StorageDriver, TransferConfig

PART = 1024
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(server):
    """Check after each test that no upload is open and nothing was committed."""
    yield
    assert server.open_uploads == []
    assert server.objects == {}


async def generator(*chunks):
    for chunk in chunks:
        yield chunk


async def coroutine():
    return b""


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: None, "NoneType.*iterable of bytes"),
        (lambda: "/path/of/a/film.mp4", "str; for a path use upload_object"),
        (lambda: {"a": 1}, "dict"),
        (lambda: generator, "call it first"),
        (coroutine, "await it first"),
    ],
)
async def test_a_source_of_the_wrong_type_is_a_type_error(server, driver, make, words):
    """Nothing is sent, and the message lists the kinds of sources. A coroutine gives no further warning."""
    with pytest.raises(TypeError, match=words):
        await driver.upload_object_via_stream(make(), "bucket", "key")
    with pytest.raises(TypeError, match=words):
        async with driver.open_upload("bucket", "key") as upload:
            await upload.write_from(make())
    assert server.requests == []


class Scalar:
    """Number of numpy or torch. `bytes` would take it for a count of zeros."""

    def __index__(self):
        return 5

    def __bytes__(self):
        return bytes(5)


WRONG_CHUNKS = [("text", "str"), (None, "NoneType"), (7, "int"), ([b"x"], "list"), (Scalar(), "Scalar")]


@pytest.mark.parametrize("good", [0, 10, 3 * PART])
@pytest.mark.parametrize(("bad", "kind"), WRONG_CHUNKS)
async def test_a_chunk_that_is_not_bytes_is_a_type_error(server, driver, good, bad, kind):
    """The error names the type. The upload is aborted and the source closed."""
    source = generator(bytes(good), bad, b"more")
    with pytest.raises(TypeError, match=f"the source gave {kind}, but its chunks must be bytes-like"):
        await driver.upload_object_via_stream(source, "bucket", "key")
    assert bool(server.requests) == (good > PART)
    with pytest.raises(StopAsyncIteration):
        await anext(source)


@pytest.mark.parametrize(
    ("size", "provider", "words"),
    [
        (5 * MIB - 1, "aws", "part_size is 5242879 bytes, but aws takes parts of 5242880 to 5368709120 bytes"),
        (5 * 1024 * MIB + 1, "aws", "part_size is 5368709121 bytes, but aws takes parts of 5242880 to 5368709120"),
        (5 * 1024 * MIB, "cloudflare", "cloudflare takes parts of 5242880 to 5363466240 bytes"),
    ],
)
def test_a_part_size_outside_the_providers_limits_is_refused(size, provider, words):
    """The error names both limits and the provider."""
    with pytest.raises(ConfigurationError, match=words):
        S3StorageDriver(provider, transfer=TransferConfig(part_size=size, memory_limit=6 * 1024 * MIB))


async def test_a_part_size_of_the_call_is_checked_before_any_request(server, driver):
    """Against the limits of the provider and the memory limit of the driver."""
    with pytest.raises(ConfigurationError, match="takes parts of 1024 to"):
        await driver.upload_object_via_stream(b"x", "bucket", "key", transfer=TransferConfig(part_size=PART - 1))
    large = TransferConfig(part_size=512 * MIB, memory_limit=512 * MIB)
    with pytest.raises(ConfigurationError, match="memory_limit"):
        await driver.upload_object_via_stream(b"x", "bucket", "key", transfer=large)
    assert server.requests == []


@pytest.mark.parametrize("bucket", ["", None, 5, b"bucket", "a/b", "..", "bucket?x", "buck et", "bücket", "b" * 256])
async def test_an_invalid_bucket_name_is_refused(server, driver, bucket):
    """It could reach another host or path. The message lists the allowed characters."""
    for call in (
        lambda: driver.upload_object_via_stream(b"x", bucket, "key"),
        lambda: driver.open_upload(bucket, "key").__aenter__(),
        lambda: driver.upload_object(__file__, bucket, "key"),
        lambda: driver.get_container(bucket),
        lambda: driver.get_object(bucket, "key"),
        lambda: driver.delete_object(bucket, "key"),
        lambda: anext(driver.iterate_multipart_uploads(bucket)),
        lambda: anext(driver.download_object_as_stream(bucket, "key")),
    ):
        with pytest.raises(ConfigurationError, match="bucket name: use letters, digits"):
            await call()
    assert server.requests == []


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "not empty"),
        (None, "must be a string"),
        (b"key", "must be a string"),
        ("x" * 1025, "1025 bytes of UTF-8; S3 takes 1024"),
        ("é" * 513, "1026 bytes of UTF-8; S3 takes 1024"),
        ("\ud800", "surrogates"),
    ],
)
async def test_an_invalid_key_is_refused(server, driver, key, words):
    """The limit counts bytes, and the message says so."""
    with pytest.raises(ConfigurationError, match=words):
        await driver.get_object("bucket", key)
    assert server.requests == []
