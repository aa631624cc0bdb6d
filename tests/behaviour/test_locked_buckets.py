"""Buckets that lock every object, although no upload asks for it: bodies need Content-MD5 or a checksum."""

from __future__ import annotations

import dataclasses

import pytest

from aios3 import ConfigurationError, ResponseError, TransferConfig, UploadCheckpoint
from aios3._protocol.operations import CreateMultipartUpload

PARTS = bytes(5000)
MD5 = TransferConfig(part_size=1024, checksum="md5")


@pytest.fixture
def locked(server):
    """A store whose bucket locks every object."""
    server.store.locked_buckets.add("bucket")
    return server


async def upload_file(driver, data, path):
    path.write_bytes(data)
    return await driver.upload_object(path, "bucket", "key", transfer=MD5)


async def upload_written(driver, data, path):
    async with driver.open_upload("bucket", "key", transfer=MD5) as upload:
        await upload.write(data)
    return upload.receipt


WAYS = {
    "stream": lambda driver, data, path: driver.upload_object_via_stream([data], "bucket", "key", transfer=MD5),
    "bytes": lambda driver, data, path: driver.upload_object_via_stream(data, "bucket", "key", transfer=MD5),
    "file": upload_file,
    "writer": upload_written,
}


@pytest.mark.parametrize("data", [b"", b"small", PARTS], ids=["empty", "put", "parts"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_md5_goes_with_every_body(locked, driver, tmp_path, way, data):
    receipt = await way(driver, data, tmp_path / "file")
    assert locked.objects["bucket", "key"].body == data
    assert "content-md5" in receipt.verification.bodies
    bodies = [request for request in locked.requests if request.operation in ("PutObject", "UploadPart")]
    assert all(request.header("Content-MD5") for request in bodies)


async def test_without_a_digest_the_bucket_refuses(locked, driver):
    with pytest.raises(ResponseError, match="Content-MD5"):
        await driver.upload_object_via_stream(PARTS, "bucket", "key")
    assert not locked.open_uploads


async def test_resumed_upload_goes_on_with_md5(locked, driver):
    engine = await driver._open()
    upload_id = await engine.client.run(CreateMultipartUpload("bucket", "key", {}))
    checkpoint = UploadCheckpoint("bucket", "key", upload_id, 1024, (), None, len(PARTS))
    await driver.upload_object_via_stream(PARTS, "bucket", "key", resume=checkpoint, transfer=MD5)
    assert locked.objects["bucket", "key"].body == PARTS


async def test_parts_of_an_open_upload_have_md5(locked, make_driver):
    driver = make_driver(transfer=MD5)
    upload = await driver.create_multipart_upload("bucket", "key")
    await driver.upload_parts(upload, PARTS)
    await driver.complete_multipart_upload(upload)
    assert locked.objects["bucket", "key"].body == PARTS


async def test_md5_that_cannot_be_sent_is_refused(server, make_driver, small_provider):
    driver = make_driver(provider=dataclasses.replace(small_provider, content_md5=False), transfer=MD5)
    with pytest.raises(ConfigurationError, match='checksum="md5" needs Content-MD5'):
        await driver.upload_object_via_stream(b"x", "bucket", "key")
    streamed = make_driver(transfer=dataclasses.replace(MD5, mechanism="stream"))
    with pytest.raises(ConfigurationError, match="streamed upload"):
        await streamed.upload_object_via_stream([PARTS], "bucket", "key")
    assert not server.requests
