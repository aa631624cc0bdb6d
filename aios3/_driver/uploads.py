"""The driver methods that upload."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import AsyncGenerator
from typing import Unpack

from aios3._concurrency.caller_errors import async_block, note
from aios3._concurrency.named_files import naming
from aios3._driver.base import DriverBase
from aios3._journal.recovery import Leftovers, discard
from aios3._upload.bytes_upload import WholeUpload, is_whole
from aios3._upload.lifecycle import run_upload
from aios3._upload.multipart.resume import check_checkpoint, holds_parts
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import UploadJob
from aios3._upload.shared.progress import ProgressCallback
from aios3._upload.source.closing_deadline import ClosingDeadline
from aios3._upload.source.files import FileReader, OpenedFile
from aios3._upload.source.kinds import Source
from aios3._upload.source.readers import SourceReader
from aios3._upload.writer import UploadWriter
from aios3.checkpoints import FileIdentity, UploadCheckpoint
from aios3.errors import ConfigurationError, DriverClosedError, SizeMismatchError
from aios3.models import UploadAttributes, UploadReceipt
from aios3.options import TransferConfig

from .arguments import check_place, check_type, make_job

__all__ = ["UploadMethods", "identify_file"]


class UploadMethods(DriverBase):
    """What the library is for."""

    async def upload_object_via_stream(
        self,
        source: Source,
        bucket: str,
        key: str,
        *,
        size: int | None = None,
        max_size: int | None = None,
        on_progress: ProgressCallback | None = None,
        transfer: TransferConfig | None = None,
        resume: UploadCheckpoint | None = None,
        **attributes: Unpack[UploadAttributes],
    ) -> UploadReceipt:
        """Upload all that `source` gives, of any length, or nothing.

        A source that ends within the first part becomes one PutObject, a longer one a multipart upload (or a streamed
        PutObject, see ``TransferConfig.mechanism``). It is committed only after the source has ended cleanly and every
        part is acknowledged. However the call ends, when it returns or raises (a cancellation included) the source is
        closed, no task of it runs, and no upload is open.

        What blocks is read in a thread of the source's own. A read that is running when the call ends cannot be
        stopped, and is not waited for; what it gives is dropped. Until it has ended, the same object is refused as a
        source. To try again with it, seek to where the first try began: it stands where that has left it.

        An async source that does not end when it is closed, or when the calling task is cancelled, holds the call for
        ``Timeouts.cleanup`` seconds. Meanwhile the logger ``aios3`` warns of it; then the calling task is cancelled
        once more, to interrupt what the source awaits, and the call ends with its first error. A source that swallows
        that as well cannot be ended. The abort comes after the source, so it may wait as long.

        Args:
            source: an async or sync iterable of bytes-like chunks, bytes-like itself (an ``mmap`` too: all of it), a
                stream reader, anything with an async or sync ``read(n)``, or the body of a web library: a response of
                aiohttp, httpx or requests, a request of aiohttp or Starlette, a part of a form of aiohttp. A chunk's
                buffer may be reused as soon as the next one is asked for. `bytes` of at most one part are sent
                without a copy.
            bucket: the container.
            key: exactly as it is; never normalised.
            size: bytes that the source must have; ``None`` if unknown.
            max_size: bytes that the source may have; ``None`` for no limit but the store's.
            on_progress: called, or awaited, after each part was read and after each was stored. What it raises fails
                the upload and is raised unchanged. An upload without parts is committed before the last call: the error
                then has the note "aios3: the object was committed".
            transfer: instead of the driver's; its ``memory_limit`` cannot lift the driver's.
            resume: go on with this upload, which is still open: `source` gives the bytes from its ``offset`` on, while
                `size` and `max_size` still count all. Its part size and checksum stay; what describes the object was
                said at its beginning, so of the attributes only conditions, payer, owner and customer key count.
            **attributes: see `UploadAttributes`.

        Raises:
            TypeError: an unknown attribute, or not a source; nothing was sent. Or a chunk is not bytes-like.
            ConfigurationError: the call cannot work as it was made, or a read of an earlier call still runs in
                `source`; nothing was sent.
            SizeMismatchError, ObjectTooLargeError, PartLimitError: the source is not as long as it should be.
            ResponseError: the store refused.
            TransportError: the store does not answer.
            CompletionUnknownError: the commit was sent and its outcome could not be found out.
            DriverClosedError: the driver is closed, or was closed meanwhile.
            UploadSuspendedError: the same where the driver has a journal, and the upload was left open.
            UploadNotFoundError, IntegrityError: what `resume` says is not open any more, or has other parts; then
                nothing was asked of the source.
            Exception: whatever the source raises, unchanged.
        """
        async with SourceReader(
            source, deadline=ClosingDeadline(source, f"{bucket}/{key}", self._timeouts.cleanup)
        ) as reader:
            job = make_job(
                self._provider,
                self._transfer,
                bucket,
                key,
                size=size,
                max_size=max_size,
                on_progress=on_progress,
                transfer=transfer,
                resume=resume,
                attributes=attributes,
            )
            engine = await self._engine_for(job)
            if not is_whole(source, job):
                return await self._send_all(reader, job, engine)
            whole = WholeUpload(engine, job, source)
            del source, reader  # an error that the caller keeps would keep the bytes
            return await whole.run()

    async def upload_object(
        self,
        path: str | os.PathLike[str],
        bucket: str,
        key: str,
        *,
        on_progress: ProgressCallback | None = None,
        transfer: TransferConfig | None = None,
        resume: bool | UploadCheckpoint = False,
        **attributes: Unpack[UploadAttributes],
    ) -> UploadReceipt:
        """Upload the file at `path`, read in a thread of its own.

        A file that grows or shrinks meanwhile raises `SizeMismatchError` and nothing is committed; what has no size
        (a pipe) is read to its end. A regular file is read 2.5 MiB at a time, into memory that counts as that of
        parts. A cancellation does not wait for a read that is on its way, nor for a pipe to be opened; the thread
        closes the file afterwards.

        With ``resume=True`` it goes on with the upload of this file to this key that a dead process, or a closed
        driver, left in the journal, if there is one; with a checkpoint it goes on from that. The parts that the store
        holds are compared with the file first, by their checksums or MD5s. If the file has changed since, or anything
        else does not fit, the old upload is aborted and a new one begins.

        Raises:
            OSError: the file cannot be read.
            ConfigurationError: ``resume=True``, and the driver has no journal.
            StorageError: as `upload_object_via_stream`.
        """
        async with OpenedFile(path) as file:
            identity = await file.thread.call(identify_file, path, file.file.fileno())
            describe = functools.partial(
                make_job,
                self._provider,
                self._transfer,
                bucket,
                key,
                size=None if identity is None else identity.size,
                max_size=None,
                on_progress=on_progress,
                transfer=transfer,
                attributes=attributes,
                file=identity,
            )
            async with self._beginning(describe(resume=None), resume) as checkpoint:
                return await self._send_file(file, describe(resume=checkpoint))

    async def _send_file(self, opened: OpenedFile, job: UploadJob) -> UploadReceipt:
        if job.resume is not None:
            await opened.thread.call(opened.file.seek, job.resume.offset)
        try:
            async with FileReader(opened) as reader:
                return await self._send_all(reader, job, await self._engine_for(job))
        except SizeMismatchError as error:
            note(error, f"aios3: {str(opened.file.name)!r} changed while it was read")
            raise

    async def _send_all(self, reader: SourceReader, job: UploadJob, engine: Engine) -> UploadReceipt:
        async with run_upload(engine, job) as upload, reader:
            writer = UploadWriter(upload)
            await writer.write_all(reader)
        return writer.receipt

    @async_block
    async def _beginning(
        self, job: UploadJob, resume: bool | UploadCheckpoint
    ) -> AsyncGenerator[UploadCheckpoint | None]:
        """Give what to go on from, if the job's file still begins with it; what is of no use is aborted before."""
        check_type("resume", resume, bool, UploadCheckpoint)
        if resume is False:
            yield None
        elif resume is True:
            leftovers = self._leftovers(await self._open())
            found = None
            if job.file is not None:
                found = await leftovers.find_by_file(job.file, job.bucket, job.key, job.headers)
            try:
                yield None if found is None else found[1]
            finally:
                if found is not None:
                    leftovers.put_back(found[0])
        else:
            yield await self._check_beginning(job, resume)

    async def _check_beginning(self, job: UploadJob, checkpoint: UploadCheckpoint) -> UploadCheckpoint | None:
        check_place(checkpoint, job.bucket, job.key)
        engine, file = await self._open(), job.file
        await self._claim()
        is_alike = file is not None and checkpoint.size in (None, file.size)
        if file is not None and is_alike and await holds_parts(file.path, checkpoint.parts, checkpoint.checksum):
            return checkpoint
        await discard(engine, self._journal, checkpoint, job.headers.every)
        return None

    async def _claim(self) -> None:
        """See to it that no other process ends what is gone on with from a checkpoint."""
        if self._journal is not None:
            await self._journal.claim()

    def _leftovers(self, engine: Engine) -> Leftovers:
        if self._journal is None:
            raise ConfigurationError("the driver has no journal: pass journal=, the directory to keep it in")
        return Leftovers(engine, self._journal)

    async def _engine_for(self, job: UploadJob) -> Engine:
        """Return the machinery, once it is sure that the job can be done there."""
        engine = await self._open()
        if engine.client.endpoint.scheme != "https" and job.attributes.get("sse_customer_key") is not None:
            raise ConfigurationError("sse_customer_key needs an https endpoint: over http the key could be read")
        if job.resume is not None:
            await self._check(engine, job, job.resume)
        return engine

    async def _check(self, engine: Engine, job: UploadJob, checkpoint: UploadCheckpoint) -> None:
        await self._claim()
        has_key = job.attributes.get("sse_customer_key") is not None
        await check_checkpoint(engine.client, checkpoint, job.headers.part if has_key else job.headers.every)
        if self._engine is not engine:
            raise DriverClosedError("the driver is closed")
        if checkpoint.upload_id in engine.known_uploads:
            raise ConfigurationError(f"upload {checkpoint.upload_id} is being gone on with already")

    @async_block
    async def open_upload(
        self,
        bucket: str,
        key: str,
        *,
        size: int | None = None,
        max_size: int | None = None,
        on_progress: ProgressCallback | None = None,
        transfer: TransferConfig | None = None,
        resume: UploadCheckpoint | None = None,
        **attributes: Unpack[UploadAttributes],
    ) -> AsyncGenerator[UploadWriter]:
        """Open an upload to write to, as an async context manager.

        Leaving the block cleanly commits, and the writer's ``receipt`` is there; leaving it by an exception or a
        cancellation aborts. A part that fails for good cancels the block and its error is raised. Arguments and errors
        are those of `upload_object_via_stream`.
        """
        job = make_job(
            self._provider,
            self._transfer,
            bucket,
            key,
            size=size,
            max_size=max_size,
            on_progress=on_progress,
            transfer=transfer,
            resume=resume,
            attributes=attributes,
        )
        async with run_upload(await self._engine_for(job), job) as upload:
            yield UploadWriter(upload)


def identify_file(path: str | os.PathLike[str], descriptor: int | None = None) -> FileIdentity | None:
    """Return which file this is, looked at by its `descriptor` if it is open; ``None`` for what has no size (a pipe).

    Raises:
        OSError: it is not there, or may not be looked at.
    """
    with naming(path):
        status = os.stat(path if descriptor is None else descriptor)
    if not stat.S_ISREG(status.st_mode):
        return None
    return FileIdentity(os.path.abspath(os.fsdecode(path)), status.st_size, status.st_mtime_ns)
