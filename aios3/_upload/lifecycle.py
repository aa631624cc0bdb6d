"""Lifecycle of an upload, around a block that feeds it: begin, commit or abort, and clean up."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from aios3._concurrency.caller_errors import async_block, note
from aios3._concurrency.task_group import PartTasks
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import UploadJob
from aios3.errors import UploadNotFoundError, UploadSuspendedError

from .file_uploader import FileUploader
from .head_uploader import HeadUploader
from .live_uploader import LiveUploader
from .multipart_sink import MultipartSink
from .uploader import Uploader

__all__ = ["create_upload", "run_upload"]


@async_block
async def run_upload(engine: Engine, job: UploadJob) -> AsyncGenerator[Uploader]:
    """Run an upload around a block that feeds it.

    Leaving the block cleanly commits. An exception in the block, a cancellation included, cancels and joins the parts,
    then aborts, then is raised. A part that fails cancels the block, with the same result. Afterwards only the receipt
    of the upload remains; or, if it was suspended, the open upload and its checkpoint.
    """
    async with _surround(engine, job) as upload:
        upload.trace.timeline.read_source(is_reading=True)
        yield upload
        await upload.finish()


async def create_upload(engine: Engine, job: UploadJob) -> str:
    """Create a multipart upload, leave it open, and return its id. A failure or a cancellation aborts it.

    Raises:
        StorageError: the store refused, or no response came.
        OSError: the journal cannot be written.
    """
    async with _surround(engine, job) as upload:
        assert isinstance(upload.sink, MultipartSink)
        return await upload.sink.create()


def _kind_of_uploader(job: UploadJob) -> type[Uploader]:
    if job.head_parts:
        return HeadUploader
    if job.keeps_tail:
        return LiveUploader
    return Uploader if job.file is None or job.plan.is_streamed else FileUploader


@async_block
async def _surround(engine: Engine, job: UploadJob) -> AsyncGenerator[Uploader]:
    """Begin an upload for a block, and end at the store what the block leaves unfinished."""
    upload = _kind_of_uploader(job)(engine, job)
    with upload.trace:
        engine.running.add(upload)
        engine.watch.begin(upload)
        try:
            async with upload.sink.guard, PartTasks() as group:
                upload.tasks.begin(group)
                try:
                    yield upload
                finally:
                    upload.close()
        except UploadSuspendedError as error:
            if error is upload.stopped_by:  # the error of another upload may pass through the block
                error.checkpoint = upload.checkpoint()
            raise
        except UploadNotFoundError as error:
            if engine.provider.aborts_uploads_after is not None and upload.has_met(error):
                note(
                    error, f"aios3: {engine.provider.name} aborts uploads after {engine.provider.aborts_uploads_after}"
                )
            raise
        finally:
            try:
                await upload.settle()
            finally:
                engine.watch.end(upload)
                engine.upload_ended(upload)
                upload.ended.set()
