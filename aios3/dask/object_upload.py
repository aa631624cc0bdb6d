"""One object whose bytes many workers produce and send."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Unpack

from distributed import Client, Future

from aios3._concurrency.caller_errors import async_block, note
from aios3._protocol.parts.part_tracker import PartTracker
from aios3._upload.shared.job import BeforeCommit
from aios3._upload.shared.progress import ProgressCallback, ProgressReporter
from aios3._upload.source.length import SourceLength
from aios3.checkpoints import MultipartUpload
from aios3.driver import S3StorageDriver
from aios3.errors import ConfigurationError, IntegrityError
from aios3.models import UploadAttributes, UploadedPart, UploadReceipt
from aios3.options import TransferConfig, is_byte_count

from ._cluster.calls import ClusterCall, cluster_call, refuse_attributes
from ._cluster.grid import FragmentName, Grid, PiecePlace, SharedPart
from ._cluster.pieces import (
    PartsSent,
    PieceSize,
    Producer,
    fragment_of,
    parts_of,
    produce,
    send_piece,
    send_shared_part,
    size_of,
)
from ._cluster.workers import DriverFactory

__all__ = ["upload_from_workers"]


async def upload_from_workers(
    client: Client,
    driver_factory: DriverFactory,
    bucket: str,
    key: str,
    producers: Iterable[Producer],
    *,
    sizes: Iterable[int] | None = None,
    retries: int = 0,
    on_progress: ProgressCallback | None = None,
    before_commit: BeforeCommit | None = None,
    transfer: TransferConfig | None = None,
    **attributes: Unpack[UploadAttributes],
) -> UploadReceipt:
    """Upload one object whose pieces the workers of a Dask cluster produce and send.

    The object is the pieces in the order of `producers`, and a piece may have any size. Bytes go from the worker that
    has them to the store. Where a part consists of several pieces, one worker fetches the missing bytes from the
    workers that have them. The caller gets sizes and ETags only, and commits once, when all parts are acknowledged.

    If anything fails, or the call is cancelled, the workers stop, the upload is aborted, and nothing is committed. If a
    worker dies, the engine runs its tasks elsewhere. A producer that then gives other bytes than before fails the
    upload, because the object would be a mixture.

    Args:
        client: client of the cluster. For a blocking client, or one of another loop, the call
            makes another client of its scheduler.
        driver_factory: makes a driver in the calling process, and one in each process and loop of a worker. It travels
            to the workers once, by pickle, so it should read the credentials there. Tasks carry none.
        bucket: bucket.
        key: key of the object.
        producers: functions without arguments, each of which returns a source, as in `upload_object_via_stream`, or a
            coroutine that returns one. They travel to the workers, where they may run more than once. A blocking one
            runs in a thread of its own.
        sizes: bytes of each piece. With them a piece streams from its producer to the store. With ``None`` a worker
            keeps a piece until all earlier pieces have ended, so each must fit its memory; and the object can have as
            many bytes as the store's number of parts of ``transfer.part_size``.
        retries: further runs of a task that raised, beside the retries of the driver.
        on_progress: as in `upload_object_via_stream`; called here, after each piece and each shared part.
        before_commit: as in `upload_object_via_stream`; called here; its ``metadata`` is ``None``.
        transfer: as in `create_multipart_upload`. Concurrency and memory of a worker are those of its driver.
        **attributes: see `UploadAttributes`. ``sse_customer_key`` is refused, because it would travel with the tasks.

    Raises:
        SizeMismatchError: a piece has not the size in `sizes`, or a second run of its producer gave another size.
        IntegrityError: a second run of a producer gave other bytes.
        StorageError: the cluster dropped the tasks.
        distributed.KilledWorker: a task was lost with too many workers.
        TypeError, ConfigurationError, StorageError, Exception: as in `upload_object_via_stream`.
    """
    producers, sizes = list(producers), None if sizes is None else list(sizes)
    _check(producers, sizes)
    refuse_attributes(attributes, {"sse_customer_key": "it would travel with the tasks"})
    total = None if sizes is None else sum(sizes)
    async with driver_factory() as driver:
        upload = await driver.create_multipart_upload(bucket, key, size=total, transfer=transfer, **attributes)
        async with _aborting(driver, upload):
            async with cluster_call(client, driver_factory, retries) as call:
                parts = await _Pieces(call, upload, SourceLength(size=total, max_size=None), on_progress).send(
                    producers, sizes
                )
            size = sum(part.size for part in parts)
            return await driver.complete_multipart_upload(upload, size=size, parts=parts, before_commit=before_commit)


def _check(producers: Sequence[object], sizes: Sequence[object] | None) -> None:
    if wrong := [each for each in producers if not callable(each)]:
        raise TypeError(f"a producer is a function without arguments, not {type(wrong[0]).__name__}")
    if sizes is not None and (len(sizes) != len(producers) or not all(map(is_byte_count, sizes))):
        raise ConfigurationError("sizes must have the number of bytes of each producer")


@async_block
async def _aborting(driver: S3StorageDriver, upload: MultipartUpload) -> AsyncGenerator[None]:
    """Abort the upload if the block fails, and note on its error what became of it."""
    try:
        yield
    except BaseException as error:
        place = f"aios3: multipart upload {upload.upload_id} of {upload.bucket}/{upload.key}"
        try:
            await driver.abort_multipart_upload(upload)
        except Exception as trouble:  # noqa: BLE001 - it must not replace the error
            note(error, f"{place} may still be open: {trouble!r}")
        else:
            note(error, f"{place} was aborted")
        raise


class _Pieces:
    """Graph of the tasks for one object, which grows as sizes become known. Only small results come here."""

    def __init__(
        self, call: ClusterCall, upload: MultipartUpload, length: SourceLength, on_progress: ProgressCallback | None
    ) -> None:
        self._call = call
        self._upload = upload
        self._length = length
        self._progress = ProgressReporter(on_progress, length)
        self._grid = Grid(upload.part_size)
        self._tracker = PartTracker()
        self._sizes: dict[int, int] = {}
        """Sizes of pieces that have no place yet, because an earlier one has none."""
        self._contents: dict[int, Future] = {}
        """Pieces that were produced before their places were known."""
        self._fragments: dict[tuple[int, FragmentName], Future] = {}
        """Ends of pieces, whose shared parts are not complete."""
        self._digests: dict[int, set[str]] = {}
        """Digests of each piece, in every result that has bytes of it."""

    async def send(self, producers: Sequence[Producer], sizes: Sequence[int] | None) -> tuple[UploadedPart, ...]:
        """Run the graph, and return all parts of the object, in order.

        Raises:
            Exception: see `upload_from_workers`.
        """
        if sizes is None:
            for index, producer in enumerate(producers):
                self._produce(index, producer)
        else:
            for size, producer in zip(sizes, producers, strict=True):
                self._place(size, producer)
        self._end_if_placed(len(producers))
        async for result in self._call.results():
            if isinstance(result, PieceSize):
                self._place_known(result)
                self._end_if_placed(len(producers))
            else:
                await self._note(result)
        if mixed := [index for index, found in self._digests.items() if len(found) > 1]:
            raise IntegrityError(f"producer {mixed[0]} ran more than once, and gave other bytes than before")
        return self._tracker.uploaded_parts()

    def _produce(self, index: int, producer: Producer) -> None:
        self._contents[index] = self._call.submit("produce", index, produce, self._call.name, producer)
        self._call.wait_for(self._call.submit("size", index, size_of, index, self._contents[index], urgent=True))

    def _place_known(self, found: PieceSize) -> None:
        self._length.count(found.size)
        self._sizes[found.index] = found.size
        while (index := self._grid.count) in self._sizes:
            content = self._contents.pop(index)
            self._place(self._sizes.pop(index), content)
            self._call.release(content)

    def _place(self, size: int, source: Producer | Future) -> None:
        place, completed = self._grid.place(size)
        self._send_piece(place, source)
        if completed is not None:
            self._send_shared(completed)

    def _send_piece(self, place: PiecePlace, source: Producer | Future) -> None:
        call, index = self._call, place.index
        sent = call.submit("send", index, send_piece, call.name, self._upload, place, source, urgent=True)
        names: list[tuple[FragmentName, int]] = [("head", place.head), ("tail", place.tail)]
        for name, size in names:
            if size:
                fragment = call.submit(name, index, fragment_of, sent, name, urgent=True)
                self._fragments[index, name] = fragment
        call.wait_for(call.submit("sent", index, parts_of, sent, urgent=True))
        call.release(sent)

    def _send_shared(self, part: SharedPart) -> None:
        call = self._call
        fragments = [self._fragments.pop(name) for name in part.fragments]
        call.wait_for(
            call.submit(
                "shared", part.number, send_shared_part, call.name, self._upload, part.number, *fragments, urgent=True
            )
        )
        for fragment in fragments:
            call.release(fragment)

    def _end_if_placed(self, count: int) -> None:
        if self._grid.count == count and (last := self._grid.end()) is not None:
            self._send_shared(last)

    async def _note(self, result: PartsSent) -> None:
        for index, digest in result.origins:
            self._digests.setdefault(index, set()).add(digest)
        self._tracker.restore(result.parts)
        self._length.read = max(self._length.read, self._tracker.bytes_stored)
        self._progress.note_stored(self._tracker)
        await self._progress.report()
