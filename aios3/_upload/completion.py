"""The commit, with a definite end.

An answer to CompleteMultipartUpload can be lost, cut off, or an error inside a
200, and the store may have committed all the same. Repeating it is right, but a
refusal of the repetition proves nothing either. So evidence is collected: is
the key now our object; and if the abort finds the upload still there, it was
not committed. Only where neither can be found out is the outcome unknown.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aios3._protocol.operations import Committed, CompleteMultipartUpload, HeadObject
from aios3._protocol.retry import is_unclear
from aios3.errors import CompletionUnknownError, ResponseError, StorageError, UploadNotFoundError
from aios3.models import StorageObject

from .client import OperationClient
from .guard import AbortOutcome, CancellationGuard

__all__ = ["Completion", "multipart_etag"]

_MD5: Final = re.compile(r'"?([0-9a-f]{32})"?\Z')
_SLACK: Final = 2.0
"""Seconds: HTTP dates are whole seconds."""


def multipart_etag(part_etags: list[str]) -> str | None:
    """Return the ETag that S3 gives to an object of these parts, unquoted; ``None`` if theirs are no MD5s."""
    digests = [found.group(1) for etag in part_etags if (found := _MD5.match(etag))]
    if len(digests) != len(part_etags):
        return None
    joined = b"".join(bytes.fromhex(digest) for digest in digests)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(digests)}"


@dataclass(eq=False)
class Completion:
    """Commits one upload."""

    client: OperationClient
    guard: CancellationGuard
    operation: CompleteMultipartUpload
    size: int
    """Bytes of the object."""
    began_at: float
    """When the upload began, by the client's monotonic clock."""
    answer_timeout: float
    """Seconds that the store may be silent: it can take minutes to put thousands of parts together."""
    failures: list[StorageError]
    """Receives failed attempts."""
    head_headers: Mapping[str, str] = field(default_factory=dict)

    async def run(self) -> Committed:
        """Commit, and return what the store says of the object.

        Raises:
            ResponseError: the store refused, and nothing was committed.
            TransportError: no answer came, and nothing was committed.
            CompletionUnknownError: whether it was committed could not be found out.
        """
        failures: list[StorageError] = []
        try:
            committed = await self.client.run(self.operation, failures=failures, answer_timeout=self.answer_timeout)
        except StorageError as error:
            refusal = error
        else:
            self.guard.completed()
            return committed
        finally:
            self.failures.extend(failures)
        if not any(is_unclear(failure) for failure in failures):
            raise refusal
        return await self._settle(refusal)

    async def _settle(self, refusal: StorageError) -> Committed:
        """Find out what a commit came to whose answers were not clear."""
        if (ours := await self._find()) is not None:
            return self._found(ours)
        if isinstance(refusal, ResponseError) and not is_unclear(refusal):
            if not isinstance(refusal, UploadNotFoundError):
                raise refusal
            raise self._unknown("the store no longer knows the upload, and the key does not hold it") from refusal
        try:
            outcome = await self.guard.abort()
        except StorageError as error:
            raise self._unknown("the store answers neither the commit nor the abort") from error
        if outcome is AbortOutcome.ABORTED:
            raise refusal
        if (ours := await self._find()) is not None:
            return self._found(ours)
        raise self._unknown("the upload is gone, and the key does not hold it") from refusal

    async def _find(self) -> StorageObject | None:
        """Return what the key holds if it is our object; ``None`` if it is not, or cannot be looked at."""
        operation = HeadObject(self.operation.bucket, self.operation.key, self.head_headers)
        try:
            found = await self.client.run(operation)
        except StorageError:
            return None
        return found if self._is_ours(found) else None

    def _is_ours(self, found: StorageObject) -> bool:
        """Same size, and either the ETag that our parts make or an age that fits only what came after our beginning."""
        if found.size != self.size:
            return False
        if found.etag == multipart_etag([etag for _, etag, _ in self.operation.parts]):
            return True
        if found.last_modified is None:
            return False
        age = (self.client.by_the_stores_clock(self.client.clock.now()) - found.last_modified).total_seconds()
        return age <= self.client.clock.monotonic() - self.began_at + _SLACK

    def _found(self, ours: StorageObject) -> Committed:
        self.guard.completed()
        return Committed(etag=ours.etag, version_id=ours.version_id, checksum=None, request_id=None)

    def _unknown(self, why: str) -> CompletionUnknownError:
        operation = self.operation
        return CompletionUnknownError(
            f"whether {operation.bucket}/{operation.key} was committed is unknown: {why}. If HEAD shows {self.size} "
            f"bytes it was; otherwise abort upload {operation.upload_id}",
            bucket=operation.bucket,
            key=operation.key,
            upload_id=operation.upload_id,
        )
