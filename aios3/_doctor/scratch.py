"""Scratch object of an examination: the only key that is written, and its removal in every ending."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

from aios3._client.attempts import FailedAttempts
from aios3._client.client import OperationClient
from aios3._concurrency.shielding import finish_despite_cancellation
from aios3._protocol.operations import (
    Committed,
    CompleteMultipartUpload,
    CreateMultipartUpload,
    DeleteObject,
    ListMultipartUploads,
    ListObjectVersions,
    Operation,
    PartResponse,
    PutObject,
    UploadPart,
)
from aios3._upload.multipart.abort import Abort
from aios3.errors import ObjectNotFoundError, StorageError

__all__ = ["PREFIX", "Parts", "Scratch"]

PREFIX: Final = ".aios3-doctor/"
"""Beginning of the keys that examinations write."""

_DEADLINE: Final = 30.0
"""Seconds for a request whose end must be seen, and for the removal."""

T = TypeVar("T")
Parts = Sequence[tuple[int, PartResponse]]


class Scratch:
    """Writes one key of a bucket, and remembers what has to be removed."""

    def __init__(self, client: OperationClient, bucket: str, key: str) -> None:
        self.client = client
        self.bucket = bucket
        self.key = key
        self._versions: set[str | None] = set()
        """Versions that may exist; ``None`` stands for the object of a bucket without versions."""
        self._uploads: set[str] = set()
        self._is_in_doubt = False
        """Whether a response was lost, so there may be a version or an upload whose id is not known."""

    async def put(self, body: bytes, headers: Mapping[str, str]) -> Committed:
        """Store the object in one request.

        Raises:
            StorageError: the store refused, or did not respond.
        """
        operation = PutObject(self.bucket, self.key, headers, (body,) if body else ())
        return await self._commit(operation)

    async def create(self) -> str:
        """Begin a multipart upload, and return its id.

        Raises:
            StorageError: the store refused, or did not respond.
        """
        operation = CreateMultipartUpload(self.bucket, self.key, {})

        async def work() -> str:
            upload_id = await self._run(operation)
            self._uploads.add(upload_id)
            return upload_id

        return await _to_its_end(work)

    async def send_part(self, upload_id: str, number: int, size: int) -> tuple[int, PartResponse]:
        """Store a part of so many bytes, and return its number and response.

        Raises:
            StorageError: the store refused, or did not respond.
        """
        operation = UploadPart(self.bucket, self.key, upload_id, number, (bytes(size),), {})
        return number, await self.client.run(operation)

    async def complete(self, upload_id: str, parts: Parts, headers: Mapping[str, str] | None = None) -> Committed:
        """Commit an upload. If that fails, the upload counts as open.

        Raises:
            StorageError: the store refused, or did not respond.
        """
        listed = [(number, part.etag, None) for number, part in parts]
        operation = CompleteMultipartUpload(self.bucket, self.key, upload_id, listed, None, headers or {})
        committed = await self._commit(operation)
        self._uploads.discard(upload_id)
        return committed

    async def _commit(self, operation: PutObject | CompleteMultipartUpload) -> Committed:
        async def work() -> Committed:
            committed: Committed = await self._run(operation)
            self._versions.add(committed.version_id)
            return committed

        return await _to_its_end(work)

    async def _run(self, operation: Operation[T]) -> T:
        log = FailedAttempts()
        try:
            return await self.client.run(operation, log=log)
        except asyncio.CancelledError:  # its time ran out
            self._is_in_doubt = True
            raise
        finally:
            self._is_in_doubt |= log.has_unknown_outcome

    async def clean_up(self) -> list[str]:
        """Remove everything, although the caller is cancelled, and return a sentence for each thing that stays.

        Raises:
            CancelledError: the caller was cancelled meanwhile. The removal has ended all the same.
        """
        finished = await finish_despite_cancellation(self._remove, deadline=_DEADLINE, name="aios3: remove the scratch")
        if finished.cancellation is not None:
            raise finished.cancellation
        if isinstance(finished.error, TimeoutError) and not isinstance(finished.error, StorageError):
            return [f"the removal of {self.key!r} was not finished after {_DEADLINE:g} s"]
        if finished.error is not None:
            raise finished.error
        return finished.result or []

    async def _remove(self) -> list[str]:
        if self._is_in_doubt:
            await self._look()
        left = [await self._without_failing(self._abort, upload_id) for upload_id in sorted(self._uploads)]
        left += [
            await self._without_failing(self._delete, version)
            for version in sorted(self._versions, key=lambda v: v or "")
        ]
        return [sentence for sentence in left if sentence]

    async def _look(self) -> None:
        """Add what the store has of the key. If it refuses to list, the plain object may be there."""
        try:
            pending = await self.client.run(ListMultipartUploads(self.bucket, self.key))
            self._uploads.update(each.upload_id for each in pending.uploads if each.key == self.key)
            page = await self.client.run(ListObjectVersions(self.bucket, self.key))
            ids = [each.version_id for each in page.versions if each.key == self.key]
            self._versions.update(None if each == "null" else each for each in ids)
        except StorageError:
            self._versions.add(None)

    async def _abort(self, upload_id: str) -> str:
        abort = Abort(self.client, (self.bucket, self.key, upload_id), {}, FailedAttempts())
        await abort.send()
        is_gone = await abort.prove()
        self._uploads.discard(upload_id)
        return "" if is_gone else f"the store still lists upload {upload_id!r} of {self.key!r} after its abort"

    async def _delete(self, version: str | None) -> str:
        with contextlib.suppress(ObjectNotFoundError):
            await self.client.run(DeleteObject(self.bucket, self.key, version_id=version))
        self._versions.discard(version)
        return ""

    async def _without_failing(self, remove: Callable[[Any], Awaitable[str]], what: str | None) -> str:
        try:
            return await remove(what)
        except StorageError as error:
            return str(error)


async def _to_its_end(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a request whose response must be seen, and raise a cancellation that came meanwhile afterwards."""
    finished = await finish_despite_cancellation(work, deadline=_DEADLINE, name="aios3: scratch request")
    if finished.cancellation is not None:
        raise finished.cancellation
    if finished.error is not None:
        raise finished.error
    return finished.result  # type: ignore[return-value] # it has neither failed nor been cancelled
