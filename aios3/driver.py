"""Storage drivers, with the promises of every method that users call."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from types import TracebackType
from typing import Literal, Self, Unpack, overload

import aiohttp

from aios3._driver import (
    containers,
    copies,
    deletions,
    downloads,
    left_open_uploads,
    listings,
    multipart_uploads,
    open_uploads,
    uploads,
    urls,
)
from aios3._driver.base import DEFAULT_TRANSFER, DriverBase
from aios3._driver.downloads import CHUNK_SIZE
from aios3._driver.opened_object import OpenedObject
from aios3._upload.shared.job import BeforeCommit
from aios3._upload.shared.progress import ProgressCallback
from aios3._upload.source.kinds import Source
from aios3._upload.writer import UploadWriter
from aios3.checkpoints import MultipartUpload, RecoveredUpload, UploadCheckpoint
from aios3.credentials import Anonymous, Credentials, CredentialsProvider
from aios3.models import (
    CommonPrefix,
    Container,
    CopyAttributes,
    DeleteOptions,
    DeletionResult,
    ListOptions,
    ObjectVersion,
    PartsUploaded,
    PendingUpload,
    ReadOptions,
    ResponseOverrides,
    StorageObject,
    UploadAccess,
    UploadAttributes,
    UploadedPart,
    UploadReceipt,
)
from aios3.observing import Observer
from aios3.options import RetryPolicy, Timeouts, TransferConfig
from aios3.providers import Provider

__all__ = ["AmazonS3StorageDriver", "GoogleStorageDriver", "S3StorageDriver"]


class S3StorageDriver(DriverBase):
    """Streams uploads to one S3-compatible store, downloads objects, and manages buckets and open uploads.

    Making a driver does no I/O and needs no running loop. Use it as an async
    context manager, or call `aclose`. All its uploads share its memory limit,
    its retry budget and its connections. It belongs to the event loop and the
    process of its first call. Another loop, or a process that is forked later,
    needs another driver.
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
        proxy: str | None = None,
        trust_env: bool = False,
        addressing: Literal["virtual", "path", "cname"] | None = None,
        use_dualstack: bool | None = None,
        use_fips: bool | None = None,
        use_accelerate: bool | None = None,
        journal: str | os.PathLike[str] | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Configure a driver.

        Args:
            provider: the kind of store, by name or as a `Provider`; ``None`` takes `default_provider`.
            endpoint_url: URL of the store. ``None`` takes the first of AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the
                profile's, and the provider's. If the provider has hosts of its own, the variables and the profile count
                only if they name one of them. For Amazon they count unless they name a host of another known provider.
                The logger ``aios3`` warns of a value that does not count. If the host or the path holds a bucket, calls
                that name it go there, and calls that name another bucket raise `ConfigurationError`.
            region: region to sign for. ``None`` takes the region of `endpoint_url` if that is one of the provider's
                hosts, else the first of AWS_REGION, AWS_DEFAULT_REGION, the profile's, and the provider's. If
                `endpoint_url` is of another region, requests are signed for `region`, and the host stays as given. A
                provider with one region (`Provider.has_one_region`) ignores the variables and the profile.
            credentials: ``None`` searches the places of the AWS SDKs, from the environment to the metadata service;
                `ANONYMOUS` sends unsigned requests.
            transfer: options for parts, concurrency and memory; an upload may have other options. The default takes
                the part size that the provider recommends, if any.
            retry: options for attempts and backoff.
            timeouts: limits of a stall in each phase of a request.
            session: an aiohttp session to use, which the caller closes. ``None`` makes one, which the driver closes.
                Requests for credentials never use your session.
            ssl_context: context for https; ``None`` trusts AWS_CA_BUNDLE, the profile's ``ca_bundle``, or the system's
                store, loaded in a thread.
            proxy: URL of an HTTP proxy, such as ``http://user:password@host:3128``, for the store and for requests for
                credentials. ``None`` connects directly.
            trust_env: use the proxies of the environment (``http_proxy``, ``https_proxy``, ``all_proxy``) if there is
                no `proxy`, and obey ``no_proxy``. The credentials services of the machine or container are never
                reached through a proxy.
            addressing: place of the bucket in URLs: ``"virtual"`` (``https://bucket.host/key``), ``"path"``
                (``https://host/bucket/key``), or ``"cname"``: the host of `endpoint_url` stands for one bucket
                (``https://host/key``), which the first call names. With ``"virtual"``, IP addresses, localhost and
                buckets that are not one DNS label are still addressed by path. ``None`` takes the profile's
                ``addressing_style``, or the provider's.
            use_dualstack: reach the provider over IPv6 too. ``None`` takes AWS_USE_DUALSTACK_ENDPOINT, or the profile's
                ``use_dualstack_endpoint``.
            use_fips: reach the provider, and STS for the credentials of roles, at hosts that keep FIPS 140. ``None``
                takes AWS_USE_FIPS_ENDPOINT, or the profile's ``use_fips_endpoint``.
            use_accelerate: reach buckets through transfer acceleration, which they must have enabled; their names must
                have no dots. The region's host still creates, deletes and lists buckets. ``None`` takes the profile's
                ``use_accelerate_endpoint`` below ``s3``.
            journal: a directory for journals, made if it is missing. Several processes may share it. A journal records
                the uploads that are open. After a crash, `recover` ends or resumes them. The directory must be on a
                local disk and private to this user; it holds no secret. Each multipart upload waits twice for the disk.
                Uploads that still run when the driver is closed are left open, to be resumed (`UploadSuspendedError`),
                except uploads with ``TransferConfig(suspendable=False)``. ``None`` keeps no journal.
            observer: receives what the driver does: uploads, parts, waits, operations, attempts and retries. Its errors
                fail no upload. `aios3.otel.OpenTelemetryObserver` is one. ``None`` costs nothing.

        Of the known providers only `aws` has hosts for `use_dualstack`, `use_fips` and `use_accelerate`. The variables
        and profiles of these three mean AWS. So they are ignored for a provider without such hosts, and if the endpoint
        is configured by any means. The arguments raise `ConfigurationError` in these cases.

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
            proxy=proxy,
            trust_env=trust_env,
            addressing=addressing,
            use_dualstack=use_dualstack,
            use_fips=use_fips,
            use_accelerate=use_accelerate,
            journal=journal,
            observer=observer,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self, *, grace: float = 0.0) -> None:
        """Stop and abort every upload that still runs, then close the resources of the driver.

        Callers of these uploads get a `DriverClosedError`, and so does every other call that is interrupted, or comes
        later. With a journal, multipart uploads that are suspendable (``TransferConfig.suspendable``) are left open
        instead. Their callers get an `UploadSuspendedError` with the checkpoint to resume from. A commit in flight gets
        five seconds; then its caller gets a `CompletionUnknownError`. Closing twice is harmless. A cancellation of
        `aclose` ends the grace, and is raised after everything has been closed.

        Args:
            grace: seconds in which running uploads may end by themselves; new uploads are refused at once.

        Raises:
            ConfigurationError: the driver belongs to another event loop or process, or `grace` is negative.
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
        before_commit: BeforeCommit | None = None,
        **attributes: Unpack[UploadAttributes],
    ) -> UploadReceipt:
        """Upload all bytes of `source`, of any length, or nothing.

        A source that ends within the first part becomes one PutObject. A longer source becomes a multipart upload (or a
        streamed PutObject, see ``TransferConfig.mechanism``). The object is committed only after the source has ended
        cleanly and every part is acknowledged. When the call returns or raises, even after a cancellation, the source
        is closed, no task of the call runs, and no upload is open.

        A blocking source is read in its own thread. A read that runs when the call ends cannot be stopped, and is not
        waited for; its bytes are dropped. Until the read has ended, the same object is refused as a source. To try
        again with the source, seek to where the first try began, because that try has moved its position.

        An async source that does not end when it is closed, or when the calling task is cancelled, holds the call for
        ``Timeouts.cleanup`` seconds. Meanwhile the logger ``aios3`` warns of the source. Then the calling task is
        cancelled once more, which interrupts an await of the source, and the call ends with its first error. A source
        that swallows that cancellation too cannot be ended. The abort comes after the source, so it may wait as long.

        Args:
            source: an async or sync iterable of bytes-like chunks, bytes-like itself (an ``mmap`` too: all of it), a
                stream reader, anything with an async or sync ``read(n)``, or the body of a web library: a response of
                aiohttp, httpx or requests, a request of aiohttp or Starlette, a part of a form of aiohttp. A chunk's
                buffer may be reused as soon as the next chunk is requested. `bytes` of at most one part are sent
                without a copy.
            bucket: name of the bucket.
            key: the exact key; never normalised.
            size: bytes that the source must have; ``None`` if unknown.
            max_size: bytes that the source may have; ``None`` for only the store's limit.
            on_progress: called, or awaited, after each part was read and after each part was stored. Its error fails
                the upload and is raised unchanged. An upload without parts is committed before the last call: the error
                then has the note "aios3: the object was committed".
            transfer: options instead of the driver's; its ``memory_limit`` cannot raise the driver's.
            resume: checkpoint of an open upload to resume: `source` gives the bytes from its ``offset`` on, but `size`
                and `max_size` count all bytes. Its part size and checksum stay. Attributes of the object were fixed at
                the beginning, so only conditions, payer, owner and customer key count.
            before_commit: called, or awaited, with a `CommitRequest` when every part is acknowledged and nothing is
                visible yet. Its error aborts the upload and is raised unchanged. Of an upload without parts it is
                called before the last bytes are sent.
            **attributes: see `UploadAttributes`.

        Returns:
            The receipt of the committed object.

        Raises:
            TypeError: an unknown attribute, or not a source; nothing was sent. Or a chunk is not bytes-like.
            ConfigurationError: the call cannot work with these arguments, or a read of an earlier call still runs in
                `source`; nothing was sent.
            SizeMismatchError, ObjectTooLargeError, PartLimitError: the source has a wrong length.
            ResponseError: the store refused.
            TransportError: the store does not respond.
            CompletionUnknownError: the commit was sent, and its outcome is unknown.
            DriverClosedError: the driver is closed, or was closed meanwhile.
            UploadSuspendedError: the same if the driver has a journal, and the upload was left open.
            UploadNotFoundError, IntegrityError: the upload of `resume` is no longer open, or has other parts; the
                source was not read.
            Exception: any error of the source, unchanged.
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
            before_commit=before_commit,
            **attributes,
        )
        del source  # the traceback of an error that the caller keeps would keep its bytes
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
        before_commit: BeforeCommit | None = None,
        **attributes: Unpack[UploadAttributes],
    ) -> UploadReceipt:
        """Upload the file at `path`, read in a separate thread.

        A file that grows or shrinks meanwhile raises `SizeMismatchError`, and nothing is committed. A file without a
        size (a pipe) is read to its end. A regular file is read 2.5 MiB at a time, into memory that counts for
        ``memory_limit``. A cancellation waits neither for a running read nor for the opening of a pipe; the thread
        closes the file afterwards. Other arguments, the result and other errors are those of
        `upload_object_via_stream`.

        Args:
            path: the file. Its size is the declared size of the upload.
            resume: ``True`` resumes the upload of this file to this key that a dead process, or a closed driver, left
                in the journal; without such an upload a new one begins. A checkpoint resumes its own upload. The parts
                in the store are first compared with the file, by their checksums or MD5s. If the file has changed
                since, or anything else differs, the old upload is aborted and a new one begins.

        Raises:
            OSError: the file cannot be read.
            ConfigurationError: ``resume=True``, and the driver has no journal.
            StorageError: as in `upload_object_via_stream`.
        """
        return await uploads.upload_object(
            self,
            path,
            bucket,
            key,
            on_progress=on_progress,
            transfer=transfer,
            resume=resume,
            before_commit=before_commit,
            **attributes,
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
        before_commit: BeforeCommit | None = None,
        seekable_head: int | None = None,
        durable_every: float | None = None,
        **attributes: Unpack[UploadAttributes],
    ) -> AbstractAsyncContextManager[UploadWriter]:
        """Open an upload to write to, as an async context manager.

        A clean end of the block commits the upload, and the writer then has a ``receipt``. An exception or a
        cancellation in the block aborts it. A part that fails finally cancels the block, and its error is raised.
        Other arguments and errors are the same as in `upload_object_via_stream`.

        Args:
            seekable_head: bytes at the beginning, rounded up to whole parts, that stay in memory until the end, so that
                the writer can `seek` back to them. They count for ``memory_limit`` while the block runs, and all heads
                of a driver may hold a quarter of it. Such an upload is never suspended. ``None`` keeps nothing.
            durable_every: seconds, plus the time of the requests, after which written bytes are in the store even if
                they do not fill a part. Such bytes lie in a small object beside the upload, which is rewritten each
                time and deleted at the end. If the process dies, `find_checkpoint` finds what arrived, and ``resume``
                continues from there. If resuming fails before the block begins, all is left as it was. Parts do not
                grow, and no part is spilled. ``None`` stores whole parts only.
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
            before_commit=before_commit,
            seekable_head=seekable_head,
            durable_every=durable_every,
            **attributes,
        )

    async def create_multipart_upload(
        self,
        bucket: str,
        key: str,
        *,
        size: int | None = None,
        transfer: TransferConfig | None = None,
        **attributes: Unpack[UploadAttributes],
    ) -> MultipartUpload:
        """Begin a multipart upload that stays open, and return it as a value for any process.

        The store bills its parts until the upload is completed or aborted. The part size is that of `transfer`, or more
        if an object of `size` bytes needs larger parts. With `size` unknown the parts hold
        ``max_parts * part_size`` bytes at most (48.8 GiB by default). A cancellation or a failure leaves nothing open.

        Args:
            bucket: name of the bucket.
            key: the exact key.
            size: bytes that the object will have; ``None`` if unknown.
            transfer: options instead of the driver's; part size, checksum and nonce are fixed for the upload.
            **attributes: see `UploadAttributes`. Conditions are kept in the value, for the commit. A customer key is
                not kept: the other calls need it again.

        Returns:
            The open upload. It holds no secret and can be written as JSON.

        Raises:
            TypeError, ConfigurationError, PartLimitError: as in `upload_object_via_stream`; nothing was sent.
            StorageError: the store refused, or does not respond.
        """
        return await open_uploads.create(self, bucket, key, size=size, transfer=transfer, **attributes)

    async def upload_parts(
        self,
        upload: MultipartUpload,
        source: Source,
        *,
        first_part: int = 1,
        last: bool = True,
        on_progress: ProgressCallback | None = None,
        **access: Unpack[UploadAccess],
    ) -> PartsUploaded:
        """Store the bytes of `source` as parts of an open upload, from part number `first_part` on.

        Memory, concurrency, retries and the end of the source are those of `upload_object_via_stream`. Nothing is
        committed or aborted. After a failure or a cancellation no task of the call remains, the parts stored so far
        stay, and the upload stays open. Parts that are there already are replaced.

        Args:
            upload: the upload, which any process may have created.
            source: bytes from offset ``(first_part - 1) * part_size`` of the object on.
            first_part: number of the first part, from 1.
            last: ``True`` if the source ends where the object ends, so its last part may be short. If the upload has a
                `size`, the source must end exactly there. With ``False`` the bytes that do not fill a part are not
                stored, and come back as ``tail``.
            on_progress: as in `upload_object_via_stream`; it counts the bytes and parts of this call.
            **access: see `UploadAccess`.

        Returns:
            The parts that this call has stored, and the tail.

        Raises:
            SizeMismatchError, PartLimitError: the source has a wrong length.
            UploadNotFoundError: the upload is not open.
            TypeError, ConfigurationError, StorageError, Exception: as in `upload_object_via_stream`.
        """
        return await open_uploads.upload_parts(
            self, upload, source, first_part=first_part, last=last, on_progress=on_progress, **access
        )

    async def upload_part(
        self, upload: MultipartUpload, part_number: int, source: Source, **access: Unpack[UploadAccess]
    ) -> UploadedPart:
        """Store `source` as one part of an open upload. A part that has this number is replaced.

        Only the last part of the object may be shorter than the upload's ``part_size``. If the upload has a `size`,
        this call checks that, else `complete_multipart_upload` does. Part numbers begin with 1. A failure or a
        cancellation leaves the upload open.

        Raises:
            SizeMismatchError, ObjectTooLargeError: the source has not the length of this part, or no bytes.
            TypeError, ConfigurationError, StorageError, Exception: as in `upload_parts`.
        """
        return await open_uploads.upload_part(self, upload, part_number, source, **access)

    async def copy_part(
        self,
        upload: MultipartUpload,
        part_number: int,
        from_bucket: str,
        from_key: str,
        *,
        start: int | None = None,
        end: int | None = None,
        **access: Unpack[UploadAccess],
    ) -> UploadedPart:
        """Store bytes of another object of the store as one part of an open upload. No byte passes this process.

        A failure or a cancellation leaves the upload open; after a cancellation the store may still copy.

        Args:
            upload: the upload.
            part_number: number of the part, from 1. Its length is checked as by `upload_part`.
            from_bucket: bucket of the object to copy from.
            from_key: its key.
            start: offset of the first byte to copy; ``None`` for the beginning.
            end: offset after the last byte; ``None`` for the end of the object.
            **access: see `UploadAccess`.

        Raises:
            ObjectNotFoundError: there is no object to copy from.
            SizeMismatchError: the range has not the length of this part.
            ConfigurationError: the object has no such range; nothing was copied.
            PreconditionFailedError: the object was replaced between two requests of this call.
            StorageError: as in `upload_parts`.
        """
        return await open_uploads.copy_part(
            self, upload, part_number, from_bucket, from_key, start=start, end=end, **access
        )

    async def create_part_url(
        self,
        upload: MultipartUpload,
        part_number: int,
        *,
        expires_in: float | timedelta,
        size: int | None = None,
        **access: Unpack[UploadAccess],
    ) -> str:
        """Return a presigned URL with which its bearer can PUT one part of an open upload, without credentials.

        The URL is a secret until it expires. It does not bind the bytes: compare `iterate_parts` before the commit. An
        upload with checksums may refuse parts that bring none, so create it with ``TransferConfig(checksum=None)``. No
        request is sent; about the region see `create_download_url`.

        Args:
            upload: the upload.
            part_number: number of the part, from 1.
            expires_in: as in `get_object_cdn_url`.
            size: exact bytes of the part, which the URL then binds by its ``Content-Length``; ``None`` for any number.
            **access: see `UploadAccess`. What is given must also be sent as a header of the request.

        Raises:
            ConfigurationError: the part number or the time is out of range, the object ends before the part, `size` is
                not that of the part, or the driver is anonymous.
        """
        return await open_uploads.create_part_url(self, upload, part_number, expires_in=expires_in, size=size, **access)

    def iterate_parts(self, upload: MultipartUpload, **access: Unpack[UploadAccess]) -> AsyncGenerator[UploadedPart]:
        """Iterate over the parts that the store holds of an open upload, by number, asking for a page at a time.

        Raises:
            UploadNotFoundError: the upload is not open.
            StorageError: the store refused, or does not respond.
        """
        return open_uploads.iterate_parts(self, upload, **access)

    async def complete_multipart_upload(
        self,
        upload: MultipartUpload,
        *,
        size: int | None = None,
        parts: Iterable[UploadedPart] | None = None,
        before_commit: BeforeCommit | None = None,
        **access: Unpack[UploadAccess],
    ) -> UploadReceipt:
        """Make the object out of the parts of an open upload.

        A gap, a part that is longer or shorter than the grid of the upload allows, and a sum of bytes other than `size`
        are errors, and nothing is committed. After such an error, and after a clear refusal of the store, the upload
        stays open. A lost response is settled as in `upload_object_via_stream`, which may abort the upload. A
        cancellation leaves the upload open, unless the store has committed it by then.

        Args:
            upload: the upload.
            size: bytes that the object must have; ``None`` takes those of the upload, if it has any.
            parts: the parts; ``None`` lists the parts in the store, also those that other processes have sent.
            before_commit: as in `upload_object_via_stream`; its ``metadata`` is ``None``.
            **access: see `UploadAccess`.

        Returns:
            The receipt of the committed object.

        Raises:
            IntegrityError: the parts do not make the object.
            UploadNotFoundError: the upload is not open.
            PreconditionFailedError: the key holds something else than `if_match` or `if_none_match` asked for.
            CompletionUnknownError: the commit was sent, and its outcome is unknown.
            ConfigurationError, StorageError, Exception: as in `upload_object_via_stream`.
        """
        return await open_uploads.complete(self, upload, size=size, parts=parts, before_commit=before_commit, **access)

    async def abort_multipart_upload(self, upload: MultipartUpload, **access: Unpack[UploadAccess]) -> None:
        """Abort an open upload and prove that nothing remained. An upload that is gone already is no error.

        A cancellation waits for the end of the abort, at most ``Timeouts.cleanup`` seconds.

        Raises:
            TimeoutError: the abort took longer than that.
            StorageError: the store refused or does not respond, or still lists the upload after six aborts.
        """
        await open_uploads.abort(self, upload, **access)

    async def find_checkpoints(self) -> list[UploadCheckpoint]:
        """Return the checkpoints of uploads that the journals list as left open. No other process ends them afterwards.

        Pass a checkpoint as ``resume=`` with a source that begins at its ``offset``. Uploads that are not resumed stay
        open until `recover` ends them, here or in a later process. Uploads of living processes are not among them.

        Raises:
            ConfigurationError: the driver has no journal.
            OSError: the journals cannot be read or written.
            StorageError: the store refused, or does not respond.
        """
        return await left_open_uploads.find_checkpoints(self)

    async def find_checkpoint(self, bucket: str, key: str, **access: Unpack[UploadAccess]) -> UploadCheckpoint | None:
        """Return the checkpoint of an upload to `key` that was opened with ``durable_every``, and was not ended.

        Any process can continue it: ``open_upload(..., durable_every=..., resume=checkpoint)``. The first byte to write
        then is the one at ``checkpoint.offset``. Make sure that the process that began the upload no longer runs,
        because two writers of one upload would mix their bytes. If the upload has ended, a tail that its process left
        behind is deleted.

        Returns:
            The checkpoint, or ``None`` if there is no such upload.

        Raises:
            StorageError: the store refused, or does not respond.
        """
        return await left_open_uploads.find_checkpoint(self, bucket, key, **access)

    async def recover(self, *, resume: bool = False) -> list[RecoveredUpload]:
        """End all uploads that dead processes, or closed drivers, have left open at this endpoint.

        The journals in the driver's journal directory list them. Uploads of living processes are not touched. If an
        upload cannot be ended, the others still are.

        Args:
            resume: complete uploads whose source is a file that has not changed since, instead of aborting them.

        Returns:
            The outcome for each upload, with the error if it could not be ended.

        Raises:
            ConfigurationError: the driver has no journal.
            OSError: the journals cannot be read or written.
        """
        return await left_open_uploads.recover(self, resume=resume)

    def iterate_containers(self) -> AsyncGenerator[Container]:
        """Iterate over the buckets of the credentials' owner, page by page where the store pages.

        Raises:
            AccessDeniedError: the credentials may not list buckets (credentials for one bucket may not).
            StorageError: the store refused, does not respond, or does not respond as S3 does.
        """
        return containers.iterate_containers(self)

    async def get_container(self, bucket: str) -> Container:
        """Return a bucket if it exists, by one HEAD, which does not show the time of its creation.

        If the bucket is in another region that the store names, the driver sends a second HEAD there, and remembers the
        region for later requests and presigned URLs.

        Raises:
            ContainerNotFoundError: the bucket does not exist.
            AccessDeniedError: the bucket may exist, but these credentials may not see it.
            StorageError: the store does not respond, or not as S3 does, or the bucket is in another region that the
                driver does not learn or cannot reach.
        """
        return await containers.get_container(self, bucket)

    async def create_container(self, bucket: str) -> Container:
        """Create a bucket, in the driver's region if the store has regions.

        If a response is lost and the retry reports that the caller owns the bucket, the first attempt counts as its
        creation.

        Raises:
            ConflictError: the bucket exists, and belongs to the caller or to another account.
            StorageError: the store refused or does not respond.
        """
        return await containers.create_container(self, bucket)

    async def delete_container(self, bucket: str) -> None:
        """Delete a bucket that is empty.

        Some stores also refuse a bucket with open multipart uploads: `cleanup_multipart_uploads` ends them.

        Raises:
            ContainerNotFoundError: there is no such bucket.
            ConflictError: the bucket is not empty.
            StorageError: the store refused or does not respond.
        """
        await containers.delete_container(self, bucket)

    @overload
    def iterate_container_objects(
        self, bucket: str, *, prefix: str = "", delimiter: None = None, **options: Unpack[ListOptions]
    ) -> AsyncGenerator[StorageObject]: ...

    @overload
    def iterate_container_objects(
        self, bucket: str, *, prefix: str = "", delimiter: str, **options: Unpack[ListOptions]
    ) -> AsyncGenerator[StorageObject | CommonPrefix]: ...

    def iterate_container_objects(
        self, bucket: str, *, prefix: str = "", delimiter: str | None = None, **options: Unpack[ListOptions]
    ) -> AsyncGenerator[StorageObject] | AsyncGenerator[StorageObject | CommonPrefix]:
        """Iterate over the objects whose keys begin with `prefix`, in the store's order, one page in memory at a time.

        Keys are exact. Fields that a listing does not have (content type, metadata, version) are empty. Objects that
        are created or deleted meanwhile may be in the list or not.

        Args:
            bucket: name of the bucket.
            prefix: beginning of the keys; empty for all.
            delimiter: hides the objects whose keys have this text after the prefix. Each beginning up to the text comes
                once, as a `CommonPrefix` among the objects: with ``"/"`` the folders. ``None`` hides nothing.
            **options: see `ListOptions`.

        Raises:
            TypeError, ConfigurationError: an argument is invalid; nothing was sent.
            ContainerNotFoundError: there is no such bucket.
            StorageError: the store refused, or does not respond, or its list cannot be read to its end. The objects so
                far are right, but not all.
        """
        return listings.iterate_container_objects(self, bucket, prefix=prefix, delimiter=delimiter, **options)

    def iterate_object_versions(
        self, bucket: str, *, prefix: str = "", **options: Unpack[ListOptions]
    ) -> AsyncGenerator[ObjectVersion]:
        """Iterate over the versions of all objects whose keys begin with `prefix`, and the markers of deletions.

        They come in the order of their keys, and the versions of one key from the newest on, as far as the store's
        times tell. A bucket that never kept versions lists each object with the id ``"null"``. The options are those of
        `ListOptions`.

        Raises:
            TypeError, ConfigurationError: an argument is invalid, or the provider keeps no versions; nothing was sent.
            ContainerNotFoundError: there is no such bucket.
            StorageError: as in `iterate_container_objects`.
        """
        return listings.iterate_object_versions(self, bucket, prefix=prefix, **options)

    async def get_object(self, bucket: str, key: str, **options: Unpack[ReadOptions]) -> StorageObject:
        """Return the description of an object, by one HEAD.

        Args:
            bucket: name of the bucket.
            key: the exact key.
            **options: see `ReadOptions`.

        Raises:
            TypeError: there is no such option; nothing was sent.
            ConfigurationError: the provider does not take an option, or its value cannot be sent; nothing was sent.
            PreconditionFailedError: the object has another ETag than `if_match`.
            ObjectNotFoundError: there is no such object or no such bucket; the response to HEAD does not say which.
            StorageError: the store refused or does not respond.
        """
        return await downloads.get_object(self, bucket, key, **options)

    def open_object(
        self,
        bucket: str,
        key: str,
        *,
        start: int | None = None,
        end: int | None = None,
        **options: Unpack[ReadOptions],
    ) -> AbstractAsyncContextManager[OpenedObject]:
        """Open an object for reading, as an async context manager that returns its description before its bytes.

        The method sends one GET. Iterate over the result once and inside the block: it yields the bytes from offset
        `start` up to but without `end`, in order, all of the described version. A download that is interrupted resumes
        at its offset, if the object is still the same. If the object ends before `end`, so do the bytes. If there is
        nothing to read (`start` equals `end`, or the object is empty), the request may be a HEAD. An early end of the
        block closes the connection, so no further byte comes over it.

        Args:
            bucket: name of the bucket.
            key: the exact key.
            start: offset of the first byte; ``None`` for the beginning.
            end: offset after the last byte; ``None`` for the end of the object.
            **options: see `ReadOptions`.

        Raises:
            TypeError, ConfigurationError: a number or an option is invalid; nothing was sent.
            PreconditionFailedError: the object has another ETag than `if_match`.
            ObjectNotFoundError: there is no such object; raised at the start of the block, as all refusals are.
            ResponseError: the store refused; with status 416 (InvalidRange) if the object ends before `start`.
            IntegrityError: the object was replaced during the download: the bytes so far are of the version before.
            TransportError: no response came, or it was interrupted too often. The bytes so far are right, but not all.
            DriverClosedError: the driver is closed, or was closed meanwhile.
        """
        return downloads.open_object(self, bucket, key, start=start, end=end, **options)

    def download_object_as_stream(
        self,
        bucket: str,
        key: str,
        *,
        chunk_size: int = CHUNK_SIZE,
        start: int | None = None,
        end: int | None = None,
        **options: Unpack[ReadOptions],
    ) -> AsyncGenerator[bytes]:
        """Iterate over the bytes of an object, from offset `start` up to but without `end`.

        The bytes are of one version of the object and in order. A download that is interrupted resumes at its offset,
        if the object is still the same. If the object ends before `end`, so do the bytes. If `start` equals `end` there
        is nothing to read, and the object is only looked up. Errors are raised when the first bytes are requested;
        `open_object` raises them before, and describes the object.

        Args:
            bucket: name of the bucket.
            key: the exact key.
            chunk_size: limit of the bytes of a chunk; about as many are held. Chunks may be shorter.
            start: offset of the first byte; ``None`` for the beginning.
            end: offset after the last byte; ``None`` for the end of the object.
            **options: see `ReadOptions`.

        Close the iterator after an early end (``aclose``, `contextlib.aclosing`), which frees the connection at once.
        After a mere ``break`` that happens when the iterator is garbage-collected.

        Raises:
            TypeError, ConfigurationError: a number or an option is invalid; nothing was sent.
            PreconditionFailedError: the object has another ETag than `if_match`.
            ObjectNotFoundError: there is no such object.
            ResponseError: the store refused; with status 416 (InvalidRange) if the object ends before `start`.
            IntegrityError: the object was replaced during the download: the bytes so far are of the version before.
            TransportError: no response came, or it was interrupted too often. The bytes so far are right, but not all.
        """
        return downloads.download_object_as_stream(
            self, bucket, key, chunk_size=chunk_size, start=start, end=end, **options
        )

    async def download_object(
        self,
        bucket: str,
        key: str,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        **options: Unpack[ReadOptions],
    ) -> StorageObject:
        """Download an object to the file at `path`, which appears only when it is complete and on the disk.

        Until then its bytes are in a hidden file beside it (``.aios3-*.part``). That file is removed if the download
        fails or is cancelled; only a process that is killed leaves it. Downloads to one path at the same time do not
        disturb each other. An existing file is replaced only if `overwrite` is true, and then in one step. A symbolic
        link is itself replaced. About 1.5 MiB are held in memory. The options are those of `ReadOptions`.

        Returns:
            The description of the downloaded object.

        Raises:
            FileExistsError: `path` exists and `overwrite` is false. This is checked before any request, and at the end.
            OSError: the file cannot be written, for example because its directory is missing or the disk is full;
                ``filename`` is `path`.
            DriverClosedError: the driver is closed, or was closed meanwhile.
            StorageError: as in `download_object_as_stream`.
        """
        return await downloads.download_object(self, bucket, key, path, overwrite=overwrite, **options)

    async def delete_object(self, bucket: str, key: str, **options: Unpack[DeleteOptions]) -> None:
        """Delete an object. For S3 a missing object is not an error.

        A bucket with versions keeps the deleted object as an earlier version, unless `version_id` names a version.

        Args:
            bucket: name of the bucket.
            key: the exact key.
            **options: see `DeleteOptions`.

        Raises:
            TypeError: there is no such option; nothing was sent.
            ConfigurationError: the provider does not take an option, or its value cannot be sent; nothing was sent.
            PreconditionFailedError: the object has another ETag than `if_match`.
            StorageError: the store refused or does not respond.
        """
        await deletions.delete_object(self, bucket, key, **options)

    async def delete_objects(
        self,
        bucket: str,
        keys: Iterable[str | ObjectVersion] | AsyncIterable[str | ObjectVersion],
        **options: Unpack[ListOptions],
    ) -> DeletionResult:
        """Delete many objects, 1,000 in a request, and name each that could not be deleted.

        An iterable is read while objects are deleted, so it may be a listing. A missing object counts as deleted. Keys
        that XML cannot hold, and all keys of a store that cannot delete many in a request, have requests of their own.
        After a cancellation some of the last 1,000 objects may be deleted, and the rest are not.

        Args:
            bucket: name of the bucket.
            keys: exact keys, or versions as `iterate_object_versions` yields them, which are removed for good.
            **options: see `ListOptions`.

        Returns:
            The number of deleted objects, and the failures. Failures are also logged as a warning.

        Raises:
            TypeError: `keys` is no iterable, or holds something else; what came before it may be deleted.
            ConfigurationError: a key or an option is invalid; what came before it may be deleted.
            ContainerNotFoundError: there is no such bucket.
            StorageError: the store refused a whole request, or does not respond. A note has the number of objects that
                were deleted before.
            Exception: any error of an iterable, unchanged.
        """
        return await deletions.delete_objects(self, bucket, keys, **options)

    async def copy_object(
        self, bucket: str, key: str, to_bucket: str, to_key: str, **attributes: Unpack[CopyAttributes]
    ) -> UploadReceipt:
        """Copy an object inside the store, whole or not at all; no byte passes this process.

        An object up to ``Provider.max_copy_size`` (5 GiB for Amazon) is one request. A larger object is copied in
        parts, and a failure or a cancellation aborts the upload as it does in `upload_object_via_stream`. After a
        cancellation of a single request the store may still copy. The copy keeps the content headers, the metadata and
        the tags of the source that are not given, but neither its ACL, its storage class, its encryption nor its locks.

        Args:
            bucket: container of the source.
            key: exact key of the source.
            to_bucket: container of the copy, of the same store.
            to_key: exact key of the copy.
            **attributes: see `CopyAttributes`.

        Returns:
            The receipt of the copy, whose verification claims nothing.

        Raises:
            TypeError: there is no such attribute; nothing was sent.
            ConfigurationError: the provider does not take an attribute, or its value cannot be sent.
            ObjectNotFoundError: there is no such source.
            IntegrityError: the source was replaced meanwhile, and nothing was committed.
            PreconditionFailedError: a condition does not hold.
            CompletionUnknownError: the outcome of the copy is unknown.
            DriverClosedError: the driver is closed, or was closed meanwhile.
            StorageError: the store refused or does not respond.
        """
        return await copies.copy_object(self, bucket, key, to_bucket, to_key, **attributes)

    async def get_container_cdn_url(self, bucket: str, *, base_url: str | None = None) -> str:
        """Return the public URL of a bucket. It holds no credentials, so it works only if the bucket is public.

        No request is sent; about the region see `create_download_url`.

        Args:
            bucket: name of the bucket.
            base_url: URL of a CDN or custom domain that serves the bucket, for example
                ``"https://cdn.example.com/videos"``; ``None`` for the store's URL, as the driver addresses the bucket.

        Raises:
            ConfigurationError: `base_url` is no http(s) URL, or has a password, a query or a fragment; or the driver
                knows no endpoint.
        """
        return await urls.get_container_cdn_url(self, bucket, base_url=base_url)

    async def get_object_cdn_url(
        self, bucket: str, key: str, *, expires_in: float | timedelta | None = None, base_url: str | None = None
    ) -> str:
        """Return the public URL of an object, or with `expires_in` a signed URL with which its bearer can read it.

        No request is sent; about the region see `create_download_url`. The key is percent-encoded exactly. But browsers
        and many clients resolve ``.`` and ``..`` between slashes as steps in a path, and then request another key.

        Args:
            bucket: name of the bucket.
            key: the exact key.
            expires_in: seconds, or a timedelta, from 1 second to 7 days, fractions dropped. A URL signed with temporary
                credentials expires with them at the latest: for a directory bucket within five minutes. Such a URL is a
                secret; `create_download_url` makes the same URL.
            base_url: as in `get_container_cdn_url`; only for public URLs, because a signature is for the store's host.

        Raises:
            ConfigurationError: `expires_in` is out of range, or there are no credentials to sign with (`ANONYMOUS`);
                or as in `get_container_cdn_url`.
        """
        return await urls.get_object_cdn_url(self, bucket, key, expires_in=expires_in, base_url=base_url)

    async def create_download_url(
        self, bucket: str, key: str, *, expires_in: float | timedelta, **overrides: Unpack[ResponseOverrides]
    ) -> str:
        """Return a URL with which its bearer can read the object until the URL expires. The URL is a secret.

        No request is sent. So the URL is signed for the region of the driver, or for the bucket's own region if an
        earlier request has shown that region. If the bucket may be in another region than the driver, call
        `get_container` once before; otherwise the store refuses the URL.

        Args:
            bucket: name of the bucket.
            key: the exact key.
            expires_in: as in `get_object_cdn_url`.
            **overrides: headers of the response to replace, see `ResponseOverrides`. They are part of the signature.

        Raises:
            TypeError: there is no such override.
            ConfigurationError: `expires_in` is out of range, an override is not printable text, or there are no
                credentials to sign with (`ANONYMOUS`).
        """
        return await urls.create_download_url(self, bucket, key, expires_in=expires_in, **overrides)

    async def create_upload_url(
        self,
        bucket: str,
        key: str,
        *,
        expires_in: float | timedelta,
        size: int | None = None,
        **attributes: Unpack[UploadAttributes],
    ) -> str:
        """Return a URL to which its bearer can PUT the object, in one request up to the store's limit of a PutObject.

        No request is sent; about the region see `create_download_url`. The attributes are part of the signature. The
        uploader must send each as its S3 header with the same value, and no other ``x-amz-*`` header. The headers are
        ``Content-Type`` for `content_type`, ``Cache-Control`` for `cache_control` and so on, ``x-amz-meta-NAME`` for
        `metadata`, ``x-amz-acl`` for `acl`. `content_type` is signed only if it is given; otherwise the uploader may
        send any. ``X-Amz-SignedHeaders`` in the URL names all headers.

        Args:
            bucket: name of the bucket.
            key: the exact key.
            expires_in: as in `get_object_cdn_url`; the upload must begin before that.
            size: exact bytes of the object, which the URL then binds by its ``Content-Length``; ``None`` for any.
            **attributes: see `UploadAttributes`.

        Raises:
            TypeError: there is no such attribute.
            ConfigurationError: the provider does not take an attribute, or its value cannot be sent; `expires_in` is
                out of range; there are no credentials to sign with.
        """
        return await urls.create_upload_url(self, bucket, key, expires_in=expires_in, size=size, **attributes)

    def iterate_multipart_uploads(
        self, bucket: str, *, prefix: str = "", **options: Unpack[ListOptions]
    ) -> AsyncGenerator[PendingUpload]:
        """Iterate over the multipart uploads that were begun and neither completed nor aborted.

        Their keys begin with `prefix`. If the store finds uploads only by their whole key (MinIO), all uploads are
        listed too, where an old MinIO returns none. Running uploads, of this driver or another process, are included.
        The options are those of `ListOptions`.

        Raises:
            ContainerNotFoundError: there is no such bucket.
            StorageError: the store refused, or does not respond, or its list cannot be read to its end.
        """
        return multipart_uploads.iterate_multipart_uploads(self, bucket, prefix=prefix, **options)

    async def cleanup_multipart_uploads(
        self, bucket: str, *, prefix: str = "", older_than: timedelta
    ) -> list[PendingUpload]:
        """Abort the multipart uploads under `prefix` that were begun longer than `older_than` ago.

        The age is measured by the store's clock. ``timedelta(0)`` means all uploads that were open at the call, also if
        the store dates them by the second. Uploads that run on this driver are left alone, and so are uploads without a
        time of their beginning. Running uploads of other processes are recognised only by their age: let
        `older_than` be longer than the longest upload takes. If an upload cannot be aborted, the others still are;
        `iterate_multipart_uploads` shows the rest.

        Returns:
            The uploads that this call aborted, without uploads that had ended by themselves meanwhile.

        Raises:
            ConfigurationError: `older_than` is negative, or no timedelta; nothing was sent.
            ContainerNotFoundError: there is no such bucket.
            StorageError: the uploads cannot be listed, and none was aborted.
        """
        return await multipart_uploads.cleanup_multipart_uploads(self, bucket, prefix=prefix, older_than=older_than)


class AmazonS3StorageDriver(S3StorageDriver):
    """`S3StorageDriver` for Amazon S3."""

    default_provider = "aws"


class GoogleStorageDriver(S3StorageDriver):
    """`S3StorageDriver` for Google Cloud Storage, through its XML API with HMAC keys."""

    default_provider = "google"
