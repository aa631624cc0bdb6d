"""Driver methods that upload."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Unpack

from aios3._concurrency.caller_errors import async_block, note
from aios3._concurrency.named_files import naming
from aios3._driver.base import DriverBase
from aios3._journal.recovery import Leftovers
from aios3._upload.bytes_upload import BytesUpload, is_whole
from aios3._upload.head_uploader import HeadUploader
from aios3._upload.lifecycle import run_upload
from aios3._upload.live_uploader import LiveUploader
from aios3._upload.multipart.resume import check_checkpoint, holds_parts
from aios3._upload.open_upload import abort_upload
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import BeforeCommit, UploadJob
from aios3._upload.shared.progress import ProgressCallback
from aios3._upload.shared.tail_keeper import TailKeeper
from aios3._upload.source.closing_deadline import ClosingDeadline
from aios3._upload.source.files import FileReader, OpenedFile
from aios3._upload.source.kinds import Source
from aios3._upload.source.readers import SourceReader
from aios3._upload.writer import UploadWriter
from aios3.checkpoints import FileIdentity, MultipartUpload, UploadCheckpoint
from aios3.errors import ConfigurationError, DriverClosedError, SizeMismatchError
from aios3.models import UploadAccess, UploadAttributes, UploadReceipt
from aios3.options import TransferConfig

from .arguments import (
    check_place,
    check_type,
    make_job,
    require_no_tail,
    with_fixed_parts,
    with_head,
    with_tail,
)
from .tail_object import TailObject, key_of_tail

__all__ = [
    "engine_for",
    "identify_file",
    "leftovers_of",
    "open_engine",
    "open_upload",
    "send_file",
    "upload_object",
    "upload_object_via_stream",
]


async def upload_object_via_stream(
    driver: DriverBase,
    source: Source,
    bucket: str,
    key: str,
    *,
    size: int | None = None,
    max_size: int | None = None,
    on_progress: ProgressCallback | None = None,
    transfer: TransferConfig | None = None,
    resume: UploadCheckpoint | None = None,
    before_commit: BeforeCommit | None = None,
    **attributes: Unpack[UploadAttributes],
) -> UploadReceipt:
    """See `S3StorageDriver.upload_object_via_stream`."""

    def describe() -> UploadJob:
        return make_job(
            driver._provider,
            driver._transfer,
            bucket,
            key,
            size=size,
            max_size=max_size,
            on_progress=on_progress,
            transfer=transfer,
            resume=resume,
            attributes=attributes,
            before_commit=before_commit,
            began_at=driver._clock.monotonic(),
        )

    # Bytes have no code of their own that could fail, and nothing to close. So they need no reader.
    if type(source) is bytes and is_whole(source, job := describe()):
        whole = BytesUpload(await engine_for(driver, job), job, source)
        del source  # the traceback of an error that the caller keeps would keep the bytes
        return await whole.run()
    async with SourceReader(
        source, deadline=ClosingDeadline(source, f"{bucket}/{key}", driver._timeouts.cleanup)
    ) as reader:
        job = describe()
        if resume is not None:
            require_no_tail(resume)
        return await _send_all(driver, reader, job, await engine_for(driver, job))


async def upload_object(
    driver: DriverBase,
    path: str | os.PathLike[str],
    bucket: str,
    key: str,
    *,
    on_progress: ProgressCallback | None = None,
    transfer: TransferConfig | None = None,
    resume: bool | UploadCheckpoint = False,
    before_commit: BeforeCommit | None = None,
    **attributes: Unpack[UploadAttributes],
) -> UploadReceipt:
    """See `S3StorageDriver.upload_object`."""
    began_at = driver._clock.monotonic()
    async with OpenedFile(path) as file:
        identity = await file.thread.call(identify_file, path, file.file.fileno())
        describe = functools.partial(
            make_job,
            driver._provider,
            driver._transfer,
            bucket,
            key,
            size=None if identity is None else identity.size,
            max_size=None,
            on_progress=on_progress,
            transfer=transfer,
            attributes=attributes,
            before_commit=before_commit,
            file=identity,
            began_at=began_at,
        )
        async with _beginning(driver, describe(resume=None), resume) as checkpoint:
            return await send_file(driver, file, describe(resume=checkpoint))


async def send_file(driver: DriverBase, opened: OpenedFile, job: UploadJob) -> UploadReceipt:
    if job.resume is not None:
        await opened.thread.call(opened.file.seek, job.resume.offset)
    try:
        async with FileReader(opened) as reader:
            return await _send_all(driver, reader, job, await engine_for(driver, job))
    except SizeMismatchError as error:
        note(error, f"aios3: {str(opened.file.name)!r} changed while it was read")
        raise


async def _send_all(driver: DriverBase, reader: SourceReader, job: UploadJob, engine: Engine) -> UploadReceipt:
    async with run_upload(engine, job) as upload, reader:
        writer = UploadWriter(upload)
        await writer.write_all(reader)
    return writer.receipt


@async_block
async def _beginning(
    driver: DriverBase, job: UploadJob, resume: bool | UploadCheckpoint
) -> AsyncGenerator[UploadCheckpoint | None]:
    """Yield the checkpoint to resume from, if the file still begins with its parts; abort a useless upload before."""
    check_type("resume", resume, bool, UploadCheckpoint)
    if resume is False:
        yield None
    elif resume is True:
        leftovers = leftovers_of(driver, await driver._open())
        found = None
        if job.file is not None:
            found = await leftovers.find_by_file(job.file, job.bucket, job.key, job.headers)
        try:
            yield None if found is None else found[1]
        finally:
            if found is not None:
                leftovers.put_back(found[0])
    else:
        yield await _check_beginning(driver, job, resume)


async def _check_beginning(driver: DriverBase, job: UploadJob, checkpoint: UploadCheckpoint) -> UploadCheckpoint | None:
    check_place(checkpoint, job.bucket, job.key)
    require_no_tail(checkpoint)
    engine, file = await driver._open(), job.file
    await _claim(driver)
    is_alike = file is not None and checkpoint.size in (None, file.size)
    if file is not None and is_alike and await holds_parts(file.path, checkpoint.parts, checkpoint.checksum):
        return checkpoint
    await abort_upload(engine, MultipartUpload.of(checkpoint), job.headers.every)
    return None


async def _claim(driver: DriverBase) -> None:
    """Take over left uploads, so that no other process ends the upload of a checkpoint."""
    if driver._journal is not None:
        await driver._journal.claim()


def leftovers_of(driver: DriverBase, engine: Engine) -> Leftovers:
    if driver._journal is None:
        raise ConfigurationError("the driver has no journal: pass journal=, the directory to keep it in")
    return Leftovers(engine, driver._journal)


async def open_engine(driver: DriverBase, attributes: UploadAttributes | UploadAccess) -> Engine:
    """Return the engine, after a check that it does not send a customer key in the clear."""
    engine = await driver._open()
    if engine.client.endpoint.scheme != "https" and attributes.get("sse_customer_key") is not None:
        raise ConfigurationError("sse_customer_key needs an https endpoint: over http the key could be read")
    return engine


async def engine_for(driver: DriverBase, job: UploadJob) -> Engine:
    """Return the engine, after checks that it can do the job."""
    engine = await (open_engine(driver, job.attributes) if job.attributes else driver._open())
    engine.client.check_bucket(job.bucket)
    if job.resume is not None:
        await _check(driver, engine, job, job.resume)
    return engine


async def _check(driver: DriverBase, engine: Engine, job: UploadJob, checkpoint: UploadCheckpoint) -> None:
    await _claim(driver)
    has_key = job.attributes.get("sse_customer_key") is not None
    await check_checkpoint(engine.client, checkpoint, job.headers.part if has_key else job.headers.every)
    if driver._engine is not engine:
        raise DriverClosedError("the driver is closed")
    if checkpoint.upload_id in engine.known_uploads:
        raise ConfigurationError(f"upload {checkpoint.upload_id} is being resumed already")


@async_block
async def open_upload(
    driver: DriverBase,
    bucket: str,
    key: str,
    *,
    size: int | None = None,
    max_size: int | None = None,
    on_progress: ProgressCallback | None = None,
    transfer: TransferConfig | None = None,
    resume: UploadCheckpoint | None = None,
    before_commit: BeforeCommit | None = None,
    seekable_head: int | None = None,
    durable_every: float | None = None,
    **attributes: Unpack[UploadAttributes],
) -> AsyncGenerator[UploadWriter]:
    """See `S3StorageDriver.open_upload`."""
    if durable_every is not None:
        transfer = with_fixed_parts(driver._transfer if transfer is None else transfer)
    job = make_job(
        driver._provider,
        driver._transfer,
        bucket,
        key,
        size=size,
        max_size=max_size,
        on_progress=on_progress,
        transfer=transfer,
        resume=resume,
        attributes=attributes,
        before_commit=before_commit,
        began_at=driver._clock.monotonic(),
    )
    if seekable_head is not None:
        job = with_head(job, seekable_head, driver._transfer)
    if durable_every is not None:
        job = with_tail(job, durable_every, driver._transfer)
    elif resume is not None:
        require_no_tail(resume)
    engine = await engine_for(driver, job)
    async with run_upload(engine, job) as upload:
        if isinstance(upload, HeadUploader):
            await upload.begin()
        if isinstance(upload, LiveUploader):
            await _keep_tail(driver, engine, upload, job, durable_every or 0)
        yield UploadWriter(upload)
        if isinstance(upload, LiveUploader) and upload.tail_keeper is not None:
            upload.tail_keeper.stop()


async def _keep_tail(driver: DriverBase, engine: Engine, upload: LiveUploader, job: UploadJob, every: float) -> None:
    """Begin to keep the tail of `upload`, after the tail of its checkpoint was taken over."""
    tail = TailObject(driver, job.bucket, key_of_tail(job.key), job.attributes, engine)
    keeper = upload.tail_keeper = TailKeeper(engine, job, upload, tail, every)
    if job.resume is not None and job.resume.tail:
        async with aclosing(tail.read(job.resume.bytes_in_parts, job.resume.tail)) as chunks:
            async for chunk in chunks:
                await upload.add(memoryview(chunk))
    keeper.begin()


def identify_file(path: str | os.PathLike[str], descriptor: int | None = None) -> FileIdentity | None:
    """Return the identity of a file, read through `descriptor` if given; ``None`` if the file has no size (a pipe).

    Raises:
        OSError: the file is missing, or its status may not be read.
    """
    with naming(path):
        status = os.stat(path if descriptor is None else descriptor)
    if not stat.S_ISREG(status.st_mode):
        return None
    return FileIdentity(os.path.abspath(os.fsdecode(path)), status.st_size, status.st_mtime_ns)
