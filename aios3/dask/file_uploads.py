"""Many files that the workers of a cluster upload, each as one object."""

from __future__ import annotations

import inspect
import itertools
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar, Unpack

from distributed import Client

from aios3._concurrency.caller_errors import note
from aios3._concurrency.threads import CallerThread
from aios3.errors import ConfigurationError
from aios3.models import UploadAttributes, UploadReceipt

from ._cluster.batches import BatchUploaded, FailedFile, Pair, upload_batch
from ._cluster.calls import cluster_call, refuse_attributes
from ._cluster.workers import DriverFactory

__all__ = ["FailedFile", "FilesUploaded", "upload_files"]

T = TypeVar("T")

Path = str | os.PathLike[str]
Pairs = Iterable[tuple[Path, str]] | AsyncIterable[tuple[Path, str]]

_BATCHES_PER_THREAD: Final = 2
"""Batches in the cluster for each of its threads: one that runs, and one that waits."""
_CONDITION: Final = "the engine may run a task twice, and the second run would find the object of the first"
_REFUSED: Final = {
    "sse_customer_key": "it would travel with the tasks",
    "if_none_match": _CONDITION,
    "if_match": _CONDITION,
}


@dataclass(frozen=True, slots=True)
class FilesUploaded:
    """What became of many files."""

    files: int
    """Number of files that were uploaded."""
    size: int
    """Bytes of these files."""
    failures: tuple[FailedFile, ...] = ()
    """Files that were not uploaded."""


OnProgress = Callable[[FilesUploaded], Awaitable[None] | None]
OnReceipt = Callable[[UploadReceipt], Awaitable[None] | None]


async def upload_files(
    client: Client,
    driver_factory: DriverFactory,
    pairs: Pairs,
    bucket: str,
    *,
    batch_size: int = 32,
    files_at_once: int = 8,
    max_failures: int = 0,
    retries: int = 0,
    on_progress: OnProgress | None = None,
    on_receipt: OnReceipt | None = None,
    **attributes: Unpack[UploadAttributes],
) -> FilesUploaded:
    """Upload files that the workers of a Dask cluster can read, each to its own key.

    `pairs` is read as the work proceeds: the cluster has two batches for each of its threads. So the memory of the
    caller and the scheduler does not follow the number of files, once Dask's logs of 1,000 events are full.

    Each file is all or nothing, as in `upload_object`. If the call fails or is cancelled, no file is being uploaded
    when it ends, and files that were uploaded stay. A batch of a worker that died is uploaded again as a whole, which
    writes the same bytes to the same keys. In a bucket with versions it may leave a second version.

    Args:
        client: as in `upload_from_workers`.
        driver_factory: as in `upload_from_workers`, but called on the workers only.
        pairs: path on the workers and key of each file; sync or async. A sync one is read in a thread.
        bucket: bucket of all objects.
        batch_size: files of one task. Take 1 for large files, so that all workers have some.
        files_at_once: files of a task that are uploaded at the same time.
        max_failures: files that may fail while the others are uploaded.
        retries: further runs of a batch that raised. A file that failed does not raise.
        on_progress: called here after each batch, with the counts so far.
        on_receipt: called here once with the receipt of each file. With ``None`` no receipts are sent here.
        **attributes: as in `upload_object`, for all files. Conditions and ``sse_customer_key`` are refused.

    Raises:
        StorageError, OSError, TypeError: more than `max_failures` files failed. This is the error of the first, with a
            note that names it.
        distributed.KilledWorker: a batch was lost with too many workers.
        ConfigurationError: an argument cannot be used.
    """
    if min(batch_size, files_at_once) < 1 or max_failures < 0:
        raise ConfigurationError("batch_size and files_at_once are at least 1, and max_failures is at least 0")
    refuse_attributes(attributes, _REFUSED)
    tally = _Tally(max_failures, on_progress, on_receipt)
    options = files_at_once, max_failures, on_receipt is not None, attributes
    async with aclosing(_batches(pairs, batch_size)) as batches, cluster_call(client, driver_factory, retries) as call:

        async def submit_more() -> None:
            most = _BATCHES_PER_THREAD * max(1, await call.threads())
            while call.waiting < most and (found := await anext(batches, None)) is not None:
                index, batch = found
                call.wait_for(call.submit("files", index, upload_batch, call.name, bucket, batch, *options))

        await submit_more()
        async for result in call.results():
            await tally.add(result)
            await submit_more()
    return tally.so_far


async def _batches(pairs: Pairs, size: int) -> AsyncGenerator[tuple[int, list[Pair]]]:
    """Yield numbered batches of `size` pairs; the last one may be smaller."""
    count = itertools.count()
    if isinstance(pairs, AsyncIterable):
        batch: list[Pair] = []
        async with _closed_at_end(aiter(pairs)) as found:
            async for path, key in found:
                batch.append((os.fsdecode(path), key))
                if len(batch) == size:
                    yield next(count), batch
                    batch = []
        if batch:
            yield next(count), batch
        return
    thread, iterator = CallerThread(pairs), iter(pairs)
    try:
        while batch := await thread.call(_next_batch, iterator, size):
            yield next(count), batch
    finally:
        thread.close()


@asynccontextmanager
async def _closed_at_end(iterator: AsyncIterator[T]) -> AsyncGenerator[AsyncIterator[T]]:
    """Close a generator at the end of the block; other iterators have nothing to close."""
    try:
        yield iterator
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()


def _next_batch(pairs: Iterator[tuple[Path, str]], size: int) -> list[Pair]:
    return [(os.fsdecode(path), key) for path, key in itertools.islice(pairs, size)]


class _Tally:
    """Counts what became of the files, and passes it on."""

    def __init__(self, max_failures: int, on_progress: OnProgress | None, on_receipt: OnReceipt | None) -> None:
        self._max_failures = max_failures
        self._on_progress = on_progress
        self._on_receipt = on_receipt
        self.so_far = FilesUploaded(0, 0)

    async def add(self, batch: BatchUploaded) -> None:
        """Count one batch.

        Raises:
            Exception: too many files have failed by now, or a callback raised.
        """
        so_far = self.so_far
        failures = (*so_far.failures, *batch.failures)
        self.so_far = FilesUploaded(so_far.files + batch.files, so_far.size + batch.size, failures)
        for receipt in batch.receipts:
            await _call(self._on_receipt, receipt)
        await _call(self._on_progress, self.so_far)
        if len(failures) > self._max_failures:
            first = failures[0]
            note(first.error, f"aios3: {first.path!r} was not uploaded to {first.key!r}")
            raise first.error


async def _call(callback: Callable[[T], Awaitable[None] | None] | None, value: T) -> None:
    if callback is not None:
        outcome = callback(value)
        if inspect.isawaitable(outcome):
            await outcome
