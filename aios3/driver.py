"""The storage drivers: buckets, keys, and the uploads into them."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Literal, Self, Unpack

import aiofiles
import aiohttp

from aios3._config.settings import load_settings
from aios3._config.tls import make_ssl_context
from aios3._protocol.attributes import read_attributes
from aios3._protocol.operations import (
    CreateBucket,
    DeleteObject,
    GetObject,
    HeadBucket,
    HeadObject,
    ListMultipartUploads,
)
from aios3._protocol.part_plan import check_part_size, plan_parts
from aios3._protocol.uri import check_bucket, check_key
from aios3._transport.aiohttp_transport import AiohttpTransport
from aios3._upload.client import OperationClient
from aios3._upload.clock import Clock
from aios3._upload.engine import Engine
from aios3._upload.job import UploadJob
from aios3._upload.progress import ProgressCallback
from aios3._upload.shielding import finish_despite_cancellation
from aios3._upload.sources import Source, SourceReader
from aios3._upload.uploader import run_upload
from aios3._upload.writer import UploadWriter
from aios3.credentials import Credentials, CredentialsProvider, _Anonymous
from aios3.errors import ConfigurationError, ObjectTooLargeError
from aios3.models import Container, PendingUpload, StorageObject, UploadAttributes, UploadReceipt
from aios3.options import KIB, RetryPolicy, Timeouts, TransferConfig, is_byte_count
from aios3.providers import Provider, find_provider

__all__ = ["AmazonS3StorageDriver", "GoogleStorageDriver", "S3StorageDriver"]

_DOWNLOAD_CHUNK: Final = 256 * KIB


class S3StorageDriver:
    """Streams uploads into one S3-compatible store, and looks after what is around them.

    Making a driver does no I/O and needs no running loop. Use it as an async
    context manager, or call `aclose`. All its uploads share its memory limit,
    its retry budget and its connections. It belongs to the event loop of its
    first call.
    """

    def __init__(
        self,
        provider: Provider | str = "generic",
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        credentials: Credentials | CredentialsProvider | _Anonymous | None = None,
        transfer: TransferConfig = TransferConfig(),  # noqa: B008 - frozen
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        session: aiohttp.ClientSession | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Configure a driver.

        Args:
            provider: the kind of store, by name or as a record of one's own.
            endpoint_url: ``None`` takes AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's, or the provider's own.
            region: to sign for; ``None`` takes AWS_REGION, AWS_DEFAULT_REGION, the profile's, or the provider's.
            credentials: ``None`` looks in the environment and the shared files; `ANONYMOUS` sends unsigned requests.
            transfer: how sources are cut and how much runs at once; uploads may bring their own.
            retry: how often a request is repeated.
            timeouts: how long each phase of a request may stand still.
            session: an aiohttp session to use; it is never closed here.
            ssl_context: for https; ``None`` trusts AWS_CA_BUNDLE or the system's store, loaded off the loop.

        Raises:
            ConfigurationError: an option is out of range, or does not suit the provider.
        """
        self._provider = find_provider(provider)
        check_part_size(self._provider, transfer)
        self._endpoint_url = endpoint_url
        self._region = region
        self._credentials = credentials
        self._transfer = transfer
        self._retry = retry
        self._timeouts = timeouts
        self._session = session
        self._ssl_context = ssl_context
        self._clock = Clock()
        self._opening = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: Engine | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {self._provider.name}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop and abort every upload that still runs, then close what the driver owns.

        Their callers get a `StorageError`. Closing twice is harmless. A cancellation that comes meanwhile is raised
        after everything has been closed.
        """
        self._is_closed = True
        engine, self._engine = self._engine, None
        if engine is None:
            return
        closer = asyncio.current_task()
        finished = await finish_despite_cancellation(
            lambda: engine.stop_uploads(closer), deadline=2 * self._timeouts.cleanup, name="aios3: close the driver"
        )
        await engine.client.transport.aclose()
        if finished.cancellation is not None:
            raise finished.cancellation

    async def _open(self) -> Engine:
        """Return the machinery, made at the first call."""
        loop = asyncio.get_running_loop()
        if self._is_closed:
            raise ConfigurationError("the driver is closed")
        if self._loop not in (None, loop):
            raise ConfigurationError("the driver is in use by another event loop; make one driver per loop")
        self._loop = loop
        if self._engine is None:
            async with self._opening:
                if self._engine is None:
                    await self._start()
        if self._engine is None:
            raise ConfigurationError("the driver was closed while it was opening")
        return self._engine

    async def _start(self) -> None:
        engine = await self._make_engine()
        if self._is_closed:
            await engine.client.transport.aclose()
        else:
            self._engine = engine

    async def _make_engine(self) -> Engine:
        settings = await load_settings(
            self._provider, endpoint_url=self._endpoint_url, region=self._region, credentials=self._credentials
        )
        is_tls = settings.endpoint.scheme == "https"
        context = self._ssl_context
        if is_tls and context is None:
            context = await make_ssl_context(settings.ca_bundle)
        client = OperationClient(
            transport=AiohttpTransport(timeouts=self._timeouts, ssl_context=context, session=self._session),
            endpoint=settings.endpoint,
            region=settings.region,
            credentials=settings.credentials,
            policy=self._retry,
            payload_signing=self._payload_signing(is_tls),
            clock=self._clock,
        )
        return Engine(client, self._provider, self._transfer, self._timeouts)

    def _payload_signing(self, is_tls: bool) -> Literal["sha256", "unsigned"]:
        if self._transfer.payload_signing != "auto":
            return self._transfer.payload_signing
        return "unsigned" if is_tls and not self._provider.signs_payload_over_tls else "sha256"

    # uploads

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

        A source that ends within the first part becomes one PutObject, a longer one a multipart upload. It is
        committed only after the source has ended cleanly and every part is acknowledged. However the call ends, when
        it returns or raises (a cancellation included) the source is closed, no task of it runs, and no upload is open.

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
            async with self.open_upload(
                bucket, key, size=size, max_size=max_size, on_progress=on_progress, transfer=transfer, **attributes
            ) as upload, reader:
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
        async with aiofiles.open(path, "rb") as file:
            status = await asyncio.to_thread(os.fstat, file.fileno())
            size = status.st_size if stat.S_ISREG(status.st_mode) else None
            return await self.upload_object_via_stream(
                file, bucket, key, size=size, on_progress=on_progress, transfer=transfer, **attributes
            )

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
        headers = read_attributes(key, attributes, self._provider)
        for name, value in (("size", size), ("max_size", max_size)):
            if value is not None and not is_byte_count(value):
                raise ConfigurationError(f"{name} must be a number of bytes, not {value!r}")
        if size is not None and max_size is not None and size > max_size:
            raise ObjectTooLargeError(f"the declared size of {size} bytes is more than max_size={max_size}")
        return UploadJob(
            bucket=bucket,
            key=key,
            headers=headers,
            plan=plan_parts(self._provider, transfer, size=size, memory_limit=self._transfer.memory_limit),
            concurrency=transfer.concurrency,
            checksum=self._checksum(transfer),
            size=size,
            max_size=max_size,
            on_progress=on_progress,
        )

    def _checksum(self, transfer: TransferConfig) -> str | None:
        if transfer.checksum is None or transfer.checksum == "auto":
            return None
        if transfer.checksum not in self._provider.checksums:
            raise ConfigurationError(f"{self._provider.name} is not known to take {transfer.checksum} checksums")
        return transfer.checksum

    # containers and objects

    async def create_container(self, bucket: str) -> Container:
        """Create a bucket, in the driver's region where the store keeps regions apart.

        Raises:
            ConflictError: the bucket exists.
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        engine = await self._open()
        region = engine.client.region
        location = region if self._provider.needs_location and region != self._provider.default_region else None
        await engine.client.run(CreateBucket(bucket, location))
        return Container(bucket)

    async def get_container(self, bucket: str) -> Container:
        """Look whether a bucket exists, by one HEAD.

        Raises:
            ContainerNotFoundError: it does not.
            AccessDeniedError: it may exist, but these credentials may not see it.
            StorageError: the store does not answer, or not as S3 does.
        """
        check_bucket(bucket)
        engine = await self._open()
        await engine.client.run(HeadBucket(bucket))
        return Container(bucket)

    async def get_object(self, bucket: str, key: str) -> StorageObject:
        """Look at an object, by one HEAD.

        Raises:
            ObjectNotFoundError: there is none.
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        check_key(key)
        engine = await self._open()
        return await engine.client.run(HeadObject(bucket, key))

    async def download_object_as_stream(
        self,
        bucket: str,
        key: str,
        *,
        chunk_size: int = _DOWNLOAD_CHUNK,
        start: int | None = None,
        end: int | None = None,
    ) -> AsyncIterator[bytes]:
        """Iterate over the bytes of an object, from offset `start` up to but without `end`.

        Holds about `chunk_size` bytes. Close the iterator (``aclose``) when leaving it early.

        Raises:
            ObjectNotFoundError: there is none.
            TransportError: the answer broke off: bytes that were given are right, but they are not all.
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        check_key(key)
        engine = await self._open()
        async with engine.client.open(GetObject(bucket, key, start, end), chunk_size=chunk_size) as answer:
            async for chunk in answer.chunks:
                yield chunk

    async def delete_object(self, bucket: str, key: str) -> None:
        """Delete an object; one that does not exist is no error to S3.

        Raises:
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        check_key(key)
        engine = await self._open()
        await engine.client.run(DeleteObject(bucket, key))

    async def iterate_multipart_uploads(self, bucket: str, *, prefix: str = "") -> AsyncIterator[PendingUpload]:
        """Iterate over the multipart uploads that were begun and neither completed nor aborted.

        Raises:
            ContainerNotFoundError: there is no such bucket.
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        engine = await self._open()
        marker = ("", "")
        while True:
            page = await engine.client.run(ListMultipartUploads(bucket, prefix, *marker))
            for upload in page.uploads:
                yield upload
            following = (page.next_key_marker or "", page.next_upload_id_marker or "")
            if not page.is_truncated or following in (marker, ("", "")):
                return
            marker = following


class AmazonS3StorageDriver(S3StorageDriver):
    """`S3StorageDriver` for Amazon S3."""

    def __init__(self, provider: Provider | str = "aws", **options: object) -> None:
        super().__init__(provider, **options)  # type: ignore[arg-type]


class GoogleStorageDriver(S3StorageDriver):
    """`S3StorageDriver` for Google Cloud Storage, through its XML API with HMAC keys."""

    def __init__(self, provider: Provider | str = "google", **options: object) -> None:
        super().__init__(provider, **options)  # type: ignore[arg-type]
