"""Open uploads of browsers that send their parts straight to the store: begin, sign, verify, commit, abort."""

from __future__ import annotations

import asyncio
import inspect
import json
import secrets
import weakref
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Final, TypeVar

from aios3._concurrency.shielding import finish_despite_cancellation
from aios3._upload.shared.ownership import NONCE_NAME
from aios3.checkpoints import MultipartUpload
from aios3.driver import S3StorageDriver
from aios3.errors import (
    ConfigurationError,
    IntegrityError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    PreconditionFailedError,
    UploadNotFoundError,
)
from aios3.models import StorageObject, UploadedPart, UploadReceipt
from aios3.options import MIB, TransferConfig
from aios3.web._progress.events import UploadState

from .messages import MOST_PARTS, DeclaredFile, RefusedError
from .tokens import TokenSealer

__all__ = ["DirectService", "KeyFor", "OnComplete", "OpenUpload", "called"]

T = TypeVar("T")

KeyFor = Callable[[str | None, Mapping[str, str]], str | Awaitable[str]]
OnComplete = Callable[[UploadReceipt, Mapping[str, str]], object]

LEAST_PART: Final = 5 * MIB
"""Smallest part that every store takes, and the part of Uppy for files below 48.8 GiB."""

_COMPLETION_DEADLINE: Final = 600.0
"""Seconds that a commit and ``on_complete`` may take."""


async def called(result: T | Awaitable[T]) -> T:
    """Return the result of a function that may be async."""
    if inspect.isawaitable(result):
        return await result
    return result


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """Upload that a client has shown the token of."""

    upload: MultipartUpload
    metadata: Mapping[str, str]


class DirectService:
    """Multipart uploads whose only state is the store and the token that the client holds."""

    def __init__(
        self,
        driver: S3StorageDriver,
        bucket: str,
        *,
        prefix: str,
        max_size: int | None,
        require_size: bool,
        key_for: KeyFor | None,
        on_complete: OnComplete | None,
        expires_in: int,
        max_age: timedelta,
        part_size: int,
        sealer: TokenSealer,
        clock: Callable[[], float],
    ) -> None:
        self.driver, self.bucket, self.expires_in, self.sealer, self.clock = driver, bucket, expires_in, sealer, clock
        self._prefix, self._max_size, self._require_size = prefix, max_size, require_size
        self._key_for, self._on_complete = key_for, on_complete
        self._max_age, self._part_size = max_age, part_size
        self._completing: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    @property
    def _is_first_to_keep(self) -> bool:
        """A key that was chosen for one upload takes no second one, which a client may begin by the same signed URL."""
        provider = self.driver._provider
        return (
            self._key_for is None
            and provider.conditional_complete is True
            and "if_none_match" not in provider.refused_attributes
        )

    async def key_of(self, owner: str | None, file: DeclaredFile) -> str:
        """Return the key for a file; without ``key_for`` nothing of the file or the owner decides it."""
        if self._key_for is None:
            return f"{self._prefix}{secrets.token_hex(16)}"
        return f"{self._prefix}{await called(self._key_for(owner, file.metadata))}"

    def check_size(self, size: int | None) -> None:
        """Refuse a file that is too large, or of unknown size if sizes are required.

        Raises:
            RefusedError: with status 411 or 413.
        """
        if size is None and self._require_size:
            raise RefusedError(411, "size is required: the number of bytes of the file")
        if size is not None and self._max_size is not None and size > self._max_size:
            raise RefusedError(413, f"the upload may have at most {self._max_size} bytes")

    async def begin(self, owner: str | None, file: DeclaredFile, key: str) -> tuple[str, MultipartUpload]:
        """Create the multipart upload; return the token for its owner, and the upload.

        Raises:
            RefusedError: the file is too large, also for parts within the driver's ``memory_limit``.
            StorageError: the store refused, or does not respond.
        """
        self.check_size(file.size)
        part_size = self._part_size_for(file.size)
        try:
            upload = await self.driver.create_multipart_upload(
                self.bucket,
                key,
                size=file.size,
                # A browser sends no checksums, and a store that expects them would refuse its parts.
                transfer=TransferConfig(part_size=part_size, checksum=None, nonce=True),
                content_type=file.content_type,
                if_none_match="*" if self._is_first_to_keep else None,
            )
        except ConfigurationError as error:
            if part_size == self._part_size:
                raise
            raise RefusedError(413, "the upload is larger than this server can take") from error
        return self._seal(owner, OpenUpload(upload, file.metadata)), upload

    def _part_size_for(self, size: int | None) -> int:
        """Return the part size that Uppy takes, so that its parts lie on the grid of the upload."""
        return max(self._part_size, -(-(size or 0) // MOST_PARTS))

    def _seal(self, owner: str | None, opened: OpenUpload) -> str:
        known = {name: value for name, value in json.loads(opened.upload.to_json()).items() if value is not None}
        del known["bucket"]
        value = {"upload": known, "metadata": opened.metadata, "begun": int(self.clock())}
        return self.sealer.seal(value, "upload", self.bucket, self._prefix, owner)

    def open(self, owner: str | None, token: str, key: str | None) -> OpenUpload:
        """Return the upload of a token.

        Raises:
            RefusedError: with 404 if the token is not the owner's, is of another `key`, or is older than ``max_age``.
        """
        value = self.sealer.open(token, "upload", self.bucket, self._prefix, owner)
        if value is None or self.clock() > value["begun"] + self._max_age.total_seconds():
            raise RefusedError(404, "there is no such upload")
        empty = dict.fromkeys(asdict(MultipartUpload(self.bucket, "k", "u", 1)))
        upload = MultipartUpload.from_json(json.dumps({**empty, "bucket": self.bucket, **value["upload"]}))
        if key is not None and key != upload.key:
            raise RefusedError(404, "there is no such upload")
        return OpenUpload(upload, value["metadata"])

    async def part_url(self, opened: OpenUpload, number: int, expires_in: int | None = None) -> str:
        """Return a presigned URL for one part, which binds the part's length if the upload's size is known.

        Raises:
            RefusedError: the upload cannot have a part of this number.
        """
        upload = opened.upload
        most = upload.size if upload.size is not None else self._max_size
        if most is not None and number > max(1, -(-most // upload.part_size)):
            raise RefusedError(400, f"part {number} lies behind the end of the upload")
        return await self.driver.create_part_url(
            upload, number, expires_in=expires_in or self.expires_in, size=upload.size_of_part(number)
        )

    async def put_url(self, file: DeclaredFile, key: str, expires_in: int | None = None) -> str:
        """Return a presigned URL for the whole object: key, content type, and the length if it is declared."""
        self.check_size(file.size)
        return await self.driver.create_upload_url(
            self.bucket,
            key,
            expires_in=expires_in or self.expires_in,
            size=file.size,
            content_type=file.content_type,
        )

    async def parts(self, opened: OpenUpload) -> list[UploadedPart]:
        """Return the parts that the store holds."""
        return [part async for part in self.driver.iterate_parts(opened.upload)]

    async def look_at(self, owner: str | None, token: str) -> UploadState:
        """Return the state of an upload for those who only watch it, by at most two requests and one for 1,000 parts.

        An object that was moved or deleted since is gone.

        Raises:
            StorageError: the store refused, or does not respond.
        """
        try:
            opened = self.open(owner, token, None)
        except RefusedError:
            return UploadState("gone")
        try:
            offset = sum(part.size for part in await self.parts(opened))
        except UploadNotFoundError:
            found = await self._completed(opened.upload)
            return UploadState("gone") if found is None else UploadState("complete", found.size, found.size)
        return UploadState("active", offset, opened.upload.size)

    async def abort(self, opened: OpenUpload) -> None:
        """Abort the upload and prove that nothing remained."""
        await self.driver.abort_multipart_upload(opened.upload)

    async def complete(self, opened: OpenUpload, seen: Mapping[int, str]) -> str:
        """Verify the parts against the store, commit, call ``on_complete``, and return the URL of the object.

        A cancellation is raised after the end, because a commit cannot be taken back. A repeated call finds the object
        and does nothing more.

        Args:
            opened: the upload.
            seen: ETags that the client got for its parts, by number.

        Raises:
            IntegrityError: the parts are not those that the client sent, or do not make the object. Nothing is
                committed, and the upload stays open.
            ObjectTooLargeError: the parts hold more than ``max_size``; the upload was aborted.
            PreconditionFailedError: another upload has been committed to the key; this one was aborted.
            UploadNotFoundError: the upload is neither open nor completed.
        """
        finished = await finish_despite_cancellation(
            lambda: self._complete_once(opened, seen), deadline=_COMPLETION_DEADLINE, name="aios3 direct completion"
        )
        if finished.cancellation is not None:
            raise finished.cancellation
        if finished.error is not None:
            raise finished.error
        return await self.driver.get_object_cdn_url(self.bucket, opened.upload.key)

    async def _complete_once(self, opened: OpenUpload, seen: Mapping[int, str]) -> None:
        upload_id = opened.upload.upload_id
        async with self._completing.setdefault(upload_id, asyncio.Lock()):
            try:
                receipt = await self._commit(opened, seen)
            except (UploadNotFoundError, PreconditionFailedError) as error:
                if await self._completed(opened.upload) is not None:
                    return
                if isinstance(error, PreconditionFailedError):
                    await self.abort(opened)  # another upload has the key, so this one cannot end
                raise
            if self._on_complete is not None:
                await called(self._on_complete(receipt, opened.metadata))

    async def _commit(self, opened: OpenUpload, seen: Mapping[int, str]) -> UploadReceipt:
        parts = await self.parts(opened)
        if {part.number: part.etag for part in parts} != dict(seen):
            raise IntegrityError("the parts in the store are not those that the client lists")
        size = sum(part.size for part in parts)
        if self._max_size is not None and size > self._max_size:
            await self.abort(opened)
            raise ObjectTooLargeError(f"the parts hold {size} bytes, and {self._max_size} are allowed")
        return await self.driver.complete_multipart_upload(_on_grid(opened.upload, parts), parts=parts)

    async def _completed(self, upload: MultipartUpload) -> StorageObject | None:
        """Return the object of this upload, which its nonce proves; ``None`` if the key does not hold it."""
        try:
            found = await self.driver.get_object(upload.bucket, upload.key)
        except ObjectNotFoundError:
            return None
        return found if upload.nonce is not None and found.metadata.get(NONCE_NAME) == upload.nonce else None


def _on_grid(upload: MultipartUpload, parts: list[UploadedPart]) -> MultipartUpload:
    """Return the upload with the part size that its parts have: without a declared size the client chooses it."""
    if upload.size is None and parts and parts[0].size > upload.part_size:
        return replace(upload, part_size=parts[0].size)
    return upload
