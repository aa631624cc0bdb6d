"""Task of the workers for many files: upload one batch of them, several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from aios3.driver import S3StorageDriver
from aios3.errors import StorageError
from aios3.models import UploadAttributes, UploadReceipt

from .workers import run_in_call

__all__ = ["BatchUploaded", "FailedFile", "Pair", "upload_batch"]

Pair = tuple[str, str]
"""Path of a file on the workers, and the key of its object."""


@dataclass(frozen=True, slots=True)
class FailedFile:
    """File that was not uploaded."""

    path: str
    key: str
    error: Exception
    """Reason; a `StorageError` with its text if another library raised it."""


@dataclass(slots=True)
class BatchUploaded:
    """What became of one batch."""

    files: int
    """Number of files that were uploaded."""
    size: int
    """Bytes of these files."""
    receipts: list[UploadReceipt]
    """Their receipts; empty if the caller wants none."""
    failures: list[FailedFile]


async def upload_batch(
    call: str,
    bucket: str,
    pairs: list[Pair],
    at_once: int,
    most_failures: int,
    wants_receipts: bool,
    attributes: UploadAttributes,
) -> BatchUploaded:
    """Upload the files of a batch, at most `at_once` at a time, until more than `most_failures` have failed.

    Raises:
        DriverClosedError: the call has ended.
    """
    batch = BatchUploaded(0, 0, [], [])

    async def work(driver: S3StorageDriver) -> BatchUploaded:
        waiting = iter(pairs)
        async with asyncio.TaskGroup() as lanes:
            for _ in range(min(at_once, len(pairs))):
                lanes.create_task(_upload_each(driver, waiting))
        return batch

    async def _upload_each(driver: S3StorageDriver, waiting: Iterator[Pair]) -> None:
        for path, key in waiting:
            if len(batch.failures) > most_failures:
                return
            try:
                receipt = await driver.upload_object(path, bucket, key, **attributes)
            except Exception as error:  # noqa: BLE001 - the caller gets it with the file's name
                batch.failures.append(FailedFile(path, key, _picklable(error)))
            else:
                batch.files += 1
                batch.size += receipt.size
                if wants_receipts:
                    batch.receipts.append(receipt)

    return await run_in_call(call, work)


def _picklable(error: Exception) -> Exception:
    return error if isinstance(error, StorageError | OSError | TypeError) else StorageError(f"{error!r}")
