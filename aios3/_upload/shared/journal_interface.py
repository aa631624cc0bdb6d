"""Interface between uploads and the journal, and its stand-in for drivers without a journal."""

from __future__ import annotations

from typing import Protocol

from .job import UploadJob

__all__ = ["JournalRecord", "NoJournal", "NoRecord", "UploadJournal"]


class JournalRecord(Protocol):
    """Record of one upload, for a later process."""

    async def creating(self) -> None:
        """Note durably that from now on the store may hold an upload.

        Raises:
            OSError: the journal cannot be written.
        """

    async def created(self, upload_id: str) -> None:
        """Note the id of the upload durably.

        Raises:
            OSError: the journal cannot be written.
        """

    def ended(self) -> None:
        """Note that nothing of the upload is open; never fails, and does not wait."""

    def left_open(self) -> None:
        """Note that the upload may be open, but no task works on it any longer; never fails, and does not wait."""


class UploadJournal(Protocol):
    """Journal that begins the records of uploads."""

    keeps: bool
    """Uploads that the end of the driver stops are left open, to be resumed later."""

    def begin(self, job: UploadJob) -> JournalRecord:
        """Return the record of a new upload; nothing is written yet."""

    def resume(self, upload_id: str) -> int | None:
        """Mark a left upload as running and return its number; ``None`` if the journal does not list it."""

    def leave(self, number: int, upload_id: str | None) -> None:
        """Mark an upload as left, because no call works on it any longer."""

    def end(self, number: int) -> None:
        """Mark an upload as ended; never fails, and does not wait."""


class NoRecord:
    """Record that keeps nothing."""

    async def creating(self) -> None:
        """Do nothing."""

    async def created(self, upload_id: str) -> None:
        """Do nothing."""

    def ended(self) -> None:
        """Do nothing."""

    def left_open(self) -> None:
        """Do nothing."""


class NoJournal:
    """Journal of a driver without a journal."""

    keeps = False

    def begin(self, job: UploadJob) -> JournalRecord:
        """Return a record that keeps nothing."""
        return NoRecord()

    def resume(self, upload_id: str) -> None:
        """Return ``None``: no upload is listed."""

    def leave(self, number: int, upload_id: str | None) -> None:
        """Do nothing."""

    def end(self, number: int) -> None:
        """Do nothing."""
