"""Objects, once they are there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from aios3._driver.base import DriverBase
from aios3._protocol.operations import DeleteObject, GetObject, HeadObject
from aios3._protocol.uri import check_bucket, check_key
from aios3.models import StorageObject
from aios3.options import KIB

__all__ = ["ObjectMethods"]

_DOWNLOAD_CHUNK: Final = 256 * KIB


class ObjectMethods(DriverBase):
    """The driver methods that are about an object."""

    async def get_object(self, bucket: str, key: str) -> StorageObject:
        """Look at an object, by one HEAD.

        Raises:
            ObjectNotFoundError: there is none.
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        check_key(key)
        engine = await self._open()
        return await engine.client.run(HeadObject(bucket, key))

    async def download_object_as_stream(
        self,
        bucket: str,
        key: str,
        *,
        chunk_size: int = _DOWNLOAD_CHUNK,
        start: int | None = None,
        end: int | None = None,
    ) -> AsyncIterator[bytes]:
        """Iterate over the bytes of an object, from offset `start` up to but without `end`.

        Holds about `chunk_size` bytes. Close the iterator (``aclose``) when leaving it early.

        Raises:
            ObjectNotFoundError: there is none.
            TransportError: the answer broke off: bytes that were given are right, but they are not all.
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        check_key(key)
        engine = await self._open()
        if end is not None and end == (start or 0):
            await engine.client.run(HeadObject(bucket, key))  # HTTP knows no empty range
            return
        async with engine.client.open(GetObject(bucket, key, start, end), chunk_size=chunk_size) as answer:
            async for chunk in answer.chunks:
                yield chunk

    async def delete_object(self, bucket: str, key: str) -> None:
        """Delete an object; one that does not exist is no error to S3.

        Raises:
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        check_key(key)
        engine = await self._open()
        await engine.client.run(DeleteObject(bucket, key))
