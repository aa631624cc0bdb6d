"""Upload of a directory, once or for as long as it is watched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from aios3.cli._files.directory import Directory
from aios3.cli._files.equality import differing_jobs
from aios3.cli._files.file_uploads import FileJob, FileUploads
from aios3.cli._shared.exit_codes import ExitCode
from aios3.cli._shared.output import show_message, show_text
from aios3.cli._shared.threads import in_daemon_thread
from aios3.directories import DirectoryWatch, LocalFile
from aios3.driver import S3StorageDriver

__all__ = ["DirectoryUpload"]

_GOES_ON: Final = (ExitCode.DONE, ExitCode.SOURCE, ExitCode.NO_RESPONSE)
"""Results after which a watched directory is tried again: a later attempt may succeed."""


@dataclass(frozen=True, slots=True)
class DirectoryUpload:
    """Upload of the files of a directory that the store does not hold yet."""

    driver: S3StorageDriver
    uploads: FileUploads
    directory: Directory
    part_size: int | None
    """Part size of the uploads; ``None`` for the usual ones."""
    skips_equal: bool

    async def run(self, *, dry_run: bool) -> ExitCode:
        """Upload what is missing or differs.

        Args:
            dry_run: only show what would be uploaded.

        Raises:
            OSError: the directory cannot be read.
            StorageError: the objects cannot be listed.
        """
        files = await in_daemon_thread(self.directory.files)
        jobs = await self._differing(files)
        if len(jobs) < len(files):
            show_message(f"{len(files) - len(jobs)} of {len(files)} files are already stored: same size and MD5")
        if dry_run:
            for job in jobs:
                show_text(f"would put {job.path} to {job.url}")
            return ExitCode.DONE
        return await self.uploads.run(jobs)

    async def watch(self, changes: AsyncIterator[None], settle: float, clock: Callable[[], float]) -> ExitCode:
        """Upload files as they become complete, until `changes` end, or an error that no later attempt can mend.

        Args:
            changes: reasons to look at the directory again.
            settle: seconds without a change after which a file is complete.
            clock: seconds, never going back.

        Raises:
            OSError: the directory cannot be read.
            StorageError: the objects cannot be listed.
        """
        watched = DirectoryWatch(settle)
        files = await in_daemon_thread(self.directory.files)
        differing = {job.url for job in await self._differing(files)}
        for file in files:
            if self.directory.job(file).url not in differing:
                watched.sent(file)
        async for _ in changes:
            watched.see(await in_daemon_thread(self.directory.files), clock())
            code = await self._send_ready(watched, clock)
            if code not in _GOES_ON:
                return code
        return ExitCode.DONE

    async def _send_ready(self, watched: DirectoryWatch, clock: Callable[[], float]) -> ExitCode:
        segments = watched.segments(clock())
        code = await self._send(watched, [(file, self.directory.job(file)) for file in segments])
        while code is ExitCode.DONE:
            playlists = await in_daemon_thread(lambda: list(self._complete_playlists(watched, clock())))
            if not playlists:
                break
            code = await self._send(watched, playlists)
        return code

    async def _send(self, watched: DirectoryWatch, files: Iterable[tuple[LocalFile, FileJob]]) -> ExitCode:
        by_job = {job: file for file, job in files}
        code = await self.uploads.run(list(by_job))
        for job in self.uploads.stored:
            watched.sent(by_job[job])
        return code

    def _complete_playlists(self, watched: DirectoryWatch, now: float) -> Iterable[tuple[LocalFile, FileJob]]:
        for file, body in watched.complete_playlists(self.directory.path, self.directory.files, now):
            yield file, replace(self.directory.job(file), body=body)

    async def _differing(self, files: Iterable[LocalFile]) -> list[FileJob]:
        jobs = {self.directory.job(file): file.size for file in files}
        if not self.skips_equal:
            return list(jobs)
        url = self.directory.url
        prefix = url.below("x").key.removesuffix("x")
        return await differing_jobs(self.driver, jobs, url.bucket, prefix, self.part_size)
