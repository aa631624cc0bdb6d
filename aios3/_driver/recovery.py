"""What was left open by a process that died, or a driver that was closed: seen, gone on with, or ended."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from aios3._driver.uploads import UploadMethods, identify_file
from aios3._journal.entries import JournalEntry
from aios3._journal.recovery import Leftovers
from aios3._upload.multipart.resume import holds_parts
from aios3._upload.shared.job import UploadJob
from aios3._upload.source.files import OpenedFile
from aios3.checkpoints import FileIdentity, RecoveredUpload, UploadCheckpoint
from aios3.errors import CompletionUnknownError, DriverClosedError, UploadNotFoundError
from aios3.models import UploadAttributes

from .arguments import make_job

__all__ = ["RecoveryMethods"]


class RecoveryMethods(UploadMethods):
    """The driver methods that upload, and those that go on with, or end, what earlier uploads left."""

    async def find_checkpoints(self) -> list[UploadCheckpoint]:
        """Return how far the uploads have come that were left open, and see to it that no other process ends them.

        Pass one as ``resume=`` with a source that begins at its ``offset``. Those that are not gone on with stay
        open, until `recover` ends them, here or in a later process.

        Raises:
            ConfigurationError: the driver has no journal.
            OSError: the journals cannot be read or written.
            StorageError: the store refused, or does not answer.
        """
        leftovers = self._leftovers(await self._open())
        found: list[UploadCheckpoint] = []
        for number in await leftovers.claim():
            with leftovers.reserve(number) as entry:
                checkpoint = None if entry is None else await leftovers.checkpoint(number, entry)
            if checkpoint is not None:
                found.append(checkpoint)
        return found

    async def recover(self, *, resume: bool = False) -> list[RecoveredUpload]:
        """End all uploads that dead processes, or closed drivers, have left open at this endpoint.

        They are known from the journals in the driver's journal directory. Uploads of living processes are not
        touched. When one cannot be ended the others still are.

        Args:
            resume: complete those whose source is a file that has not changed since, instead of aborting them.

        Raises:
            ConfigurationError: the driver has no journal.
            OSError: the journals cannot be read or written.
        """
        leftovers = self._leftovers(await self._open())
        recovered = [await self._recover(leftovers, number, resume) for number in await leftovers.claim()]
        return [one for one in recovered if one is not None]

    async def _recover(self, leftovers: Leftovers, number: int, resume: bool) -> RecoveredUpload | None:
        with leftovers.reserve(number) as entry:
            if entry is None:
                return None
            if not resume:
                return await leftovers.abort(number, entry)
            try:
                completed = await self._complete(leftovers, number, entry)
            except DriverClosedError:  # of this very driver: nothing of the caller's runs here
                raise
            except Exception as error:  # noqa: BLE001 - credentials may fail with anything, and the others must be ended
                return await self._abort_instead(leftovers, number, entry, error)
            return completed or await leftovers.abort(number, entry)

    async def _abort_instead(
        self, leftovers: Leftovers, number: int, entry: JournalEntry, trouble: Exception
    ) -> RecoveredUpload:
        """End an upload that could not be completed; if it was begun, it has aborted itself already."""
        aborted = await leftovers.abort(number, entry)
        if aborted.outcome == "gone" and not isinstance(trouble, CompletionUnknownError | UploadNotFoundError):
            aborted = replace(aborted, outcome="aborted")
        return replace(aborted, error=aborted.error or trouble)

    async def _complete(self, leftovers: Leftovers, number: int, entry: JournalEntry) -> RecoveredUpload | None:
        """Go on with an upload whose file is as it was; ``None`` if that is not possible."""
        if entry.file is None or entry.has_customer_key:
            return None
        async with OpenedFile(entry.file.path) as file:
            if await file.thread.call(identify_file, entry.file.path, file.file.fileno()) != entry.file:
                return None
            checkpoint = await leftovers.checkpoint(number, entry)
            if checkpoint is None or not await holds_parts(entry.file.path, checkpoint.parts, checkpoint.checksum):
                return None
            receipt = await self._send_file(file, self._rest_of(entry, entry.file, checkpoint))
        return RecoveredUpload(entry.bucket, entry.key, checkpoint.upload_id, "completed", receipt)

    def _rest_of(self, entry: JournalEntry, file: FileIdentity, checkpoint: UploadCheckpoint) -> UploadJob:
        return make_job(
            self._provider,
            self._transfer,
            entry.bucket,
            entry.key,
            size=file.size,
            max_size=None,
            on_progress=None,
            transfer=None,
            resume=checkpoint,
            attributes=cast("UploadAttributes", dict(entry.attributes)),
            file=file,
        )
