"""Recovery of open uploads that dead processes or failed aborts left at the store: list, resume, end."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, Literal

from aios3._protocol.attributes.headers import ObjectHeaders, read_attributes
from aios3._upload.multipart.abort import AbortOutcome
from aios3._upload.multipart.orphan_sweep import OrphanSweep
from aios3._upload.multipart.resume import holds_parts, list_stored_parts, usable_parts
from aios3._upload.open_upload import abort_upload
from aios3._upload.shared.engine import Engine
from aios3.checkpoints import FileIdentity, MultipartUpload, RecoveredUpload, UploadCheckpoint
from aios3.errors import ContainerNotFoundError, DriverClosedError, StorageError, UploadNotFoundError

from .entries import JournalEntry
from .journal import Journal

__all__ = ["Leftovers"]

_CREATE_WINDOW: Final = timedelta(seconds=60)
"""Time after the journal's line in which the store may have created an upload whose id was lost."""

_ENDS: Final[Mapping[AbortOutcome, Literal["aborted", "gone"]]] = {
    AbortOutcome.ABORTED: "aborted",
    AbortOutcome.GONE: "gone",
    AbortOutcome.VANISHED: "gone",
}
"""Outcomes of an abort that left nothing open, with the outcome that the caller gets."""


class Leftovers:
    """Open entries of a driver's journal that no call works on."""

    def __init__(self, engine: Engine, journal: Journal) -> None:
        """Take the engine that sends requests, and the journal that holds the entries."""
        self._engine = engine
        self._journal = journal

    async def claim(self) -> list[int]:
        """Take over the entries of dead processes, and return the numbers of all left entries, oldest first.

        Raises:
            OSError: the journals cannot be read.
        """
        await self._journal.claim()
        left = self._journal.left
        return sorted(left, key=lambda number: (left[number].at, number))

    @contextmanager
    def reserve(self, number: int) -> Generator[JournalEntry | None]:
        """Reserve an entry for a block, against other calls of this driver; ``None`` if it is no longer left."""
        entry = self._journal.take(number)
        try:
            yield entry
        finally:
            self._journal.put_back(number)

    def put_back(self, number: int) -> None:
        """Release a reserved entry. Does nothing if an upload has resumed it."""
        self._journal.put_back(number)

    async def checkpoint(
        self, number: int, entry: JournalEntry, headers: ObjectHeaders | None = None
    ) -> UploadCheckpoint | None:
        """Return the checkpoint of an upload; ``None`` if it is not open, or if its id is unknown.

        Args:
            number: number of the entry.
            entry: the reserved entry.
            headers: headers of the caller that resumes, which may hold a customer key; ``None`` takes the journal's.

        Raises:
            StorageError: the store refused, or does not respond.
        """
        if entry.upload_id is None:
            return None
        upload = _upload_of(entry, entry.upload_id)
        with_key = entry.has_customer_key and headers is not None
        try:
            listing = headers.part if with_key and headers is not None else self._headers(entry)
            stored = await list_stored_parts(self._engine.client, upload, listing)
        except (UploadNotFoundError, ContainerNotFoundError):
            self._journal.end(number)
            return None
        parts = usable_parts(stored, part_size=entry.part_size, checksum=entry.checksum)
        return UploadCheckpoint(*upload.place, entry.part_size, parts, entry.checksum, entry.size)

    async def abort(self, number: int, entry: JournalEntry) -> RecoveredUpload:
        """Abort an upload, and return the outcome. An upload that cannot be aborted stays in the journal.

        Raises:
            DriverClosedError: the driver was closed meanwhile; the upload stays.
        """
        upload_id = entry.upload_id
        try:
            if upload_id is None:
                upload_id, outcome = await self._abort_unknown(entry)
            else:
                outcome = await abort_upload(self._engine, _upload_of(entry, upload_id), self._headers(entry))
        except DriverClosedError:
            raise
        except Exception as error:  # noqa: BLE001 - credentials may raise anything, and the other uploads must be ended
            return RecoveredUpload(entry.bucket, entry.key, entry.upload_id, "failed", error=error)
        if outcome not in _ENDS:
            return RecoveredUpload(entry.bucket, entry.key, upload_id, "failed")
        if entry.upload_id is None:
            self._journal.end(number)
        return RecoveredUpload(entry.bucket, entry.key, upload_id, _ENDS[outcome])

    async def _abort_unknown(self, entry: JournalEntry) -> tuple[str | None, AbortOutcome]:
        sweep = OrphanSweep(
            self._engine.client,
            entry.bucket,
            entry.key,
            headers=self._headers(entry),
            known_uploads=self._engine.known_uploads,
            began=entry.at,
            lost=entry.at + _CREATE_WINDOW,
        )
        aborted = await sweep.run(lambda: self._ids_of_others(entry))
        return (aborted[0], AbortOutcome.ABORTED) if aborted else (None, AbortOutcome.GONE)

    async def _ids_of_others(self, entry: JournalEntry) -> set[str]:
        """Return the ids of uploads that other processes have begun for the key."""
        place = entry.bucket, entry.key
        others = [other for other in await self._journal.read_others() if (other.bucket, other.key) == place]
        if any(other.upload_id is None for other in others):
            raise StorageError(f"another process is creating an upload of {entry.bucket}/{entry.key}; recover later")
        return {other.upload_id for other in others if other.upload_id is not None}

    def _headers(self, entry: JournalEntry) -> Mapping[str, str]:
        return read_attributes(entry.key, entry.attributes, self._engine.provider).every

    async def find_by_file(
        self, file: FileIdentity, bucket: str, key: str, headers: ObjectHeaders
    ) -> tuple[int, UploadCheckpoint] | None:
        """Return the entry number and the checkpoint from which this file can resume to this key; ``None`` without one.

        Aborts uploads of other states of the file. The entry stays reserved until `put_back`, or until an upload
        resumes it.

        Raises:
            OSError: the file or the journals cannot be read.
            StorageError: the store refused, or does not respond.
        """
        left = self._journal.left
        numbers = [number for number in await self.claim() if _is_of(left[number], file.path, bucket, key)]
        reserved = {number: entry for number in numbers if (entry := self._journal.take(number)) is not None}
        found: tuple[int, UploadCheckpoint] | None = None
        kept: int | None = None
        try:
            for number, entry in reserved.items():
                checkpoint = None
                if found is None and entry.file == file:
                    checkpoint = await self.checkpoint(number, entry, headers)
                if checkpoint is not None and await holds_parts(file.path, checkpoint.parts, checkpoint.checksum):
                    found = number, checkpoint
                else:
                    await self.abort(number, entry)
            kept = None if found is None else found[0]
        finally:
            for number in reserved.keys() - {kept}:
                self._journal.put_back(number)
        return found


def _is_of(entry: JournalEntry, path: str, bucket: str, key: str) -> bool:
    return entry.file is not None and (entry.file.path, entry.bucket, entry.key) == (path, bucket, key)


def _upload_of(entry: JournalEntry, upload_id: str) -> MultipartUpload:
    return MultipartUpload(entry.bucket, entry.key, upload_id, entry.part_size, entry.checksum, entry.size)
