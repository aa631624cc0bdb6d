"""Journal of a driver: its own open uploads, and uploads that dead processes left.

Each driver writes its own file, in a directory that any number of processes
share. To clean up, a process locks the files of dead processes and appends to
them. It copies no entry. So at most one living process is responsible for an
upload at any time, even if a process dies while it cleans up.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from aios3._concurrency.caller_errors import note
from aios3._concurrency.clock import Clock
from aios3._upload.shared.job import UploadJob
from aios3._upload.shared.journal_interface import JournalRecord
from aios3.errors import ConfigurationError, DriverClosedError

from .entries import JournalEntry, created_line, describe_job
from .journal_file import JournalFile, find_dead_journals, read_other_journals

__all__ = ["Journal"]

T = TypeVar("T")


class _Claimed(NamedTuple):
    """Entry of a file that was taken over."""

    entry: JournalEntry
    file: JournalFile
    number: int


class Journal:
    """Journal that writes line by line in its own thread. Only that thread touches the files."""

    keeps = True

    def __init__(self, directory: Path, endpoint: str, clock: Clock) -> None:
        """Set up the journal. `open` makes its file."""
        self._directory = directory
        self._endpoint = endpoint
        self._clock = clock
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="aios3-journal")
        self._numbers = itertools.count(1)
        self._files: list[JournalFile] = []
        """The driver's own file first, then the files that were taken over."""
        self._claimed: dict[int, _Claimed] = {}
        self._running: dict[int, JournalEntry] = {}
        self._held: dict[int, JournalEntry] = {}
        self.left: dict[int, JournalEntry] = {}
        """Uploads that may be open and that no call works on, by number."""
        self._closed: Future[None] | None = None
        self._process = os.getpid()

    async def open(self) -> None:
        """Make the file.

        Raises:
            OSError: the file cannot be made.
            ConfigurationError: this platform has no file locks.
        """
        await self._in_writer(self._open)

    def _open(self) -> None:
        self._directory = self._directory.absolute()  # the process may change its directory
        self._files.append(JournalFile.create(self._directory, self._endpoint))

    async def aclose(self) -> None:
        """Write pending lines, unlock the files, and remove files without open entries. Closing twice is harmless.

        A cancellation does not stop the closing.
        """
        if self._closed is None:
            self._closed = self._writer.submit(self._close_files)
            self._writer.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(self._closed))

    def _close_files(self) -> None:
        for file in self._files:
            file.close()

    def begin(self, job: UploadJob) -> JournalRecord:
        """Return the record of a new upload. Writes nothing yet."""
        return _Log(self, job)

    def register(self, job: UploadJob, upload_id: str | None = None) -> int:
        """Return a number for an upload that begins, or has begun. Writes nothing yet."""
        number = next(self._numbers)
        self._running[number] = describe_job(job, upload_id, at=self._clock.now())
        return number

    async def announce(self, number: int) -> None:
        """Write durably that an upload begins, or has begun.

        Raises:
            OSError: the line cannot be written.
        """
        entry = self._running[number]
        await self._write(lambda: self._files[0].begin(number, entry))

    async def name(self, number: int, upload_id: str) -> None:
        """Write durably the id of an upload that was announced.

        Raises:
            OSError: the line cannot be written.
        """
        await self._write(lambda: self._files[0].add(created_line(number, upload_id)))

    def resume(self, upload_id: str) -> int | None:
        """Mark a left upload as running and return its number; ``None`` if it is not in this journal."""
        for entries in (self.left, self._held):
            for number, entry in entries.items():
                if entry.upload_id == upload_id:
                    self._running[number] = entries.pop(number)
                    return number
        return None

    def leave(self, number: int, upload_id: str | None) -> None:
        """Mark an upload as left, because no call works on it any longer."""
        self.left[number] = self._running.pop(number).named(upload_id)

    def end(self, number: int) -> None:
        """Mark an upload as ended. The line is written soon, without a wait for the disk."""
        for entries in (self._running, self._held, self.left):
            entries.pop(number, None)
        claimed = self._claimed.pop(number, None)
        with contextlib.suppress(RuntimeError):  # closed: the next process finds out that nothing is open
            self._writer.submit(self._end, number, claimed)

    def _end(self, number: int, claimed: _Claimed | None) -> None:
        if claimed is None:
            self._files[0].end(number)
            return
        try:
            claimed.file.end(claimed.number)
        finally:
            if not claimed.file.open:
                self._files.remove(claimed.file)
                claimed.file.close()

    async def claim(self) -> None:
        """Take over the entries that dead processes left at this endpoint.

        Raises:
            OSError: a journal cannot be read or locked. Journals that were locked before stay taken over.
        """
        claiming = asyncio.ensure_future(self._in_writer(self._take_over))
        claiming.add_done_callback(self._note_claimed)  # also if the waiting task is cancelled
        _, trouble = await asyncio.shield(claiming)
        if trouble is not None:
            raise trouble

    def _note_claimed(self, claiming: asyncio.Future[tuple[list[_Claimed], OSError | None]]) -> None:
        if claiming.cancelled() or claiming.exception() is not None:
            return
        for claimed in claiming.result()[0]:
            number = next(self._numbers)
            self._claimed[number] = claimed
            self.left[number] = claimed.entry

    def _take_over(self) -> tuple[list[_Claimed], OSError | None]:
        taken: list[_Claimed] = []
        try:
            for dead in find_dead_journals(self._directory, self._endpoint):
                if not dead.open:
                    dead.close()
                    continue
                self._files.append(dead)
                taken.extend(_Claimed(entry, dead, number) for number, entry in dead.open.items())
        except OSError as error:
            return taken, error
        return taken, None

    def take(self, number: int) -> JournalEntry | None:
        """Reserve a left upload until `put_back`, `resume` or `end`; ``None`` if it is no longer left."""
        entry = self.left.pop(number, None)
        if entry is not None:
            self._held[number] = entry
        return entry

    def put_back(self, number: int) -> None:
        """Release a reserved upload, which is left again. Does nothing if it is not reserved."""
        if (entry := self._held.pop(number, None)) is not None:
            self.left[number] = entry

    async def read_others(self) -> list[JournalEntry]:
        """Return the open entries of the files at this endpoint that this journal does not hold.

        Raises:
            OSError: the files cannot be read.
        """
        return await self._in_writer(
            lambda: read_other_journals(self._directory, self._endpoint, {file.path for file in self._files})
        )

    async def _write(self, work: Callable[[], None]) -> None:
        try:
            await self._in_writer(work)
        except OSError as error:
            note(error, f"aios3: the journal in {str(self._directory)!r} could not be written")
            raise

    async def _in_writer(self, work: Callable[[], T]) -> T:
        if os.getpid() != self._process:  # a fork has neither the thread nor the files
            raise ConfigurationError("the journal belongs to another process: make a driver in each process")
        try:
            working = asyncio.get_running_loop().run_in_executor(self._writer, work)
        except RuntimeError:  # the thread has been ended
            raise DriverClosedError("the driver is closed") from None
        return await working


class _Log:
    """Journal record of one upload."""

    def __init__(self, journal: Journal, job: UploadJob) -> None:
        self._journal = journal
        self._job = job
        self._number: int | None = None
        self._upload_id: str | None = None

    async def creating(self) -> None:
        self._number = self._journal.register(self._job)
        await self._journal.announce(self._number)

    async def created(self, upload_id: str) -> None:
        self._upload_id = upload_id
        if self._number is not None:
            await self._journal.name(self._number, upload_id)
            return
        self._number = self._journal.resume(upload_id)
        if self._number is None:
            self._number = self._journal.register(self._job, upload_id)
            await self._journal.announce(self._number)

    def ended(self) -> None:
        if self._number is not None:
            self._journal.end(self._number)

    def left_open(self) -> None:
        if self._number is not None:
            self._journal.leave(self._number, self._upload_id)
