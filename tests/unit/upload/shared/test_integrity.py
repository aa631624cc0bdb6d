"""The checksum of the whole object, from Create to the receipt."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import zlib

import pytest

from aios3 import PROVIDERS, IntegrityError, RetryPolicy, S3StorageDriver, TransferConfig
from aios3._protocol.operations import Committed
from aios3._upload.shared.integrity import ObjectChecksum
from aios3.testing import Fault, S3Server

CONTENT = bytes(range(256)) * 78 + b"odd"
CHECKED = dataclasses.replace(
    PROVIDERS["aws"], endpoint=None, endpoint_variants=(), addressing="path", min_part_size=1024
)


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


async def upload(server, checksum="auto", content=CONTENT, provider=CHECKED):
    driver = S3StorageDriver(
        provider,
        endpoint_url=server.endpoint_url,
        region=server.region,
        credentials=server.credentials,
        transfer=TransferConfig(part_size=4096, checksum=checksum),
        retry=RetryPolicy(base_delay=0, throttle_base_delay=0),
    )
    async with driver:
        return await driver.upload_object_via_stream(content, "bucket", "key")


def of(server, operation):
    return [request for request in server.requests if request.operation == operation]


async def test_auto_checks_the_whole_object_where_the_provider_is_known_to():
    """Named at Create, sent with every part, listed and sent for the whole at Complete, reported in the receipt."""
    async with S3Server(CHECKED) as server:
        receipt = await upload(server)

    (create,), (complete,) = of(server, "CreateMultipartUpload"), of(server, "CompleteMultipartUpload")
    assert create.header("x-amz-checksum-algorithm") == "CRC32"
    assert create.header("x-amz-checksum-type") == "FULL_OBJECT"
    assert [
        part.header("x-amz-checksum-crc32") for part in sorted(of(server, "UploadPart"), key=lambda p: p.part_number)
    ] == [crc32(CONTENT[start : start + 4096]) for start in range(0, len(CONTENT), 4096)]
    assert complete.header("x-amz-checksum-crc32") == crc32(CONTENT)
    assert complete.body.count(b"<ChecksumCRC32>") == len(receipt.parts)
    assert receipt.checksum == crc32(CONTENT)
    assert [part.checksum for part in receipt.parts] == [
        crc32(CONTENT[start : start + 4096]) for start in range(0, len(CONTENT), 4096)
    ]


async def test_auto_sends_nothing_to_a_store_that_is_not_known_to_take_it():
    """2025's default checksums broke many stores; ours break none."""
    generic = dataclasses.replace(PROVIDERS["generic"], min_part_size=1024)
    async with S3Server(generic) as server:
        await upload(server, provider=generic)

    assert not [name for request in server.requests for name, _ in request.headers if "checksum" in name.lower()]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_a_hash_is_composite(algorithm):
    """The object's value is the hash of its parts' hashes, and S3 reports the same one."""
    async with S3Server(CHECKED) as server:
        receipt = await upload(server, algorithm)

    digests = [hashlib.new(algorithm, CONTENT[start : start + 4096]).digest() for start in range(0, len(CONTENT), 4096)]
    expected = base64.b64encode(hashlib.new(algorithm, b"".join(digests)).digest()).decode()
    assert receipt.checksum == f"{expected}-{len(digests)}"
    assert of(server, "CreateMultipartUpload")[0].header("x-amz-checksum-type") is None


async def test_a_small_object_is_checked_too():
    """A PutObject carries the checksum of its body."""
    async with S3Server(CHECKED) as server:
        receipt = await upload(server, content=b"small")

    assert server.requests[-1].header("x-amz-checksum-crc32") == crc32(b"small") == receipt.checksum


async def test_none_sends_none():
    """The caller's word counts."""
    async with S3Server(CHECKED) as server:
        receipt = await upload(server, None)

    assert receipt.checksum is None
    assert all(part.checksum is None for part in receipt.parts)


@pytest.mark.parametrize("content", [b"small", CONTENT])
def test_a_store_that_reports_another_checksum_is_an_error(content):
    """What was stored is not what was sent."""
    wrong = ObjectChecksum("crc32", is_full_object=True)
    with pytest.raises(IntegrityError, match=r"bucket/key was committed with crc32 AAAAAA==, but the bytes sent have"):
        wrong.compare(crc32(content), Committed('"e"', None, "AAAAAA==", None), bucket="bucket", key="key")


def test_another_algorithm_of_the_stores_own_is_no_contradiction():
    """S3 reports a CRC-64 by itself where none was named."""
    checksum = ObjectChecksum("crc32", is_full_object=True)

    for theirs in (None, "AAAAAA==", "rosUhgp5mIg="):
        checksum.compare("AAAAAA==", Committed('"e"', None, theirs, None), bucket="b", key="k")


async def test_a_part_that_arrives_damaged_is_sent_again():
    """BadDigest is a 400 that another attempt does not meet."""
    async with S3Server(CHECKED) as server:
        server.faults.add(Fault("answer", "UploadPart", 2, status=400, code="BadDigest"))
        receipt = await upload(server)

    assert receipt.retries == 1
    assert server.objects["bucket", "key"].body == CONTENT


async def test_many_parts_are_put_together_in_a_thread_with_the_same_result():
    """Putting 10,000 checksums together takes 0.1 s, which the loop must not wait for."""
    pieces = [CONTENT[start : start + 100] for start in range(0, len(CONTENT), 100)]
    checksum = ObjectChecksum("crc32", is_full_object=True)

    assert len(pieces) > 64
    assert await checksum.of_parts([(crc32(piece), len(piece)) for piece in pieces]) == crc32(CONTENT)


def test_the_headers_are_those_of_the_protocol():
    """In lower case, as all headers are written here; a composite checksum is the default, and not sent at the end."""
    whole, composite = (ObjectChecksum("crc32", is_full_object=is_full) for is_full in (True, False))

    assert whole.creation_headers() == {
        "x-amz-checksum-algorithm": "CRC32",
        "x-amz-checksum-type": "FULL_OBJECT",
    }
    assert composite.creation_headers() == {"x-amz-checksum-algorithm": "CRC32"}
    assert whole.commit_headers("AAAAAA==") == {
        "x-amz-checksum-crc32": "AAAAAA==",
        "x-amz-checksum-type": "FULL_OBJECT",
    }
    assert composite.commit_headers("AAAAAA==") == {}
