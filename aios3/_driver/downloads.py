"""Driver methods that describe, read or download an object."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import Final, Unpack

from aios3._client.object_reader import ObjectReader
from aios3._driver.base import DriverBase
from aios3._driver.opened_object import OpenedObject
from aios3._driver.partial_file import PartialFile
from aios3._protocol.attributes.options import read_options
from aios3._protocol.operations import HeadObject
from aios3._protocol.wire.uri import check_bucket, check_key
from aios3.errors import ConfigurationError
from aios3.models import ReadOptions, StorageObject
from aios3.options import KIB, is_byte_count

from .arguments import check_secrecy

__all__ = ["CHUNK_SIZE", "download_object", "download_object_as_stream", "get_object", "open_object"]


CHUNK_SIZE: Final = 256 * KIB


@asynccontextmanager
async def open_object(
    driver: DriverBase,
    bucket: str,
    key: str,
    *,
    start: int | None = None,
    end: int | None = None,
    **options: Unpack[ReadOptions],
) -> AsyncGenerator[OpenedObject]:
    """See `S3StorageDriver.open_object`."""
    async with aclosing(await _reader(driver, bucket, key, options, start=start, end=end)) as reader:
        found = await reader.open()
        described = {each.name: getattr(found, each.name) for each in fields(found)} | {"size": reader.size}
        first = start or 0
        yield OpenedObject(**described, start=first, end=first + found.size, _chunks=reader)


async def download_object_as_stream(
    driver: DriverBase,
    bucket: str,
    key: str,
    *,
    chunk_size: int = CHUNK_SIZE,
    start: int | None = None,
    end: int | None = None,
    **options: Unpack[ReadOptions],
) -> AsyncGenerator[bytes]:
    """See `S3StorageDriver.download_object_as_stream`."""
    async with aclosing(await _reader(driver, bucket, key, options, chunk_size, start, end)) as reader:
        async for chunk in reader:
            yield chunk


async def _reader(
    driver: DriverBase,
    bucket: str,
    key: str,
    options: ReadOptions,
    chunk_size: int = CHUNK_SIZE,
    start: int | None = None,
    end: int | None = None,
) -> ObjectReader:
    check_bucket(bucket)
    check_key(key)
    first = _check_range(chunk_size, start, end)
    read = read_options(ReadOptions, options, driver._provider)
    engine = await driver._open()
    check_secrecy(engine.client, read)
    return ObjectReader(engine.client, bucket, key, chunk_size=chunk_size, start=first, end=end, options=read)


async def download_object(
    driver: DriverBase,
    bucket: str,
    key: str,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    **options: Unpack[ReadOptions],
) -> StorageObject:
    """See `S3StorageDriver.download_object`."""
    reader = await _reader(driver, bucket, key, options)
    async with PartialFile(Path(path), overwrite=overwrite) as file:
        async with aclosing(reader):
            async for chunk in reader:
                await file.write(chunk)
        assert reader.found is not None
        await file.commit(reader.found.size)
    return reader.found


async def get_object(driver: DriverBase, bucket: str, key: str, **options: Unpack[ReadOptions]) -> StorageObject:
    """See `S3StorageDriver.get_object`."""
    check_bucket(bucket)
    check_key(key)
    read = read_options(ReadOptions, options, driver._provider)
    engine = await driver._open()
    check_secrecy(engine.client, read)
    return await engine.client.run(HeadObject(bucket, key, read.headers, read.version_id))


def _check_range(chunk_size: object, start: object, end: object) -> int:
    """Return the offset of the first byte.

    Raises:
        ConfigurationError: a number is invalid.
    """
    if not is_byte_count(chunk_size) or chunk_size == 0:
        raise ConfigurationError(f"chunk_size must be a positive number of bytes, not {chunk_size!r:.80}")
    for name, value in (("start", start), ("end", end)):
        if value is not None and not is_byte_count(value):
            raise ConfigurationError(f"{name} must be an offset in bytes from 0 on, or None, not {value!r:.80}")
    first = start if isinstance(start, int) else 0
    if isinstance(end, int) and end < first:
        raise ConfigurationError(f"end={end} is before start={first}")
    return first
