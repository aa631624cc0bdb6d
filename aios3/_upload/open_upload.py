"""Steps of a multipart upload that no single call owns: add parts, commit, abort."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aios3._client.attempts import FailedAttempts
from aios3._concurrency.caller_errors import note
from aios3._concurrency.shielding import finish_despite_cancellation
from aios3._protocol.parts.part_tracker import PartTracker
from aios3._upload.multipart.abort import Abort, AbortOutcome
from aios3._upload.shared.commit_in_flight import CommitInFlight
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import UploadJob
from aios3._upload.source.readers import SourceReader
from aios3.checkpoints import MultipartUpload
from aios3.errors import IntegrityError
from aios3.models import PartsUploaded, UploadedPart, UploadReceipt

from .lifecycle import run_upload
from .parts_sink import PartsSink
from .upload_requests import UploadRequests
from .writer import UploadWriter

__all__ = ["abort_despite_cancellation", "abort_upload", "check_parts", "complete_upload", "upload_parts"]


async def upload_parts(engine: Engine, job: UploadJob, reader: SourceReader) -> PartsUploaded:
    """Store everything that `reader` gives as parts of the upload of ``job.range``, which stays open.

    After a failure or a cancellation no task of the call remains. Parts that were stored until then stay.

    Raises:
        StorageError: a part failed.
        Exception: what the source raises.
    """
    assert job.range is not None
    with engine.using(job.range.upload.upload_id):
        async with run_upload(engine, job) as upload, reader:
            await UploadWriter(upload).write_all(reader)
    assert isinstance(upload.sink, PartsSink)
    return upload.sink.result


def check_parts(upload: MultipartUpload, parts: Sequence[UploadedPart], size: int | None) -> int:
    """Return the size of the object that `parts` make.

    Raises:
        IntegrityError: a part is missing or not where the grid has it, or the parts do not hold `size` bytes.
    """
    numbers = [part.number for part in parts]
    if numbers != list(range(1, len(parts) + 1)) or not parts:
        missing = sorted(set(range(1, max(numbers, default=1) + 1)) - set(numbers))[:10]
        what = f"parts {missing} are missing" if missing else "parts are missing or listed twice"
        raise IntegrityError(f"{upload.bucket}/{upload.key} cannot be completed: {what}")
    for part in parts:
        is_inner = part.number < len(parts)
        if part.size > upload.part_size or (is_inner and part.size != upload.part_size):
            raise IntegrityError(
                f"{upload.bucket}/{upload.key} cannot be completed: part {part.number} has {part.size} bytes, and the "
                f"parts of this upload have {upload.part_size}"
            )
    total = sum(part.size for part in parts)
    if size is not None and total != size:
        raise IntegrityError(
            f"{upload.bucket}/{upload.key} cannot be completed: its parts hold {total} bytes of {size}"
        )
    return total


async def complete_upload(engine: Engine, job: UploadJob, parts: Sequence[UploadedPart]) -> UploadReceipt:
    """Make the object of the upload of ``job.range`` out of `parts`, which `check_parts` has approved.

    A clear refusal leaves the upload open. So does a cancellation, unless the store has committed by then. An upload
    whose commit got no clear response is aborted, which shows whether it was committed.

    Raises:
        StorageError: see `UploadRequests.complete`.
        BaseException: what ``before_commit`` raises, after the upload was aborted.
    """
    assert job.range is not None
    upload = job.range.upload
    requests = UploadRequests(engine, job, engine.begin_log(job))
    tracker = PartTracker()
    tracker.restore(parts)
    size = tracker.bytes_stored
    with requests.log.upload, engine.using(upload.upload_id) as use:
        guard = _OpenGuard(engine, upload, job.headers.every, requests.log)
        operation = await requests.completion(upload.upload_id, tracker, len(parts), size)
        try:
            await requests.approve(size, tuple(parts))
        except BaseException as error:
            if not _is_cancellation(error):
                await _abort_after(error, guard, upload)
            raise
        commit = CommitInFlight(engine, requests.given_up, upload.upload_id)
        try:
            committed = await commit.send(requests.complete(guard, operation, size))
        except BaseException as error:
            if guard.outcome is not None:
                note(error, f"{_name(upload)}: {guard.outcome.value}")
            raise
        use.is_ended = True
        return requests.receipt(committed, size, tuple(parts), upload.upload_id)


@dataclass(eq=False, slots=True)
class _OpenGuard:
    """Guard for the commit of an upload that stays open if the commit is clearly refused."""

    engine: Engine
    upload: MultipartUpload
    headers: Mapping[str, str]
    log: FailedAttempts
    outcome: AbortOutcome | None = None
    """Outcome of the abort; ``None`` if the upload was not aborted."""

    def completed(self, *, is_completed: bool = True) -> None:
        """Do nothing: the caller notes the end."""

    async def is_open(self, upload_id: str) -> bool | None:
        """Return whether the store still lists the upload; ``None`` if it refuses to list, or does not respond."""
        return await Abort(self.engine.client, self.upload.place, self.headers, self.log).is_open()

    async def abort(self) -> AbortOutcome:
        """Abort the upload and prove that nothing remained."""
        self.outcome = await abort_upload(self.engine, self.upload, self.headers, self.log)
        return self.outcome


def _is_cancellation(error: BaseException) -> bool:
    """Return whether the caller was cancelled; ``before_commit`` can also raise `CancelledError` by itself."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


async def _abort_after(error: BaseException, guard: _OpenGuard, upload: MultipartUpload) -> None:
    """Abort the upload whose commit ``before_commit`` has refused, and note on `error` what became of it."""
    place = _name(upload)
    try:
        outcome = await abort_despite_cancellation(guard.engine, upload, guard.headers)
    except Exception as trouble:  # noqa: BLE001 - it must not replace the error
        note(error, f"{place}: {AbortOutcome.FAILED.value} ({trouble})")
    else:
        note(error, f"{place}: {outcome.value}")


def _name(upload: MultipartUpload) -> str:
    return f"aios3: multipart upload {upload.upload_id} of {upload.bucket}/{upload.key}"


async def abort_despite_cancellation(
    engine: Engine, upload: MultipartUpload, headers: Mapping[str, str]
) -> AbortOutcome:
    """Abort an upload as `abort_upload` does, in a task of its own; a cancellation is raised after that.

    Raises:
        TimeoutError: the store did not respond within the cleanup timeout.
        StorageError: as `abort_upload`.
    """
    finished = await finish_despite_cancellation(
        lambda: abort_upload(engine, upload, headers),
        deadline=engine.timeouts.cleanup,
        name=f"aios3: abort {upload.key!r}",
    )
    if finished.cancellation is not None:
        raise finished.cancellation
    if finished.error is not None:
        raise finished.error
    assert finished.result is not None
    return finished.result


async def abort_upload(
    engine: Engine, upload: MultipartUpload, headers: Mapping[str, str], log: FailedAttempts | None = None
) -> AbortOutcome:
    """Abort an upload that no call owns, and prove that nothing remained.

    Raises:
        StorageError: the store refused, or does not respond.
    """
    abort = Abort(engine.client, upload.place, headers, FailedAttempts() if log is None else log)
    with engine.using(upload.upload_id) as use:
        outcome = await abort.send()
        if not await abort.prove():
            return AbortOutcome.FAILED
        use.is_ended = True
    return outcome
