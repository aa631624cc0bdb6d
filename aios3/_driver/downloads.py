"""Downloads: an object opened to be read, its bytes as a stream, and a file of them."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import Final

from aios3._client.object_reader import ObjectReader
from aios3._driver.base import DriverBase
from aios3._driver.opened_object import OpenedObject
from aios3._driver.partial_file import PartialFile
from aios3._protocol.operations import DeleteObject, HeadObject
from aios3._protocol.wire.uri import check_bucket, check_key
from aios3.errors import ConfigurationError
from aios3.models import StorageObject
from aios3.options import KIB, is_byte_count

__all__ = ["DownloadMethods", "ObjectMethods"]


_CHUNK_SIZE: Final = 256 * KIB


class DownloadMethods(DriverBase):
    """The driver methods that read the bytes of an object."""

    @asynccontextmanager
    async def open_object(
        self, bucket: str, key: str, *, start: int | None = None, end: int | None = None
    ) -> AsyncGenerator[OpenedObject]:
        """Open an object to be read, as an async context manager: it is described before its first byte is asked for.

        One GET. Iterating over what it gives, once and inside the block, gives the bytes from offset `start` up to but
        without `end`, all of the version that was described, in order. A download that breaks off goes on where it
        was, if the object is still the same. Where the object ends before `end`, so do the bytes. If there is nothing
        to read (`start` equals `end`, or the object is empty) the object may be looked at by HEAD. Leaving the block
        early closes the connection, so that no further byte comes over it.

        Args:
            bucket: the container.
            key: exactly as it is.
            start: offset of the first byte; ``None`` for the beginning.
            end: offset after the last byte; ``None`` for the end of the object.

        Raises:
            ConfigurationError: a number makes no sense; nothing was sent.
            ObjectNotFoundError: there is none; raised on entering the block, as all refusals of the store.
            ResponseError: the store refused; with status 416 (InvalidRange) if the object ends before `start`.
            IntegrityError: the object was replaced while it was read: the bytes given are of the version before.
            TransportError: no answer came, or they broke off too often: bytes given are right, but they are not all.
            DriverClosedError: the driver is closed, or was closed meanwhile.
        """
        async with aclosing(await self._reader(bucket, key, start=start, end=end)) as reader:
            found = await reader.open()
            described = {each.name: getattr(found, each.name) for each in fields(found)} | {"size": reader.size}
            first = start or 0
            yield OpenedObject(**described, start=first, end=first + found.size, _chunks=reader)

    async def download_object_as_stream(
        self,
        bucket: str,
        key: str,
        *,
        chunk_size: int = _CHUNK_SIZE,
        start: int | None = None,
        end: int | None = None,
    ) -> AsyncGenerator[bytes]:
        """Iterate over the bytes of an object, from offset `start` up to but without `end`.

        They are of one version of the object and in order. A download that breaks off goes on where it was, if the
        object is still the same. Where the object ends before `end`, so do the bytes. If `start` equals `end` there is
        nothing to read, and the object is only looked at. Errors are raised when the first bytes are asked for;
        `open_object` raises them before, and describes the object.

        Args:
            bucket: the container.
            key: exactly as it is.
            chunk_size: bytes of a chunk at most; about as many are held. Chunks may be shorter.
            start: offset of the first byte; ``None`` for the beginning.
            end: offset after the last byte; ``None`` for the end of the object.

        Leaving it early frees the connection at once if it is closed (``aclose``, `contextlib.aclosing`); after a mere
        ``break`` that happens when the iterator is garbage-collected.

        Raises:
            ConfigurationError: a number makes no sense; nothing was sent.
            ObjectNotFoundError: there is none.
            ResponseError: the store refused; with status 416 (InvalidRange) if the object ends before `start`.
            IntegrityError: the object was replaced while it was read: the bytes given are of the version before.
            TransportError: no answer came, or they broke off too often: bytes given are right, but they are not all.
        """
        async with aclosing(await self._reader(bucket, key, chunk_size, start, end)) as reader:
            async for chunk in reader:
                yield chunk

    async def _reader(
        self, bucket: str, key: str, chunk_size: int = _CHUNK_SIZE, start: int | None = None, end: int | None = None
    ) -> ObjectReader:
        check_bucket(bucket)
        check_key(key)
        first = _check_range(chunk_size, start, end)
        engine = await self._open()
        return ObjectReader(engine.client, bucket, key, chunk_size=chunk_size, start=first, end=end)

    async def download_object(
        self, bucket: str, key: str, path: str | os.PathLike[str], *, overwrite: bool = False
    ) -> StorageObject:
        """Download an object to the file at `path`, which is there only once it is whole, and on the disk.

        Until then its bytes are in a hidden file beside it (``.aios3-*.part``), which is removed if the download fails
        or is cancelled; only a process that is killed leaves it.
        Downloads to one path at the same time do not disturb each other. An existing file is never replaced unless
        `overwrite` is true, and then at once, a symbolic link by a file. About 1.5 MiB are held in memory.

        Returns:
            What was downloaded.

        Raises:
            FileExistsError: `path` exists, before any request, or somebody made it meanwhile.
            OSError: the file cannot be written, for example as its directory is missing or the disk is full;
                ``filename`` is `path`.
            DriverClosedError: the driver is closed, or was closed meanwhile.
            StorageError: as `download_object_as_stream`.
        """
        reader = await self._reader(bucket, key)
        async with PartialFile(Path(path), overwrite=overwrite) as file:
            async with aclosing(reader):
                async for chunk in reader:
                    await file.write(chunk)
            assert reader.found is not None
            await file.commit(reader.found.size)
        return reader.found


def _check_range(chunk_size: object, start: object, end: object) -> int:
    """Return the offset of the first byte.

    Raises:
        ConfigurationError: a number makes no sense.
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


class ObjectMethods(DriverBase):
    """The driver methods that are about one object and do not move its bytes."""

    async def get_object(self, bucket: str, key: str) -> StorageObject:
        """Look at an object, by one HEAD.

        Raises:
            ObjectNotFoundError: there is none, or no such bucket: the answer to HEAD does not tell which.
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        check_key(key)
        engine = await self._open()
        return await engine.client.run(HeadObject(bucket, key))

    async def delete_object(self, bucket: str, key: str) -> None:
        """Delete an object; one that does not exist is no error to S3.

        Raises:
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        check_key(key)
        engine = await self._open()
        await engine.client.run(DeleteObject(bucket, key))
