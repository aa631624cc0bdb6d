"""The storage drivers: every method that users call, with its promises."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from types import TracebackType
from typing import Self, Unpack

import aiohttp

from aios3._driver import containers, downloads, multipart_uploads, recovery, uploads, urls
from aios3._driver.base import DEFAULT_TRANSFER, DriverBase
from aios3._driver.downloads import CHUNK_SIZE
from aios3._driver.opened_object import OpenedObject
from aios3._upload.shared.progress import ProgressCallback
from aios3._upload.source.kinds import Source
from aios3._upload.writer import UploadWriter
from aios3.checkpoints import RecoveredUpload, UploadCheckpoint
from aios3.credentials import Anonymous, Credentials, CredentialsProvider
from aios3.models import Container, PendingUpload, ResponseOverrides, StorageObject, UploadAttributes, UploadReceipt
from aios3.options import RetryPolicy, Timeouts, TransferConfig
from aios3.providers import Provider

__all__ = ["AmazonS3StorageDriver", "GoogleStorageDriver", "S3StorageDriver"]


class S3StorageDriver(DriverBase):
    """Streams uploads into one S3-compatible store, and looks after what is around them.

    Making a driver does no I/O and needs no running loop. Use it as an async
    context manager, or call `aclose`. All its uploads share its memory limit,
    its retry budget and its connections. It belongs to the event loop and the
    process of its first call: a process that is forked later needs one of its own.
    """

    def __init__(
        self,
        provider: Provider | str | None = None,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        credentials: Credentials | CredentialsProvider | Anonymous | None = None,
        transfer: TransferConfig = DEFAULT_TRANSFER,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        session: aiohttp.ClientSession | None = None,
        ssl_context: ssl.SSLContext | None = None,
        use_dualstack: bool | None = None,
        use_fips: bool | None = None,
        use_accelerate: bool | None = None,
        journal: str | os.PathLike[str] | None = None,
    ) -> None:
        """Configure a driver.

        Args:
            provider: the kind of store, by name or as a record of one's own; ``None`` takes `default_provider`.
            endpoint_url: ``None`` takes AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's, or the provider's own.
            region: to sign for; ``None`` takes that of `endpoint_url` if it is one of the provider's hosts, else
                AWS_REGION, AWS_DEFAULT_REGION, the profile's, or the provider's. Beside an `endpoint_url` of another
                region it is what is signed for, and the host stays as given.
            credentials: ``None`` looks where the SDKs of AWS look, from the environment to the metadata service;
                `ANONYMOUS` sends unsigned requests.
            transfer: how sources are cut and how much runs at once; uploads may bring their own. The default takes the
                part size that the provider recommends, if it does.
            retry: how often a request is repeated.
            timeouts: how long each phase of a request may stand still.
            session: an aiohttp session to use; it is never closed here. ``None`` makes one that ignores the proxies of
                the environment: to use them pass ``aiohttp.ClientSession(trust_env=True)``. Requests for credentials
                never go through a session of yours.
            ssl_context: for https; ``None`` trusts AWS_CA_BUNDLE or the system's store, loaded off the loop.
            use_dualstack: reach the provider over IPv6 too. ``None`` takes AWS_USE_DUALSTACK_ENDPOINT, or the profile's
                ``use_dualstack_endpoint``.
            use_fips: reach it, and STS for the credentials of roles, at hosts that keep FIPS 140. ``None`` takes
                AWS_USE_FIPS_ENDPOINT, or the profile's ``use_fips_endpoint``.
            use_accelerate: reach buckets, which must have it enabled and no dots in their names, through transfer
                acceleration. They are made, deleted and listed at the region's host. ``None`` takes the profile's
                ``use_accelerate_endpoint`` below ``s3``.
            journal: a directory for the journals of all processes that share it, made if it is missing: what they have
                begun and not ended is written down there, so that `recover` can end it, or go on with it, after a
                crash. It is local, private to this user, and holds no secret. A multipart upload costs two waits for
                the disk. With it, uploads that are still running when the driver is closed are left open, to go on
                later (`UploadSuspendedError`), but for those with ``TransferConfig(suspendable=False)``. A forked
                process lets go of it. ``None`` keeps none.

        Among the table's providers `aws` has these three. Variables and profiles mean AWS: they are passed over for a
        provider without such hosts, and where the endpoint is configured, by whatever means. What is asked of the
        driver itself is never passed over, but an error there.

        Raises:
            ConfigurationError: an option is out of range, or does not suit the provider.
            TypeError: an option is of the wrong type.
        """
        super().__init__(
            provider,
            endpoint_url=endpoint_url,
            region=region,
            credentials=credentials,
            transfer=transfer,
            retry=retry,
            timeouts=timeouts,
            session=session,
            ssl_context=ssl_context,
            use_dualstack=use_dualstack,
            use_fips=use_fips,
            use_accelerate=use_accelerate,
            journal=journal,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self, *, grace: float = 0.0) -> None:
        """Stop and abort every upload that still runs, then close what the driver owns.

        Their callers get a `DriverClosedError`, and so does every other call that is cut off, or comes later. With a
        journal, multipart uploads that are suspendable (``TransferConfig.suspendable``) are left open instead, and
        their callers get an `UploadSuspendedError` with the checkpoint to go on from. A commit that is on its way gets
        five seconds; then its caller gets a `CompletionUnknownError`. Closing twice is harmless. A cancellation that
        comes meanwhile ends the grace, and is raised after everything has been closed.

        Args:
            grace: seconds in which running uploads may end by themselves; new ones are refused at once.

        Raises:
            ConfigurationError: this is not the event loop, or the process, that the driver was used in; or `grace` is
                negative.
        """
        await self._close(grace)

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
        resume: UploadCheckpoint | None = None,
        **attributes: Unpack[UploadAttributes],
    ) -> UploadReceipt:
        """Upload all that `source` gives, of any length, or nothing.

        A source that ends within the first part becomes one PutObject, a longer one a multipart upload (or a streamed
        PutObject, see ``TransferConfig.mechanism``). It is committed only after the source has ended cleanly and every
        part is acknowledged. However the call ends, when it returns or raises (a cancellation included) the source is
        closed, no task of it runs, and no upload is open.

        What blocks is read in a thread of the source's own. A read that is running when the call ends cannot be
        stopped, and is not waited for; what it gives is dropped. Until it has ended, the same object is refused as a
        source. To try again with it, seek to where the first try began: it stands where that has left it.

        An async source that does not end when it is closed, or when the calling task is cancelled, holds the call for
        ``Timeouts.cleanup`` seconds. Meanwhile the logger ``aios3`` warns of it; then the calling task is cancelled
        once more, to interrupt what the source awaits, and the call ends with its first error. A source that swallows
        that as well cannot be ended. The abort comes after the source, so it may wait as long.

        Args:
            source: an async or sync iterable of bytes-like chunks, bytes-like itself (an ``mmap`` too: all of it), a
                stream reader, anything with an async or sync ``read(n)``, or the body of a web library: a response of
                aiohttp, httpx or requests, a request of aiohttp or Starlette, a part of a form of aiohttp. A chunk's
                buffer may be reused as soon as the next one is asked for. `bytes` of at most one part are sent
                without a copy.
            bucket: the container.
            key: exactly as it is; never normalised.
            size: bytes that the source must have; ``None`` if unknown.
            max_size: bytes that the source may have; ``None`` for no limit but the store's.
            on_progress: called, or awaited, after each part was read and after each was stored. What it raises fails
                the upload and is raised unchanged. An upload without parts is committed before the last call: the error
                then has the note "aios3: the object was committed".
            transfer: instead of the driver's; its ``memory_limit`` cannot lift the driver's.
            resume: go on with this upload, which is still open: `source` gives the bytes from its ``offset`` on, while
                `size` and `max_size` still count all. Its part size and checksum stay; what describes the object was
                said at its beginning, so of the attributes only conditions, payer, owner and customer key count.
            **attributes: see `UploadAttributes`.

        Raises:
            TypeError: an unknown attribute, or not a source; nothing was sent. Or a chunk is not bytes-like.
            ConfigurationError: the call cannot work as it was made, or a read of an earlier call still runs in
                `source`; nothing was sent.
            SizeMismatchError, ObjectTooLargeError, PartLimitError: the source is not as long as it should be.
            ResponseError: the store refused.
            TransportError: the store does not answer.
            CompletionUnknownError: the commit was sent and its outcome could not be found out.
            DriverClosedError: the driver is closed, or was closed meanwhile.
            UploadSuspendedError: the same where the driver has a journal, and the upload was left open.
            UploadNotFoundError, IntegrityError: what `resume` says is not open any more, or has other parts; then
                nothing was asked of the source.
            Exception: whatever the source raises, unchanged.
        """
        upload = uploads.upload_object_via_stream(
            self,
            source,
            bucket,
            key,
            size=size,
            max_size=max_size,
            on_progress=on_progress,
            transfer=transfer,
            resume=resume,
            **attributes,
        )
        del source  # an error that the caller keeps would keep its bytes
        return await upload

    async def upload_object(
        self,
        path: str | os.PathLike[str],
        bucket: str,
        key: str,
        *,
        on_progress: ProgressCallback | None = None,
        transfer: TransferConfig | None = None,
        resume: bool | UploadCheckpoint = False,
        **attributes: Unpack[UploadAttributes],
    ) -> UploadReceipt:
        """Upload the file at `path`, read in a thread of its own.

        A file that grows or shrinks meanwhile raises `SizeMismatchError` and nothing is committed; what has no size
        (a pipe) is read to its end. A regular file is read 2.5 MiB at a time, into memory that counts as that of
        parts. A cancellation does not wait for a read that is on its way, nor for a pipe to be opened; the thread
        closes the file afterwards.

        With ``resume=True`` it goes on with the upload of this file to this key that a dead process, or a closed
        driver, left in the journal, if there is one; with a checkpoint it goes on from that. The parts that the store
        holds are compared with the file first, by their checksums or MD5s. If the file has changed since, or anything
        else does not fit, the old upload is aborted and a new one begins.

        Raises:
            OSError: the file cannot be read.
            ConfigurationError: ``resume=True``, and the driver has no journal.
            StorageError: as `upload_object_via_stream`.
        """
        return await uploads.upload_object(
            self, path, bucket, key, on_progress=on_progress, transfer=transfer, resume=resume, **attributes
        )

    def open_upload(
        self,
        bucket: str,
        key: str,
        *,
        size: int | None = None,
        max_size: int | None = None,
        on_progress: ProgressCallback | None = None,
        transfer: TransferConfig | None = None,
        resume: UploadCheckpoint | None = None,
        **attributes: Unpack[UploadAttributes],
    ) -> AbstractAsyncContextManager[UploadWriter]:
        """Open an upload to write to, as an async context manager.

        Leaving the block cleanly commits, and the writer's ``receipt`` is there; leaving it by an exception or a
        cancellation aborts. A part that fails for good cancels the block and its error is raised. Arguments and errors
        are those of `upload_object_via_stream`.
        """
        return uploads.open_upload(
            self,
            bucket,
            key,
            size=size,
            max_size=max_size,
            on_progress=on_progress,
            transfer=transfer,
            resume=resume,
            **attributes,
        )

    async def find_checkpoints(self) -> list[UploadCheckpoint]:
        """Return how far the uploads have come that were left open, and see to it that no other process ends them.

        Pass one as ``resume=`` with a source that begins at its ``offset``. Those that are not gone on with stay
        open, until `recover` ends them, here or in a later process.

        Raises:
            ConfigurationError: the driver has no journal.
            OSError: the journals cannot be read or written.
            StorageError: the store refused, or does not answer.
        """
        return await recovery.find_checkpoints(self)

    async def recover(self, *, resume: bool = False) -> list[RecoveredUpload]:
        """End all uploads that dead processes, or closed drivers, have left open at this endpoint.

        They are known from the journals in the driver's journal directory. Uploads of living processes are not
        touched. When one cannot be ended the others still are.

        Args:
            resume: complete those whose source is a file that has not changed since, instead of aborting them.

        Raises:
            ConfigurationError: the driver has no journal.
            OSError: the journals cannot be read or written.
        """
        return await recovery.recover(self, resume=resume)

    def iterate_containers(self) -> AsyncGenerator[Container]:
        """Iterate over the buckets of the credentials' owner, page by page where the store pages.

        Raises:
            AccessDeniedError: the credentials may not list buckets (those for one bucket only may not).
            StorageError: the store refused, or does not answer, or not as S3 does.
        """
        return containers.iterate_containers(self)

    async def get_container(self, bucket: str) -> Container:
        """Look whether a bucket exists, by one HEAD, which does not tell when it was made.

        Raises:
            ContainerNotFoundError: it does not.
            AccessDeniedError: it may exist, but these credentials may not see it.
            StorageError: the store does not answer, or not as S3 does, or the bucket is in another region.
        """
        return await containers.get_container(self, bucket)

    async def create_container(self, bucket: str) -> Container:
        """Create a bucket, in the driver's region where the store keeps regions apart.

        If an answer was lost and the repetition says that the caller owns the bucket, it was made by the first try.

        Raises:
            ConflictError: the bucket exists, and is somebody's or one's own.
            StorageError: the store refused or does not answer.
        """
        return await containers.create_container(self, bucket)

    async def delete_container(self, bucket: str) -> None:
        """Delete a bucket that is empty.

        Some stores also want it free of open multipart uploads: `cleanup_multipart_uploads` ends them.

        Raises:
            ContainerNotFoundError: there is no such bucket.
            ConflictError: it is not empty.
            StorageError: the store refused or does not answer.
        """
        await containers.delete_container(self, bucket)

    def iterate_container_objects(self, bucket: str, *, prefix: str = "") -> AsyncGenerator[StorageObject]:
        """Iterate over the objects whose keys begin with `prefix`, in the store's order, one page in memory at a time.

        Keys are exact. What a listing does not carry (content type, metadata, version) is empty. Objects that come or
        go meanwhile may be in it or not.

        Raises:
            ContainerNotFoundError: there is no such bucket.
            StorageError: the store refused, or does not answer, or its list cannot be gone through to its end: then
                what came so far is right, but it is not all.
        """
        return containers.iterate_container_objects(self, bucket, prefix=prefix)

    async def get_object(self, bucket: str, key: str) -> StorageObject:
        """Look at an object, by one HEAD.

        Raises:
            ObjectNotFoundError: there is none, or no such bucket: the answer to HEAD does not tell which.
            StorageError: the store refused or does not answer.
        """
        return await downloads.get_object(self, bucket, key)

    def open_object(
        self, bucket: str, key: str, *, start: int | None = None, end: int | None = None
    ) -> AbstractAsyncContextManager[OpenedObject]:
        """Open an object to be read, as an async context manager: it is described before its first byte is asked for.

        One GET. Iterating over what it gives, once and inside the block, gives the bytes from offset `start` up to but
        without `end`, all of the version that was described, in order. A download that breaks off goes on where it
        was, if the object is still the same. Where the object ends before `end`, so do the bytes. If there is nothing
        to read (`start` equals `end`, or the object is empty) the object may be looked at by HEAD. Leaving the block
        early closes the connection, so that no further byte comes over it.

        Args:
            bucket: the container.
            key: exactly as it is.
            start: offset of the first byte; ``None`` for the beginning.
            end: offset after the last byte; ``None`` for the end of the object.

        Raises:
            ConfigurationError: a number makes no sense; nothing was sent.
            ObjectNotFoundError: there is none; raised on entering the block, as all refusals of the store.
            ResponseError: the store refused; with status 416 (InvalidRange) if the object ends before `start`.
            IntegrityError: the object was replaced while it was read: the bytes given are of the version before.
            TransportError: no answer came, or they broke off too often: bytes given are right, but they are not all.
            DriverClosedError: the driver is closed, or was closed meanwhile.
        """
        return downloads.open_object(self, bucket, key, start=start, end=end)

    def download_object_as_stream(
        self,
        bucket: str,
        key: str,
        *,
        chunk_size: int = CHUNK_SIZE,
        start: int | None = None,
        end: int | None = None,
    ) -> AsyncGenerator[bytes]:
        """Iterate over the bytes of an object, from offset `start` up to but without `end`.

        They are of one version of the object and in order. A download that breaks off goes on where it was, if the
        object is still the same. Where the object ends before `end`, so do the bytes. If `start` equals `end` there is
        nothing to read, and the object is only looked at. Errors are raised when the first bytes are asked for;
        `open_object` raises them before, and describes the object.

        Args:
            bucket: the container.
            key: exactly as it is.
            chunk_size: bytes of a chunk at most; about as many are held. Chunks may be shorter.
            start: offset of the first byte; ``None`` for the beginning.
            end: offset after the last byte; ``None`` for the end of the object.

        Leaving it early frees the connection at once if it is closed (``aclose``, `contextlib.aclosing`); after a mere
        ``break`` that happens when the iterator is garbage-collected.

        Raises:
            ConfigurationError: a number makes no sense; nothing was sent.
            ObjectNotFoundError: there is none.
            ResponseError: the store refused; with status 416 (InvalidRange) if the object ends before `start`.
            IntegrityError: the object was replaced while it was read: the bytes given are of the version before.
            TransportError: no answer came, or they broke off too often: bytes given are right, but they are not all.
        """
        return downloads.download_object_as_stream(self, bucket, key, chunk_size=chunk_size, start=start, end=end)

    async def download_object(
        self, bucket: str, key: str, path: str | os.PathLike[str], *, overwrite: bool = False
    ) -> StorageObject:
        """Download an object to the file at `path`, which is there only once it is whole, and on the disk.

        Until then its bytes are in a hidden file beside it (``.aios3-*.part``), which is removed if the download fails
        or is cancelled; only a process that is killed leaves it.
        Downloads to one path at the same time do not disturb each other. An existing file is never replaced unless
        `overwrite` is true, and then at once, a symbolic link by a file. About 1.5 MiB are held in memory.

        Returns:
            What was downloaded.

        Raises:
            FileExistsError: `path` exists, before any request, or somebody made it meanwhile.
            OSError: the file cannot be written, for example as its directory is missing or the disk is full;
                ``filename`` is `path`.
            DriverClosedError: the driver is closed, or was closed meanwhile.
            StorageError: as `download_object_as_stream`.
        """
        return await downloads.download_object(self, bucket, key, path, overwrite=overwrite)

    async def delete_object(self, bucket: str, key: str) -> None:
        """Delete an object; one that does not exist is no error to S3.

        Raises:
            StorageError: the store refused or does not answer.
        """
        await downloads.delete_object(self, bucket, key)

    async def get_container_cdn_url(self, bucket: str, *, base_url: str | None = None) -> str:
        """Return the public URL of a bucket. It holds no credentials: it works where the bucket may be read by all.

        Args:
            bucket: the container.
            base_url: of a CDN or a domain of one's own that stands for the bucket, for example
                ``"https://cdn.example.com/videos"``; ``None`` for the store's own, as the driver addresses it.

        Raises:
            ConfigurationError: `base_url` is no http(s) URL, or has a password, a query or a fragment; or the driver
                knows no endpoint.
        """
        return await urls.get_container_cdn_url(self, bucket, base_url=base_url)

    async def get_object_cdn_url(
        self, bucket: str, key: str, *, expires_in: float | timedelta | None = None, base_url: str | None = None
    ) -> str:
        """Return the URL of an object: the public one, or with `expires_in` one that lets its bearer read the object.

        The key is percent-encoded exactly. Browsers and many clients take ``.`` and ``..`` between slashes as steps in
        a path, though, and ask for another key.

        Args:
            bucket: the container.
            key: exactly as it is.
            expires_in: seconds, or a timedelta, from 1 second to 7 days, fractions dropped. A URL signed with temporary
                credentials ends with them, however long it should last: for a directory bucket within five minutes.
                Such a URL is a secret; `create_download_url` makes the same one.
            base_url: as for `get_container_cdn_url`; only for public URLs, since a signature is for the store's host.

        Raises:
            ConfigurationError: `expires_in` is out of range, or there are no credentials to sign with (`ANONYMOUS`);
                or as `get_container_cdn_url`.
        """
        return await urls.get_object_cdn_url(self, bucket, key, expires_in=expires_in, base_url=base_url)

    async def create_download_url(
        self, bucket: str, key: str, *, expires_in: float | timedelta, **overrides: Unpack[ResponseOverrides]
    ) -> str:
        """Return a URL with which its bearer can read the object until it expires. It is a secret.

        Args:
            bucket: the container.
            key: exactly as it is.
            expires_in: as for `get_object_cdn_url`.
            **overrides: headers of the answer to replace, see `ResponseOverrides`. They are part of the signature.

        Raises:
            TypeError: there is no such override.
            ConfigurationError: `expires_in` is out of range, an override is not printable text, or there are no
                credentials to sign with (`ANONYMOUS`).
        """
        return await urls.create_download_url(self, bucket, key, expires_in=expires_in, **overrides)

    async def create_upload_url(
        self, bucket: str, key: str, *, expires_in: float | timedelta, **attributes: Unpack[UploadAttributes]
    ) -> str:
        """Return a URL to which its bearer can PUT the object, in one request and up to the store's limit for one.

        The attributes are part of the signature, and the uploader must send each as the header that S3 has for it, with
        the same value, and no other ``x-amz-*`` header: ``Content-Type`` for `content_type` (which is only signed if it
        is given; otherwise the uploader may send any), ``Cache-Control`` for `cache_control` and so on,
        ``x-amz-meta-NAME`` for `metadata`, ``x-amz-acl`` for `acl`. ``X-Amz-SignedHeaders`` in the URL names them all.

        Args:
            bucket: the container.
            key: exactly as it is.
            expires_in: as for `get_object_cdn_url`; the upload must have begun by then.
            **attributes: see `UploadAttributes`.

        Raises:
            TypeError: there is no such attribute.
            ConfigurationError: the provider does not take an attribute, or its value cannot be sent; `expires_in` is
                out of range; there are no credentials to sign with.
        """
        return await urls.create_upload_url(self, bucket, key, expires_in=expires_in, **attributes)

    def iterate_multipart_uploads(self, bucket: str, *, prefix: str = "") -> AsyncGenerator[PendingUpload]:
        """Iterate over the multipart uploads that were begun and neither completed nor aborted.

        Only those whose keys begin with `prefix`. Where the store finds uploads by their whole key only (MinIO), all
        are asked for as well, of which an old MinIO knows none. Uploads that run now, of this driver or another
        process, are in it.

        Raises:
            ContainerNotFoundError: there is no such bucket.
            StorageError: the store refused, or does not answer, or its list cannot be gone through to its end.
        """
        return multipart_uploads.iterate_multipart_uploads(self, bucket, prefix=prefix)

    async def cleanup_multipart_uploads(
        self, bucket: str, *, prefix: str = "", older_than: timedelta
    ) -> list[PendingUpload]:
        """Abort the multipart uploads under `prefix` that were begun longer than `older_than` ago.

        The store's clock decides. Uploads that run on this driver are left alone, and so are those of which the store
        does not say when they began. Those of other processes are told apart by their age alone: let `older_than` be
        longer than the longest upload takes. When one cannot be aborted the others still are;
        `iterate_multipart_uploads` shows what is left.

        Returns:
            Those that this call aborted, without those that had ended by themselves meanwhile.

        Raises:
            ConfigurationError: `older_than` is negative, or no timedelta; nothing was sent.
            ContainerNotFoundError: there is no such bucket.
            StorageError: the uploads cannot be listed; then none was aborted.
        """
        return await multipart_uploads.cleanup_multipart_uploads(self, bucket, prefix=prefix, older_than=older_than)


class AmazonS3StorageDriver(S3StorageDriver):
    """`S3StorageDriver` for Amazon S3."""

    default_provider = "aws"


class GoogleStorageDriver(S3StorageDriver):
    """`S3StorageDriver` for Google Cloud Storage, through its XML API with HMAC keys."""

    default_provider = "google"
