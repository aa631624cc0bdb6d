"""The commit, with a definite end.

An answer to CompleteMultipartUpload can be lost, cut off, or an error inside a
200, and the store may have committed all the same. Repeating it is right, but a
refusal of the repetition proves nothing either. So evidence is collected. If the
key shows our nonce, our checksum, or the ETag that our parts make, it was
committed. If the abort finds the upload still there, it was not. If the upload
is gone, and no abort of ours can have ended it, the key's size and age decide;
and only where they cannot be seen, or fit nothing of ours, is the outcome
unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aios3._client.client import OperationClient
from aios3._client.request_log import RequestLog
from aios3._protocol.operations import Committed, CompleteMultipartUpload
from aios3._upload.shared.ownership import Finding, ObjectProof, look_for, multipart_etag, stored_after
from aios3.errors import CompletionUnknownError, UploadNotFoundError
from aios3.models import StorageObject

from .abort import AbortOutcome
from .guard import CancellationGuard

__all__ = [
    "Completion",
]

_PART_COUNT: Final = re.compile(r"-(\d{1,5})\Z")


@dataclass(eq=False)
class Completion:
    """Commits one upload."""

    client: OperationClient
    guard: CancellationGuard
    operation: CompleteMultipartUpload
    size: int
    """Bytes of the object."""
    read_timeout: float
    """Seconds that the store may be silent: it can take minutes to put thousands of parts together."""
    log: RequestLog
    """Of the upload."""
    head_headers: Mapping[str, str] = field(default_factory=dict)
    checksum: str | None = None
    """Of the object, as the store would report it, if it has one."""
    nonce: str | None = None
    """In the object's metadata, if it has one."""

    async def run(self) -> Committed:
        """Commit, and return what the store says of the object.

        Raises:
            ResponseError: the store refused, and nothing was committed.
            TransportError: no answer came, and nothing was committed.
            CompletionUnknownError: whether it was committed could not be found out.
        """
        request = self.log.begin()
        try:
            committed = await self.client.run(self.operation, log=request, read_timeout=self.read_timeout)
        except Exception as error:  # noqa: BLE001 - credentials may fail with anything, at a repetition too
            refusal = error
        else:
            self.guard.completed()
            return committed
        if not request.has_unknown_outcome:
            raise refusal
        return await self._settle(refusal)

    async def _settle(self, refusal: Exception) -> Committed:
        """Find out what became of a commit whose responses were not clear."""
        finding = await self._look()
        if finding.found is not None and self._is_surely_ours(finding):
            return self._found(finding.found)
        outcome = AbortOutcome.GONE
        if not isinstance(refusal, UploadNotFoundError):
            try:
                outcome = await self.guard.abort()
            except Exception as error:
                raise self._unknown("the store answers neither the commit nor the abort") from error
            if outcome not in (AbortOutcome.GONE, AbortOutcome.VANISHED):
                raise refusal
            finding = await self._look()
        # If our own abort may have ended the upload, its end is no sign of a commit: then only proof counts.
        is_ours = self._is_likely_ours if outcome is AbortOutcome.GONE else self._is_surely_ours
        if finding.found is not None and is_ours(finding):
            return self._found(finding.found)
        raise self._unknown("the upload is gone, and the key does not show that it holds it") from refusal

    async def _look(self) -> Finding:
        proof = ObjectProof(self.size, self.checksum, self.nonce)
        return await look_for(self.client, self.operation.bucket, self.operation.key, self.head_headers, proof)

    def _is_surely_ours(self, finding: Finding) -> bool:
        """Return whether size and nonce or checksum match, or else the ETag that our parts make."""
        if finding.found is None or finding.is_ours is not None:
            return bool(finding.is_ours)
        etag = multipart_etag([etag for _, etag, _ in self.operation.parts])
        return etag is not None and finding.found.etag == etag

    def _is_likely_ours(self, finding: Finding) -> bool:
        """Return the same, or whether size, age and number of parts allow it, for an upload that is gone.

        Encrypted objects, and those of stores with ETags of their own, can show no more than that.
        """
        found = finding.found
        if found is None or finding.is_ours is False:
            return False
        parts = _PART_COUNT.search(found.etag)
        is_of_others = parts is not None and int(parts.group(1)) != len(self.operation.parts)
        is_possible = not is_of_others and stored_after(self.client, found, self.log.began_at)
        return is_possible or self._is_surely_ours(finding)

    def _found(self, ours: StorageObject) -> Committed:
        self.guard.completed()
        return Committed(etag=ours.etag, version_id=ours.version_id, checksum=ours.checksum, request_id=None)

    def _unknown(self, why: str) -> CompletionUnknownError:
        operation = self.operation
        return CompletionUnknownError(
            f"whether {operation.bucket}/{operation.key} was committed is unknown: {why}. If HEAD shows {self.size} "
            f"bytes it was; otherwise abort upload {operation.upload_id}",
            bucket=operation.bucket,
            key=operation.key,
            upload_id=operation.upload_id,
        )
