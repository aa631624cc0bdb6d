"""Driver methods that list, resume or abort uploads that a dead process or a closed driver left open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Unpack, cast

from aios3._journal.entries import JournalEntry
from aios3._journal.recovery import Leftovers
from aios3._protocol.wire.uri import check_bucket, check_key
from aios3._upload.multipart.resume import holds_parts, usable_parts
from aios3._upload.shared.job import UploadJob
from aios3._upload.source.files import OpenedFile
from aios3.checkpoints import FileIdentity, MultipartUpload, RecoveredUpload, UploadCheckpoint
from aios3.errors import CompletionUnknownError, DriverClosedError, UploadNotFoundError
from aios3.models import UploadAccess, UploadAttributes

from .arguments import make_job
from .base import DriverBase
from .open_uploads import iterate_parts
from .tail_object import TailObject, key_of_tail
from .uploads import identify_file, leftovers_of, send_file

__all__ = ["find_checkpoint", "find_checkpoints", "recover"]


async def find_checkpoints(driver: DriverBase) -> list[UploadCheckpoint]:
    """See `S3StorageDriver.find_checkpoints`."""
    leftovers = leftovers_of(driver, await driver._open())
    found: list[UploadCheckpoint] = []
    for number in await leftovers.claim():
        with leftovers.reserve(number) as entry:
            checkpoint = None if entry is None else await leftovers.checkpoint(number, entry)
        if checkpoint is not None:
            found.append(checkpoint)
    return found


async def find_checkpoint(
    driver: DriverBase, bucket: str, key: str, **access: Unpack[UploadAccess]
) -> UploadCheckpoint | None:
    """See `S3StorageDriver.find_checkpoint`."""
    check_bucket(bucket)
    check_key(key)
    tail = TailObject(driver, bucket, key_of_tail(key), cast("UploadAttributes", access))
    found = await tail.find()
    upload = None if found is None else _upload_of(bucket, key, found.metadata)
    if found is None or upload is None:
        return None
    try:
        stored = [part async for part in iterate_parts(driver, upload, **access)]
    except UploadNotFoundError:  # it has ended, and its process died before it deleted the tail
        await tail.delete()
        return None
    parts = usable_parts(stored, part_size=upload.part_size, checksum=upload.checksum)
    checkpoint = replace(UploadCheckpoint(*upload.place, upload.part_size, parts, upload.checksum, upload.size), tail=0)
    return replace(checkpoint, tail=found.size) if found.start == checkpoint.offset else checkpoint


def _upload_of(bucket: str, key: str, known: Mapping[str, str]) -> MultipartUpload | None:
    """Return the upload that a tail belongs to; ``None`` if that is not the tail of an upload."""
    try:
        size = int(known["size"]) if "size" in known else None
        return MultipartUpload(bucket, key, known["upload-id"], int(known["part-size"]), known.get("checksum"), size)
    except (KeyError, ValueError):
        return None


async def recover(driver: DriverBase, *, resume: bool = False) -> list[RecoveredUpload]:
    """See `S3StorageDriver.recover`."""
    leftovers = leftovers_of(driver, await driver._open())
    recovered = [await _recover(driver, leftovers, number, resume) for number in await leftovers.claim()]
    return [one for one in recovered if one is not None]


async def _recover(driver: DriverBase, leftovers: Leftovers, number: int, resume: bool) -> RecoveredUpload | None:
    with leftovers.reserve(number) as entry:
        if entry is None:
            return None
        if not resume:
            return await leftovers.abort(number, entry)
        try:
            completed = await _complete(driver, leftovers, number, entry)
        except DriverClosedError:  # from this driver, because no code of the caller runs here
            raise
        except Exception as error:  # noqa: BLE001 - credentials may raise anything, and the other uploads must be ended
            return await _abort_instead(driver, leftovers, number, entry, error)
        return completed or await leftovers.abort(number, entry)


async def _abort_instead(
    driver: DriverBase, leftovers: Leftovers, number: int, entry: JournalEntry, trouble: Exception
) -> RecoveredUpload:
    """Abort an upload that could not be completed. If it was resumed, it has aborted itself already."""
    aborted = await leftovers.abort(number, entry)
    if aborted.outcome == "gone" and not isinstance(trouble, CompletionUnknownError | UploadNotFoundError):
        aborted = replace(aborted, outcome="aborted")
    return replace(aborted, error=aborted.error or trouble)


async def _complete(
    driver: DriverBase, leftovers: Leftovers, number: int, entry: JournalEntry
) -> RecoveredUpload | None:
    """Resume an upload whose file has not changed; ``None`` if that is not possible."""
    if entry.file is None or entry.has_customer_key:
        return None
    async with OpenedFile(entry.file.path) as file:
        if await file.thread.call(identify_file, entry.file.path, file.file.fileno()) != entry.file:
            return None
        checkpoint = await leftovers.checkpoint(number, entry)
        if checkpoint is None or not await holds_parts(entry.file.path, checkpoint.parts, checkpoint.checksum):
            return None
        receipt = await send_file(driver, file, _rest_of(driver, entry, entry.file, checkpoint))
    return RecoveredUpload(entry.bucket, entry.key, checkpoint.upload_id, "completed", receipt)


def _rest_of(driver: DriverBase, entry: JournalEntry, file: FileIdentity, checkpoint: UploadCheckpoint) -> UploadJob:
    return make_job(
        driver._provider,
        driver._transfer,
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
