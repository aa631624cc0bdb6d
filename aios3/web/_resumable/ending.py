"""Ends of resumable uploads: finished, settled after a crash, deleted, or expired."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from aios3.checkpoints import MultipartUpload
from aios3.errors import ObjectNotFoundError, StorageError, UploadNotFoundError
from aios3.models import StorageObject, UploadReceipt

from .description import Description, Progress
from .lease import Lease, Leases
from .messages import RefusedError
from .upload_store import OvertakenError, Stored, UploadStore

__all__ = ["Endings", "OnComplete"]

OnComplete = Callable[[UploadReceipt, Mapping[str, str]], Awaitable[object] | object]

_NONCE: Final = "aios3-nonce"


class Endings:
    """Ends the uploads of one application."""

    def __init__(self, store: UploadStore, leases: Leases, on_complete: OnComplete | None, max_age: timedelta) -> None:
        """Take what the uploads share."""
        self._store = store
        self._leases = leases
        self._on_complete = on_complete
        self._max_age = max_age

    async def finish(self, lease: Lease, progress: Progress | None, tail: bytes | None = None) -> Description:
        """Make the object, call ``on_complete``, and record the end. Harmless to repeat after a crash at any step.

        Args:
            lease: the right to change the upload.
            progress: what the store holds, which with `tail` is the whole upload; ``None`` if its multipart upload is
                gone.
            tail: bytes behind the parts; ``None`` if the tail object has them.
        """
        lease.offset = None
        try:
            receipt = None if progress is None else await self._commit(lease, progress, tail)
        except UploadNotFoundError:
            receipt = None
        if receipt is None:
            receipt = await self.committed_before(lease.description)
        await self._store.driver.delete_object(self._store.bucket, self._store.key_of(lease.name, "tail"))
        if self._on_complete is not None and not lease.description.is_partial:
            outcome = self._on_complete(receipt, dict(lease.description.pairs or {}))
            if inspect.isawaitable(outcome):
                await outcome
        await lease.finish(replace(lease.description, etag=receipt.etag, expected=receipt.size))
        return lease.description

    async def _commit(self, lease: Lease, progress: Progress, tail: bytes | None) -> UploadReceipt:
        driver, upload = self._store.driver, lease.description.upload
        parts = list(progress.parts)
        if tail is None and progress.tail:
            tail = b"".join([chunk async for chunk in self._store.read_tail(lease.name, progress)])
        if tail:
            parts.append(await driver.upload_part(upload, len(parts) + 1, tail))
        if not parts:
            parts.extend((await driver.upload_parts(upload, b"")).parts)
        return await driver.complete_multipart_upload(upload, parts=parts)

    async def committed_before(self, description: Description) -> UploadReceipt:
        """Return the receipt of an object that a request before this one has made.

        Raises:
            RefusedError: there is no such object: the upload was aborted, or the object replaced (410).
        """
        upload = description.upload
        try:
            found = await self._store.driver.get_object(upload.bucket, upload.key)
        except ObjectNotFoundError:
            found = None
        if found is None or found.metadata.get(_NONCE) != upload.nonce or found.size != upload.size:
            raise RefusedError(410, "the upload is gone")
        return UploadReceipt(
            *(upload.bucket, upload.key, found.size, found.etag, found.version_id),
            upload_id=upload.upload_id,
            parts=(),
            checksum=found.checksum,
            request_id=None,
            retries=0,
            elapsed=0.0,
        )

    async def settle(self, stored: Stored) -> Stored:
        """End an upload that has all its bytes, or whose multipart upload is gone, but that is not recorded as ended.

        Raises:
            RefusedError: the upload is gone, or another request changes it.
        """
        if not self._leases.is_free(stored, None):
            stored = await self._leases.wait(stored)
        if stored.description.is_complete:
            return stored
        async with self._leases.hold(stored, stored.description) as lease:
            progress = await self._progress(replace(stored, description=lease.description))
            await self.finish(lease, progress)
        found = await self._store.read(stored.name)
        if found is None:
            raise OvertakenError
        return found

    async def _progress(self, stored: Stored) -> Progress | None:
        """Return what the store holds; ``None`` if the multipart upload is gone."""
        with suppress(UploadNotFoundError):
            return await self._store.progress(stored)
        return None

    async def delete(self, stored: Stored) -> None:
        """End a running request, and delete the upload, finished or not, and all its helper objects.

        A finished object that was replaced since stays.
        """
        if not stored.description.is_complete and not self._leases.is_free(stored, await self._progress(stored)):
            stored = await self._leases.wait(stored)
        if stored.description.is_complete:
            await self._delete_object(stored.description)
            await self._store.forget(stored.name)
            return
        async with self._leases.hold(stored, stored.description) as lease:
            await self._store.driver.abort_multipart_upload(lease.description.upload)
            await self._delete_unrecorded(lease.description)
            await self._store.forget(lease.name)
            lease.abandon()

    async def discard(self, name: str) -> None:
        """Delete an upload that no client can or may continue. What has been committed stays.

        A failure is harmless: the upload expires.
        """
        with suppress(StorageError, OvertakenError, RefusedError):
            stored = await self._store.read(name)
            if stored is None or stored.description.is_complete or await self._progress(stored) is None:
                return
            await self.delete(stored)

    async def _delete_unrecorded(self, description: Description) -> None:
        """Delete the object of an upload that was committed by a request which died before it recorded that."""
        with suppress(RefusedError):
            receipt = await self.committed_before(description)
            await self._delete_object(replace(description, etag=receipt.etag))

    async def _delete_object(self, description: Description) -> None:
        upload = description.upload
        try:
            found = await self._store.driver.get_object(upload.bucket, upload.key)
        except ObjectNotFoundError:
            return
        if found.etag == description.etag:
            await self._store.driver.delete_object(upload.bucket, upload.key)

    async def _settle_if_committed(self, stored: Stored) -> Stored:
        """Record the end of an upload that was committed and not recorded, so that ``on_complete`` is called."""
        if await self._progress(stored) is None:
            with suppress(RefusedError):
                return await self.settle(stored)
        return stored

    # expiry

    async def sweep(self) -> list[str]:
        """End what is older than ``max_age``; see `ResumableUploads.sweep`."""
        helpers = await self._store.list_helpers()
        limit = await self._store.now() - self._max_age  # after a response, which shows the store's clock
        ended = []
        # Descriptions first: what they leave behind belongs to no upload then, and ends in the same sweep.
        for helper in sorted(helpers, key=lambda each: not each.key.endswith(".json")):
            is_old = helper.last_modified is not None and helper.last_modified < limit
            if is_old and (key := await self._sweep(helper)) is not None:
                ended.append(key)
        return [*ended, *await self._sweep_undescribed(limit)]

    async def _sweep_undescribed(self, limit: datetime) -> list[str]:
        """Abort uploads of processes that died before the description was written; return their keys."""
        driver, store = self._store.driver, self._store
        async with aclosing(driver.iterate_multipart_uploads(store.bucket, prefix=store.prefix)) as pending:
            old = [
                each async for each in pending
                if store.is_own_key(each.key) and each.initiated_at is not None and each.initiated_at < limit
            ]  # fmt: skip
        ended = []
        for each in old:
            with suppress(StorageError):
                size = driver._transfer.part_size  # of no importance for an abort, but it must suit the store
                await driver.abort_multipart_upload(MultipartUpload(each.bucket, each.key, each.upload_id, size))
                ended.append(each.key)
        return ended

    async def _sweep(self, helper: StorageObject) -> str | None:
        """End the upload of an old helper object, and return the key of an unfinished object; ``None`` if it ended."""
        name, _, kind = helper.key.removeprefix(self._store.folder).partition(".")
        try:
            stored = await self._store.read(name)
            if stored is None and kind in ("tail", "chunk", "part"):
                await self._store.driver.delete_object(self._store.bucket, helper.key)
            if stored is None or kind != "json":
                return None
            return await self._expire(stored)
        except (StorageError, OvertakenError, RefusedError):
            return None  # the next sweep tries again, and other uploads still end

    async def _expire(self, stored: Stored) -> str | None:
        if not stored.description.is_complete:
            stored = await self._settle_if_committed(stored)
        description = stored.description
        if not description.is_complete:
            await self._store.driver.abort_multipart_upload(description.upload)
        elif description.is_partial:
            await self._delete_object(description)
        await self._store.forget(stored.name)
        return None if description.is_complete else description.upload.key
