"""Uploads of many files: some at once, each whole or not at all, with one exit code for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aios3.cli._shared.exit_codes import ExitCode, UnusableSourceError, most_important
from aios3.cli._shared.output import show_receipt
from aios3.cli._shared.progress import ProgressDisplay
from aios3.cli._shared.session import report
from aios3.cli._shared.targets import S3Url
from aios3.driver import S3StorageDriver
from aios3.errors import DriverClosedError, PreconditionFailedError, UploadSuspendedError
from aios3.models import CommitRequest, UploadAttributes

__all__ = ["FileJob", "FileOptions", "FileUploads"]


@dataclass(frozen=True, slots=True)
class FileJob:
    """File, and the object that it becomes."""

    path: str
    url: S3Url
    body: bytes | None = None
    """Bytes to upload instead of those that the file holds by then; ``None`` reads the file."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What all files of one command have in common."""

    attributes: UploadAttributes
    before_commit: Callable[[CommitRequest], None]
    as_json: bool
    resumes: bool
    """Whether an upload of the same file that a journal lists is resumed."""
    at_once: int
    """Files that are uploaded at once."""


class FileUploads:
    """Uploads of files on one driver.

    A file that cannot be read, and a condition that does not hold, concern one file: the others are uploaded. After
    any other failure no further file begins.
    """

    def __init__(self, driver: S3StorageDriver, display: ProgressDisplay, options: FileOptions) -> None:
        self._driver = driver
        self._display = display
        self._options = options
        self.stored: list[FileJob] = []
        """Files of the last run that were committed."""
        self._codes: set[ExitCode] = set()
        self._stops = False
        self._closed: DriverClosedError | None = None

    async def run(self, jobs: Sequence[FileJob]) -> ExitCode:
        """Upload files, show a receipt or an error for each, and return the exit code of all.

        Raises:
            DriverClosedError: the driver was closed, and no upload was left open.
        """
        self._codes.clear()
        self.stored.clear()
        self._stops = False
        queue = iter(jobs)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._options.at_once, len(jobs))):
                group.create_task(self._work(queue))
        if self._closed is not None and ExitCode.LEFT_OPEN not in self._codes:
            raise self._closed
        return most_important(self._codes)

    async def _work(self, queue: Iterator[FileJob]) -> None:
        for job in queue:
            await self._upload(job)
            if self._stops:
                return

    async def _upload(self, job: FileJob) -> None:
        try:
            await self._send(job)
        except DriverClosedError as error:
            self._stops, self._closed = True, error
            if isinstance(error, UploadSuspendedError) and error.checkpoint is not None:
                self._codes.add(self._report(error, job))
        except Exception as error:  # noqa: BLE001 - a defect is raised again
            code = self._report(error, job)
            self._codes.add(code)
            self._stops = self._stops or not (code is ExitCode.SOURCE or isinstance(error, PreconditionFailedError))

    async def _send(self, job: FileJob) -> None:
        _check_name(job)
        options, place = self._options, (job.url.bucket, job.url.key)
        with self._display.following(str(job.url)) as on_progress:
            common: Any = {"on_progress": on_progress, "before_commit": options.before_commit, **options.attributes}
            if job.body is None:
                receipt = await self._driver.upload_object(job.path, *place, resume=options.resumes, **common)
            else:
                receipt = await self._driver.upload_object_via_stream(job.body, *place, **common)
        self.stored.append(job)
        with self._display.writing():
            show_receipt(receipt, as_json=options.as_json)

    def _report(self, error: Exception, job: FileJob) -> ExitCode:
        with self._display.writing():
            return report(error, "" if getattr(error, "filename", None) == job.path else job.path)


def _check_name(job: FileJob) -> None:
    """Refuse a file whose name is no text, because a key is text: the other files do not suffer.

    Raises:
        UnusableSourceError: the name has bytes that are not UTF-8.
    """
    try:
        job.url.key.encode()
    except UnicodeEncodeError:
        raise UnusableSourceError("a name that is not UTF-8 cannot be a key") from None
