"""Objects in the store that are the whole state of resumable uploads.

Each upload has a description and, while the bytes do not fill a part, a tail. The keys are hashes of the upload's name
in URLs, so listings and logs of the store show nothing that opens an upload.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from aios3._driver.base import DriverBase
from aios3.driver import S3StorageDriver
from aios3.errors import ConflictError, ObjectNotFoundError, PreconditionFailedError
from aios3.models import StorageObject, UploadedPart
from aios3.options import KIB, TransferConfig

from .description import Description, Progress, gap_free

__all__ = ["FOLDER", "MOST_DESCRIPTION", "OvertakenError", "Stored", "UploadStore"]

FOLDER: Final = ".uploads/"
"""Prefix of the keys of all helper objects, behind the application's own prefix."""

MOST_DESCRIPTION: Final = 64 * KIB
"""Limit of a description in bytes."""

_OWN_KEY: Final = re.compile(rf"[0-9a-f]{{32}}|{re.escape(FOLDER)}[0-9a-f]{{40}}\.part")
_START: Final = "start"


class OvertakenError(Exception):
    """Another request has changed the upload meanwhile."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Description as the store holds it."""

    name: str
    """Hash that begins the keys of the upload's objects."""
    description: Description
    etag: str
    """ETag of the description, the condition of the next change."""
    modified: datetime | None
    """Time of the last change by the store's clock; ``None`` if the store does not say."""


class UploadStore:
    """Reads and writes the objects of all uploads of one application."""

    def __init__(self, driver: S3StorageDriver, bucket: str, prefix: str) -> None:
        """Take the place; nothing is sent."""
        self.driver = driver
        self.bucket = bucket
        self.prefix = prefix
        self.folder = f"{prefix}{FOLDER}"
        provider = driver._provider
        self.has_conditions = provider.conditional_put is True and not (
            provider.refused_attributes & {"if_match", "if_none_match"}
        )
        """The store is known to refuse a write whose condition does not hold."""
        self.tail_slots = asyncio.Semaphore(8)
        """Bounds the tails that are in memory at once, because the driver's memory limit does not count them."""

    async def now(self) -> datetime:
        """Return the time by the store's clock."""
        return await store_time(self.driver)

    def name_of(self, token: str) -> str:
        """Return the name in keys of the upload with this name in URLs."""
        return hashlib.sha256(token.encode()).hexdigest()[:40]

    def key_of(self, name: str, kind: str = "json") -> str:
        """Return the key of the helper object of a kind."""
        return f"{self.folder}{name}.{kind}"

    def new_key(self) -> str:
        """Return a random key for an object."""
        return f"{self.prefix}{secrets.token_hex(16)}"

    def is_own_key(self, key: str) -> bool:
        """Return whether a key is one of `new_key`, or that of a partial upload."""
        below = key.removeprefix(self.prefix)
        return key.startswith(self.prefix) and _OWN_KEY.fullmatch(below) is not None

    # descriptions

    async def read(self, name: str) -> Stored | None:
        """Return the description of an upload; ``None`` if there is no such upload."""
        try:
            async with self.driver.open_object(self.bucket, self.key_of(name)) as found:
                data = b"".join([chunk async for chunk in found]) if found.size <= MOST_DESCRIPTION else b""
        except ObjectNotFoundError:
            return None
        return Stored(name, Description.from_json(data), found.etag, found.last_modified)

    async def create(self, name: str, description: Description) -> Stored:
        """Write the first description."""
        return await self._write(name, description, {"if_none_match": "*"})

    async def change(self, stored: Stored, description: Description) -> Stored:
        """Replace a description.

        Raises:
            OvertakenError: another request has changed or deleted it. Never raised where a store has no conditions.
        """
        try:
            return await self._write(stored.name, description, {"if_match": stored.etag})
        except (PreconditionFailedError, ObjectNotFoundError, ConflictError) as error:
            raise OvertakenError from error

    async def _write(self, name: str, description: Description, condition: dict[str, str]) -> Stored:
        data = description.to_json()
        receipt = await self.driver.upload_object_via_stream(
            data,
            self.bucket,
            self.key_of(name),
            size=len(data),
            transfer=self._one_put(MOST_DESCRIPTION),
            content_type="application/json",
            if_none_match=condition.get("if_none_match") if self.has_conditions else None,
            if_match=condition.get("if_match") if self.has_conditions else None,
        )
        return Stored(name, description, receipt.etag, None)

    def _one_put(self, size: int) -> TransferConfig:
        """Return options with which `size` bytes are one PutObject."""
        own = self.driver._transfer
        size = max(size, own.part_size)
        return replace(own, part_size=size, memory_limit=max(size, own.memory_limit), spill_directory=None)

    # bytes

    async def progress(self, stored: Stored) -> Progress:
        """Return which bytes of an unfinished upload are in the store.

        Raises:
            UploadNotFoundError: its multipart upload was completed or aborted.
        """
        upload = stored.description.upload
        found: list[UploadedPart] = [part async for part in self.driver.iterate_parts(upload)]
        progress = Progress(gap_free(found, upload))
        if progress.in_parts in (stored.description.expected, upload.size):
            return replace(progress, tail_etag=stored.description.tail)  # the last holder has ended, and left no tail
        tail = await self._find_tail(stored.name)
        if tail is None:
            return progress
        counts = tail.metadata.get(_START) == str(progress.in_parts)
        return replace(progress, tail=tail.size if counts else 0, tail_etag=tail.etag)

    async def _find_tail(self, name: str) -> StorageObject | None:
        try:
            return await self.driver.get_object(self.bucket, self.key_of(name, "tail"))
        except ObjectNotFoundError:
            return None

    async def read_tail(self, name: str, progress: Progress) -> AsyncGenerator[bytes]:
        """Yield the bytes of the tail.

        Raises:
            OvertakenError: another request has replaced the tail.
        """
        async with self.driver.open_object(self.bucket, self.key_of(name, "tail")) as tail:
            if tail.metadata.get(_START) != str(progress.in_parts) or tail.size != progress.tail:
                raise OvertakenError
            async for chunk in tail:
                yield chunk

    async def write_tail(self, name: str, start: int, data: bytes, *, replaces: str | None) -> None:
        """Replace the tail by the bytes from offset `start` on.

        Args:
            name: hash of the upload.
            start: offset of the first byte in the upload.
            data: the bytes.
            replaces: ETag of the tail that the request found when it began; ``None`` if there was none.

        Raises:
            OvertakenError: another request has written a tail since. Never raised where a store has no conditions.
        """
        try:
            await self.driver.upload_object_via_stream(
                data,
                self.bucket,
                self.key_of(name, "tail"),
                size=len(data),
                transfer=self._one_put(len(data)),
                metadata={_START: str(start)},
                content_type="application/octet-stream",
                if_match=replaces if self.has_conditions else None,
                if_none_match="*" if self.has_conditions and replaces is None else None,
            )
        except (PreconditionFailedError, ObjectNotFoundError, ConflictError) as error:
            raise OvertakenError from error

    # ends

    async def forget(self, name: str) -> None:
        """Delete the helper objects of an upload, the description last."""
        await self.driver.delete_object(self.bucket, self.key_of(name, "tail"))
        await self.driver.delete_object(self.bucket, self.key_of(name))

    async def list_helpers(self) -> list[StorageObject]:
        """Return all helper objects."""
        async with aclosing(self.driver.iterate_container_objects(self.bucket, prefix=self.folder)) as found:
            return [each async for each in found]


async def store_time(driver: DriverBase) -> datetime:
    """Return the time by the store's clock, as its last quick response shows it."""
    client = (await driver._open()).client
    return client.clock_skew.to_server_time(client.clock.now())
