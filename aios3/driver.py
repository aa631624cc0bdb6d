"""The storage drivers: buckets, keys, and the uploads into them."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Unpack

import aiofiles

from aios3._driver.checks import check_callable, check_type
from aios3._driver.containers import ContainerMethods
from aios3._driver.downloads import DownloadMethods
from aios3._driver.housekeeping import HousekeepingMethods
from aios3._driver.objects import ObjectMethods
from aios3._driver.urls import UrlMethods
from aios3._protocol.attributes import read_attributes
from aios3._protocol.checksums import is_fast
from aios3._protocol.stream_plan import plan_upload
from aios3._protocol.uri import check_bucket, check_key
from aios3._upload.integrity import ObjectChecksum
from aios3._upload.job import UploadJob
from aios3._upload.progress import ProgressCallback
from aios3._upload.session import run_upload
from aios3._upload.sources import Source, SourceReader
from aios3._upload.writer import UploadWriter
from aios3.errors import ConfigurationError, ObjectTooLargeError, SizeMismatchError
from aios3.models import UploadAttributes, UploadReceipt
from aios3.options import TransferConfig, is_byte_count

__all__ = ["AmazonS3StorageDriver", "GoogleStorageDriver", "S3StorageDriver"]


class S3StorageDriver(ContainerMethods, ObjectMethods, DownloadMethods, UrlMethods, HousekeepingMethods):
    """Streams uploads into one S3-compatible store, and looks after what is around them.

    Making a driver does no I/O and needs no running loop. Use it as an async
    context manager, or call `aclose`. All its uploads share its memory limit,
    its retry budget and its connections. It belongs to the event loop of its
    first call.
    """

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
        **attributes: Unpack[UploadAttributes],
    ) -> UploadReceipt:
        """Upload all that `source` gives, of any length, or nothing.

        A source that ends within the first part becomes one PutObject, a longer one a multipart upload (or a streamed
        PutObject, see ``TransferConfig.mechanism``). It is committed only after the source has ended cleanly and every
        part is acknowledged. However the call ends, when it returns or raises (a cancellation included) the source is
        closed, no task of it runs, and no upload is open.

        Args:
            source: an async or sync iterable of bytes-like chunks, bytes-like itself, a stream reader, or anything
                with an async or sync ``read(n)``. Sync reads run in a thread. A chunk's buffer may be reused as soon
                as the next one is asked for.
            bucket: the container.
            key: exactly as it is; never normalised.
            size: bytes that the source must have; ``None`` if unknown.
            max_size: bytes that the source may have; ``None`` for no limit but the store's.
            on_progress: called, or awaited, after each part was read and after each was stored.
            transfer: instead of the driver's; its ``memory_limit`` cannot lift the driver's.
            **attributes: see `UploadAttributes`.

        Raises:
            TypeError: an unknown attribute, or not a source; nothing was sent.
            ConfigurationError: the call cannot work as it was made; nothing was sent.
            SizeMismatchError, ObjectTooLargeError, PartLimitError: the source is not as long as it should be.
            ResponseError: the store refused.
            TransportError: the store does not answer.
            CompletionUnknownError: the commit was sent and its outcome could not be found out.
            Exception: whatever the source raises, unchanged.
        """
        async with SourceReader(source) as reader:
            async with (
                self.open_upload(
                    bucket, key, size=size, max_size=max_size, on_progress=on_progress, transfer=transfer, **attributes
                ) as upload,
                reader,
            ):
                await upload.write_all(reader)
            return upload.receipt

    async def upload_object(
        self,
        path: str | os.PathLike[str],
        bucket: str,
        key: str,
        *,
        on_progress: ProgressCallback | None = None,
        transfer: TransferConfig | None = None,
        **attributes: Unpack[UploadAttributes],
    ) -> UploadReceipt:
        """Upload the file at `path`, read in a thread.

        A file that grows or shrinks meanwhile raises `SizeMismatchError` and nothing is committed; what has no size
        (a pipe) is read to its end.

        Raises:
            OSError: the file cannot be read.
            StorageError: as `upload_object_via_stream`.
        """
        # Unbuffered: a buffered file cannot be closed while a read of a pipe is waiting in its thread.
        async with aiofiles.open(path, "rb", buffering=0) as file:
            status = await asyncio.to_thread(os.fstat, file.fileno())
            size = status.st_size if stat.S_ISREG(status.st_mode) else None
            try:
                return await self.upload_object_via_stream(
                    file, bucket, key, size=size, on_progress=on_progress, transfer=transfer, **attributes
                )
            except SizeMismatchError as error:
                error.add_note(f"aios3: {os.fspath(path)!r} changed while it was read")
                raise

    @asynccontextmanager
    async def open_upload(
        self,
        bucket: str,
        key: str,
        *,
        size: int | None = None,
        max_size: int | None = None,
        on_progress: ProgressCallback | None = None,
        transfer: TransferConfig | None = None,
        **attributes: Unpack[UploadAttributes],
    ) -> AsyncGenerator[UploadWriter]:
        """Open an upload to write to, as an async context manager.

        Leaving the block cleanly commits, and the writer's ``receipt`` is there; leaving it by an exception or a
        cancellation aborts. A part that fails for good cancels the block and its error is raised. Arguments and errors
        are those of `upload_object_via_stream`.
        """
        job = self._make_job(bucket, key, size, max_size, on_progress, transfer, attributes)
        engine = await self._open()
        if engine.client.endpoint.scheme != "https" and attributes.get("sse_customer_key") is not None:
            raise ConfigurationError("sse_customer_key needs an https endpoint: over http the key could be read")
        async with run_upload(engine, job) as upload:
            yield UploadWriter(upload)

    def _make_job(
        self,
        bucket: str,
        key: str,
        size: int | None,
        max_size: int | None,
        on_progress: ProgressCallback | None,
        transfer: TransferConfig | None,
        attributes: UploadAttributes,
    ) -> UploadJob:
        check_bucket(bucket)
        check_key(key)
        transfer = self._transfer if transfer is None else transfer
        check_type("transfer", transfer, TransferConfig)
        check_callable("on_progress", on_progress)
        headers = read_attributes(key, attributes, self._provider)
        for name, value in (("size", size), ("max_size", max_size)):
            if value is not None and not is_byte_count(value):
                raise ConfigurationError(f"{name} must be a number of bytes, not {value!r}")
        if size is not None and max_size is not None and size > max_size:
            raise ObjectTooLargeError(f"the declared size of {size} bytes is more than max_size={max_size}")
        largest = self._provider.max_object_size
        if size is not None and largest is not None and size > largest:
            raise ObjectTooLargeError(f"{self._provider.name} takes objects of {largest} bytes at most, not of {size}")
        return UploadJob(
            bucket=bucket,
            key=key,
            headers=headers,
            plan=plan_upload(self._provider, transfer, self._transfer, size=size),
            concurrency=self._concurrency(transfer),
            checksum=self._checksum(transfer),
            size=size,
            max_size=max_size,
            on_progress=on_progress,
        )

    def _concurrency(self, transfer: TransferConfig) -> int:
        """Return how many parts may be in flight: no more than the store can hold that come before their turn."""
        buffer = self._provider.reorder_buffer
        return (
            transfer.concurrency if buffer is None else max(1, min(transfer.concurrency, buffer // transfer.part_size))
        )

    def _checksum(self, transfer: TransferConfig) -> ObjectChecksum | None:
        algorithm: str | None = transfer.checksum
        if algorithm == "auto":
            algorithm = self._provider.default_checksum
            if algorithm is not None and not is_fast(algorithm):
                return None
        if algorithm is None:
            return None
        if algorithm not in self._provider.checksums:
            raise ConfigurationError(f"{self._provider.name} is not known to take {algorithm} checksums")
        return ObjectChecksum(algorithm, is_full_object=algorithm in self._provider.full_object_checksums)


class AmazonS3StorageDriver(S3StorageDriver):
    """`S3StorageDriver` for Amazon S3."""

    default_provider = "aws"


class GoogleStorageDriver(S3StorageDriver):
    """`S3StorageDriver` for Google Cloud Storage, through its XML API with HMAC keys."""

    default_provider = "google"
