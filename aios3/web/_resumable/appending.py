"""Appending of one body to a resumable upload, by parts on the grid and a tail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace

from aios3.errors import UploadNotFoundError
from aios3.models import PartsUploaded

from .bodies import Body, ClientGoneError
from .description import Description, Progress
from .draft import inconsistent_length
from .ending import Endings
from .interim import Interim
from .lease import Lease, Leases, locked
from .messages import Append, BeyondLengthError, Dialect, RefusedError, Status
from .upload_store import Stored, UploadStore

__all__ = ["Appending"]


class Appending:
    """Appends bodies to the uploads of one application."""

    def __init__(self, store: UploadStore, leases: Leases, endings: Endings, max_size: int | None) -> None:
        """Take what the uploads share; `max_size` is in bytes, ``None`` without a limit."""
        self._store = store
        self._leases = leases
        self._endings = endings
        self._max_size = max_size

    async def append(self, stored: Stored, request: Append, body: Body, dialect: Dialect, interim: Interim) -> Status:
        """Append `body`, keep as much as arrives, and finish the upload if it is whole. Report progress by `interim`.

        After a failure, a cancellation or the death of the process all bytes that were acknowledged before are there.

        Raises:
            RefusedError: the request does not fit the upload, and nothing has changed.
            ClientGoneError: the client has vanished; what has arrived is kept.
            StorageError: the store refused, or does not respond.
        """
        stored, progress = await self._ready(stored, request, body, dialect)
        if stored.description.is_complete:
            await self._refuse_rest(body, asyncio.Event())
            return stored.description.status(None)
        described = self._described(stored.description, progress, request, body)
        async with self._leases.hold(stored, described) as lease:
            lease.offset = progress.offset
            await interim.reached(progress.offset)
            return await self._append(lease, progress, request, body, interim)

    async def _ready(self, stored: Stored, request: Append, body: Body, dialect: Dialect) -> tuple[Stored, Progress]:
        """Return the upload when its lease is free and the request fits it."""
        while True:
            if stored.description.is_complete:
                progress = Progress(())
            else:
                try:
                    progress = await self._store.progress(stored)
                except UploadNotFoundError:
                    stored = await self._endings.settle(stored)
                    continue
            self._check(stored.description, progress.offset, request, body, dialect)
            if stored.description.is_complete or self._leases.is_free(stored, progress):
                return stored, progress
            stored = await self._leases.wait(stored)

    def _check(self, description: Description, offset: int, request: Append, body: Body, dialect: Dialect) -> None:
        """Refuse a request that does not fit the upload."""
        if description.is_final:
            raise RefusedError(403, "a final upload takes no bytes")
        offset = description.length or 0 if description.is_complete else offset
        if request.offset != offset:
            raise dialect.other_offset(offset, request.offset, is_complete=description.is_complete)
        length = description.length if request.length is None else request.length
        if description.length is not None and length != description.length:
            raise inconsistent_length()
        end = offset + (body.declared or 0)
        if length is not None and end > length:
            raise BeyondLengthError(413, "the body exceeds the length of the upload")
        self.check_size(end if length is None else length, description)

    def check_size(self, size: int, description: Description | None = None) -> None:
        """Refuse more bytes than the server, or the grid of the upload, can hold.

        Raises:
            RefusedError: `size` is too large (413).
        """
        upload = None if description is None else description.upload
        most = None if upload is None else upload.part_size * self._store.driver._provider.max_parts
        if any(limit is not None and size > limit for limit in (self._max_size, most)):
            raise RefusedError(413, "the upload is larger than the server takes")

    def _described(self, description: Description, progress: Progress, request: Append, body: Body) -> Description:
        """Return the description that this request begins with: its length, its expected end, and the tail it found."""
        if description.length is None and request.length is not None:
            description = description.with_length(request.length)
        end = None if body.declared is None else request.offset + body.declared
        is_end = request.is_last or end == description.length  # then the receipt shows the end, not the offset
        if not self._store.has_conditions:
            return replace(description, expected=None)
        return replace(description, expected=None if is_end else end, tail=progress.tail_etag)

    async def _append(self, lease: Lease, progress: Progress, request: Append, body: Body, interim: Interim) -> Status:
        upload = lease.description.upload
        lease.offset = None
        most = self._room(lease.description, progress)
        async with AsyncExitStack() as stack:
            if body.is_whole or most == 0:
                await self._refuse_rest(body, lease.stop)
                stored, tail = None, None
            else:
                source = await stack.enter_async_context(self._source(lease, progress, request, body, most))
                first = len(progress.parts) + 1
                stored = await self._store.driver.upload_parts(
                    upload, source, first_part=first, last=False, on_progress=interim.from_offset(progress.in_parts)
                )
                tail = stored.tail
            progress, offset = self._after(progress, stored)
            if request.is_last and body.is_whole and lease.description.length is None:
                await lease.change(lease.description.with_length(offset))
            if offset == lease.description.length:
                return (await self._endings.finish(lease, progress, tail)).status(None)
            if tail and body.received:
                await self._store.write_tail(lease.name, progress.in_parts, tail, replaces=progress.tail_etag)
        self._leave(lease, offset)
        if not body.is_whole:
            raise locked() if lease.stop.is_set() else ClientGoneError
        if request.is_last:
            raise inconsistent_length()  # the client ends the upload before the length that it has declared
        return lease.description.status(offset)

    def _room(self, description: Description, progress: Progress) -> int | None:
        """Return how many bytes the upload may still take; ``None`` without a limit."""
        grid = description.upload.part_size * self._store.driver._provider.max_parts
        limits = [limit for limit in (description.length, self._max_size, grid) if limit is not None]
        return min(limits) - progress.offset

    async def _refuse_rest(self, body: Body, stop: asyncio.Event) -> None:
        """Read a body that must be empty."""
        async with aclosing(body.read(most=0, stop=stop)) as chunks:
            async for _ in chunks:
                pass

    def _after(self, progress: Progress, stored: PartsUploaded | None) -> tuple[Progress, int]:
        """Return the parts and the offset after the parts of this request were stored."""
        if stored is None:
            return progress, progress.offset
        after = replace(progress, parts=(*progress.parts, *stored.parts), tail=0)
        return after, after.in_parts + len(stored.tail)

    def _leave(self, lease: Lease, offset: int) -> None:
        lease.offset = offset
        if offset == lease.description.expected and not lease.stop.is_set():
            lease.abandon()  # the state itself shows that this request has ended

    @asynccontextmanager
    async def _source(
        self, lease: Lease, progress: Progress, request: Append, body: Body, most: int | None
    ) -> AsyncGenerator[AsyncGenerator[bytes]]:
        """Yield the source of the new parts: the tail, then the body, which is checked first if it has a checksum."""
        async with AsyncExitStack() as stack:
            if request.checksum is None:
                chunks = body.read(most=most, stop=lease.stop)
            else:
                key = self._store.key_of(lease.name, "chunk")
                await self._store.driver.upload_object_via_stream(
                    body.checked(request.checksum, most=most, stop=lease.stop), self._store.bucket, key
                )
                stack.push_async_callback(self._store.driver.delete_object, self._store.bucket, key)
                chunks = self._store.driver.download_object_as_stream(self._store.bucket, key)
            yield self._joined(lease, progress, chunks, stack)

    async def _joined(
        self, lease: Lease, progress: Progress, chunks: AsyncGenerator[bytes], stack: AsyncExitStack
    ) -> AsyncGenerator[bytes]:
        count = progress.tail
        if progress.tail:
            async with aclosing(self._store.read_tail(lease.name, progress)) as tail:
                async for chunk in tail:
                    yield chunk
        async with aclosing(chunks):
            async for chunk in chunks:
                count += len(chunk)
                yield chunk
        if count % lease.description.upload.part_size:
            # The last bytes leave the memory budget when the source ends, and are held until they are stored.
            await stack.enter_async_context(self._store.tail_slots)
