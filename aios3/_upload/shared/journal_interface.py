"""Interface between uploads and the journal, and its stand-in for drivers without a journal."""

from __future__ import annotations

from typing import Protocol

from .job import UploadJob

__all__ = ["JournalRecord", "NoJournal", "NoRecord", "UploadJournal"]


class JournalRecord(Protocol):
    """Takes down what a later process must know of one upload."""

    async def creating(self) -> None:
        """Note durably that from now on the store may hold an upload.

        Raises:
            OSError: it cannot be written.
        """
        ...  # pragma: no cover - a protocol has no body

    async def created(self, upload_id: str) -> None:
        """Note its id durably.

        Raises:
            OSError: it cannot be written.
        """
        ...  # pragma: no cover - a protocol has no body

    def ended(self) -> None:
        """Note that nothing of it is open; never fails, and does not wait."""
        ...  # pragma: no cover - a protocol has no body

    def left_open(self) -> None:
        """Note that the upload may be open, but no task works on it any longer; never fails, and does not wait."""
        ...  # pragma: no cover - a protocol has no body


class UploadJournal(Protocol):
    """Where logs come from."""

    keeps: bool
    """Uploads that are stopped by the end of the driver are left open, to go on later."""

    def begin(self, job: UploadJob) -> JournalRecord:
        """Return the log of a new upload; nothing is written yet."""
        ...  # pragma: no cover - a protocol has no body


class NoRecord:
    """Forgets everything."""

    async def creating(self) -> None:
        """Do nothing."""

    async def created(self, upload_id: str) -> None:
        """Do nothing."""

    def ended(self) -> None:
        """Do nothing."""

    def left_open(self) -> None:
        """Do nothing."""


class NoJournal:
    """The journal of a driver that has none."""

    keeps = False

    def begin(self, job: UploadJob) -> JournalRecord:
        """Return a log that forgets everything."""
        return NoRecord()
