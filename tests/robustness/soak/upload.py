"""One upload: its run by a plan, and a check of the content of its key."""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aios3 import (
    CompletionUnknownError,
    ConfigurationError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    ResponseError,
    S3StorageDriver,
    SizeMismatchError,
    StorageError,
    UploadReceipt,
)

from .plan import PART, Plan
from .sources import OLD, Source, SourceError, digest_of, slice_of, source_file

__all__ = ["BUCKET", "Outcome", "run_and_judge"]

BUCKET: Final = "soak"
_PATIENCE: Final = 120.0
"""Seconds after which an upload must have ended by itself."""
_SETTLING: Final = 1.0
"""Seconds after which a store has ended writing an object in place."""
_ENDS: Final = 64
Holds = Literal["nothing", "old", "new", "something else"]


@dataclass
class Outcome:
    """Outcome of one upload."""

    plan: Plan
    receipt: UploadReceipt | None = None
    error: BaseException | None = None
    seconds_to_end: float = 0.0
    """Seconds between the request to end and the end."""
    problems: list[str] = field(default_factory=list)

    @property
    def word(self) -> str:
        """Name of the outcome in the table."""
        if isinstance(self.error, ResponseError):
            return f"{type(self.error).__name__} {self.error.status} {self.error.code}"
        return "committed" if self.error is None else type(self.error).__name__

    @property
    def notes(self) -> str:
        """Notes of the error about the upload's end."""
        return "\n".join(getattr(self.error, "__notes__", ()))

    @property
    def may_be_committed(self) -> bool:
        """Whether the bytes may be committed although the call raised."""
        if self.plan.must_fail:
            return False
        if isinstance(self.error, CompletionUnknownError) or not isinstance(self.error, StorageError):
            return True  # for example a cancellation, which may come together with the response
        return self.plan.size <= PART or "closed" in str(self.error)


async def run_and_judge(plan: Plan, driver: S3StorageDriver, control: S3StorageDriver) -> Outcome:
    """Run one upload through `driver`, and check its leftovers through `control`, which meets no fault."""
    if plan.has_old:
        await control.upload_object_via_stream(OLD, BUCKET, plan.key)
    outcome, source = Outcome(plan), Source(plan)
    await _run(outcome, asyncio.create_task(_upload(plan, source, driver), name=f"soak: upload {plan.number}"))
    outcome.problems += [f"{plan}: {problem}" for problem in await _judge(outcome, source, control)]
    await control.delete_object(BUCKET, plan.key)
    return outcome


async def _run(outcome: Outcome, task: asyncio.Task[UploadReceipt]) -> None:
    plan = outcome.plan
    if plan.ending in ("cancel", "cancel_twice"):
        await asyncio.wait({task}, timeout=plan.moment)
        told_at = time.monotonic()
        for _ in range(1 if plan.ending == "cancel" else 2):
            task.cancel()
            await asyncio.wait({task}, timeout=0.05)
        await asyncio.wait({task}, timeout=_PATIENCE)
        outcome.seconds_to_end = time.monotonic() - told_at
    else:
        await asyncio.wait({task}, timeout=_PATIENCE)
    if not task.done():
        outcome.problems.append(f"{plan}: it has not ended after {_PATIENCE:g} s")
        task.cancel()
        await asyncio.wait({task}, timeout=_PATIENCE)
    if task.cancelled():
        outcome.error = asyncio.CancelledError()
    elif task.done():
        outcome.error = task.exception()
        outcome.receipt = None if outcome.error else task.result()


async def _upload(plan: Plan, source: Source, driver: S3StorageDriver) -> UploadReceipt:
    async with asyncio.timeout(plan.moment if plan.ending == "timeout" else None):
        if plan.kind == "file":
            with source_file(plan) as path:
                return await driver.upload_object(path, BUCKET, plan.key)
        if plan.kind == "writer":
            return await _write(plan, source, driver)
        return await driver.upload_object_via_stream(source.make(), BUCKET, plan.key, **_lengths(plan))


async def _write(plan: Plan, source: Source, driver: S3StorageDriver) -> UploadReceipt:
    async with driver.open_upload(BUCKET, plan.key, **_lengths(plan)) as upload, aclosing(source.generate()) as chunks:
        async for chunk in chunks:
            await upload.write(chunk)
    return upload.receipt


def _lengths(plan: Plan) -> dict[str, Any]:
    match plan.ending:
        case "too_short":
            return {"size": plan.size + 1}
        case "too_long":
            return {"size": max(0, plan.size - 1)}
        case "max_size":
            return {"max_size": max(0, plan.size - 1)}
        case _:
            return {"size": plan.size} if plan.is_declared else {}


async def _judge(outcome: Outcome, source: Source, control: S3StorageDriver) -> list[str]:
    plan, error, problems = outcome.plan, outcome.error, []
    holds, etag = await _look(plan, control)
    if holds == "something else":
        await asyncio.sleep(_SETTLING)
        holds, etag = await _look(plan, control)
    if outcome.receipt is not None:
        if holds != "new" or plan.must_fail:
            problems.append(f"it returned, but the key holds {holds}")
        if (outcome.receipt.size, outcome.receipt.etag) != (plan.size, etag):
            problems.append(f"the receipt says {outcome.receipt}, the store {etag}")
    elif holds == "something else":
        problems.append(f"the key holds neither the old nor the new bytes after {error!r}")
    elif holds == "new" and not outcome.may_be_committed:
        problems.append(f"it raised {error!r}, but was committed")
    elif holds == ("nothing" if plan.has_old else "old"):
        problems.append("what the key held before is gone")
    if not _is_expected(plan, error):
        problems.append(f"it raised {error!r}")
    if source.must_be_closed:
        problems.append("the source was not closed")
    return problems


def _is_expected(plan: Plan, error: BaseException | None) -> bool:
    """Return whether the plan, a fault or a closed driver explains the error."""
    if isinstance(error, SizeMismatchError | ObjectTooLargeError | SourceError):
        return plan.must_fail
    if isinstance(error, asyncio.CancelledError):
        return plan.ending in ("cancel", "cancel_twice")
    if isinstance(error, TimeoutError) and not isinstance(error, StorageError):
        return plan.ending == "timeout"
    if isinstance(error, ConfigurationError):
        return "closed" in str(error)
    return error is None or isinstance(error, StorageError)


async def _look(plan: Plan, control: S3StorageDriver) -> tuple[Holds, str]:
    try:
        found = await control.get_object(BUCKET, plan.key)
    except ObjectNotFoundError:
        return "nothing", ""
    if found.size == len(OLD) and await _read(plan, control, 0, found.size) == OLD:
        return "old", found.etag
    is_new = found.size == plan.size and await (_is_whole if plan.is_read_back else _has_ends)(plan, control)
    return "new" if is_new else "something else", found.etag


async def _is_whole(plan: Plan, control: S3StorageDriver) -> bool:
    digest = hashlib.sha256()
    async with aclosing(control.download_object_as_stream(BUCKET, plan.key)) as chunks:
        async for chunk in chunks:
            digest.update(chunk)
    return digest.hexdigest() == digest_of(plan)


async def _has_ends(plan: Plan, control: S3StorageDriver) -> bool:
    spans = {(0, min(_ENDS, plan.size)), (max(0, plan.size - _ENDS), plan.size)}
    return all(
        [await _read(plan, control, start, end) == slice_of(plan, start, end) for start, end in spans if end > start]
    )


async def _read(plan: Plan, control: S3StorageDriver, start: int, end: int) -> bytes:
    async with aclosing(control.download_object_as_stream(BUCKET, plan.key, start=start, end=end)) as chunks:
        return b"".join([chunk async for chunk in chunks])
