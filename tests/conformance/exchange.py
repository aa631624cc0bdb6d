"""What most checks do: make bytes, upload them, read them back, look at what is open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import lru_cache
from random import Random
from typing import Any

from aios3 import S3StorageDriver, UploadReceipt
from aios3.options import KIB, MIB
from tests.conformance.endpoints import PART, Endpoint

__all__ = ["chunks", "open_keys", "payload", "put", "read", "verify"]


@lru_cache(maxsize=1)
def _noise() -> bytes:
    return Random(5).randbytes(16 * MIB)


def payload(size: int) -> bytes:
    """Return `size` bytes (at most 16 MiB) in which no part is like another, the same in every run."""
    return _noise()[:size]


async def chunks(data: bytes, chunk_size: int = 100 * KIB) -> AsyncIterator[bytes]:
    """Yield the data in chunks that do not end where parts end."""
    for offset in range(0, len(data), chunk_size):
        yield data[offset : offset + chunk_size]


async def put(driver: S3StorageDriver, endpoint: Endpoint, key: str, data: bytes, **options: Any) -> UploadReceipt:
    """Upload the data as an async iterator."""
    return await driver.upload_object_via_stream(chunks(data), endpoint.bucket, key, **options)


async def read(driver: S3StorageDriver, endpoint: Endpoint, key: str, **options: Any) -> bytes:
    """Return the bytes of an object, or of a range of it."""
    stream = driver.download_object_as_stream(endpoint.bucket, key, **options)
    return b"".join([chunk async for chunk in stream])


async def open_keys(driver: S3StorageDriver, endpoint: Endpoint, prefix: str | None = None) -> list[str]:
    """Return the keys of the multipart uploads that are open under a prefix; the check's own by default."""
    prefix = endpoint.prefix if prefix is None else prefix
    return [upload.key async for upload in driver.iterate_multipart_uploads(endpoint.bucket, prefix=prefix)]


async def verify(
    driver: S3StorageDriver, endpoint: Endpoint, receipt: UploadReceipt, data: bytes, *, part_size: int = PART
) -> None:
    """Check that the key holds the data, that the receipt tells the truth, and that nothing is open."""
    found = await driver.get_object(endpoint.bucket, receipt.key)
    assert (receipt.size, receipt.etag) == (found.size, found.etag)
    assert receipt.bucket == endpoint.bucket
    assert receipt.retries == 0
    assert receipt.elapsed > 0
    sizes = [] if len(data) <= part_size else [len(data[at : at + part_size]) for at in range(0, len(data), part_size)]
    assert [(part.number, part.size) for part in receipt.parts] == list(enumerate(sizes, 1))
    assert (receipt.upload_id is not None) == bool(sizes)
    assert await read(driver, endpoint, receipt.key) == data
    assert await open_keys(driver, endpoint, receipt.key) == []
