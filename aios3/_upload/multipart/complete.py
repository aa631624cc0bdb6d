"""Commit of a multipart upload, with a definite outcome.

A response to CompleteMultipartUpload can be lost, cut off, unreadable, or an error inside a 200, although the store has
committed. A retry is right, but a refusal of the retry proves nothing either. So evidence is collected. If the key
shows our nonce, the upload was committed. If the store still lists the upload, it was not committed, although the key
may show the same bytes from before. The store is asked before the abort, because some call every abort a success. If
the upload is gone, our checksum or the ETag that our parts make shows the commit. If no abort of ours can have ended
the upload, the size and age of the object at the key also do. The outcome is unknown only if they cannot be seen, or do
not fit our object.

A clear success needs no further request if its ETag or checksum is that of our parts, and the store is known to report
the ETag that HEAD will show. Otherwise one HEAD gives the ETag. If it shows an object that cannot be ours, or none, the
store is asked for the upload: one that is still listed was not committed, whatever the response said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from aios3._client.attempts import FailedAttempts
from aios3._client.client import OperationClient
from aios3._protocol.operations import Committed, CompleteMultipartUpload
from aios3._protocol.wire.response_headers import unquote_etag
from aios3._upload.shared.ownership import Finding, ObjectProof, look_for, multipart_etag, stored_after
from aios3.errors import CompletionUnknownError, ResponseError, UploadNotFoundError
from aios3.models import StorageObject

from .abort import AbortOutcome

__all__ = ["CommitGuard", "Completion"]

_PART_COUNT: Final = re.compile(r"-(\d{1,5})\Z")


class CommitGuard(Protocol):
    """Guard of an open multipart upload, as far as its commit needs it."""

    def completed(self, *, is_completed: bool = True) -> None:
        """Note that the upload was committed, so nothing is left to abort; or that it was not, after all."""

    async def is_open(self, upload_id: str) -> bool | None:
        """Return whether the store still lists the upload; ``None`` if it refuses to list, or does not respond."""

    async def abort(self) -> AbortOutcome:
        """Abort the upload and prove that nothing remained.

        Raises:
            StorageError: the store refused, or could not be reached.
        """


@dataclass(eq=False)
class Completion:
    """Commits one multipart upload."""

    client: OperationClient
    guard: CommitGuard
    operation: CompleteMultipartUpload
    size: int
    """Bytes of the object."""
    read_timeout: float
    """Seconds that the store may send nothing: it can take minutes to put thousands of parts together."""
    log: FailedAttempts
    """Failed attempts of the upload."""
    head_headers: Mapping[str, str] = field(default_factory=dict)
    checksum: str | None = None
    """Checksum of the object, as the store would report it; ``None`` if there is none."""
    nonce: str | None = None
    """Nonce in the object's metadata; ``None`` if there is none."""
    is_etag_final: bool = False
    """The store is known to report the ETag that HEAD will show."""

    async def run(self) -> Committed:
        """Commit, and return what the store reports of the object, with the ETag that HEAD will show.

        The ETag is that of the response if the HEAD fails, or shows an object of another size.

        Raises:
            ResponseError: the store refused, and nothing was committed.
            TransportError: no response came, and nothing was committed.
            CompletionUnknownError: the evidence does not show whether the upload was committed.
        """
        request = self.log.begin()
        try:
            committed = await self.client.run(self.operation, log=request, read_timeout=self.read_timeout)
        except Exception as error:  # noqa: BLE001 - credentials may fail with anything, at a repetition too
            refusal = error
        else:
            self.guard.completed()
            return committed if self._is_final(committed) else await self._confirmed(committed)
        if not request.has_unknown_outcome:
            raise refusal
        return await self._settle(refusal)

    def _is_final(self, committed: Committed) -> bool:
        """Return whether HEAD can show no other ETag: the store is known for that, and the response fits our parts."""
        if not committed.etag or not self.is_etag_final:
            return False
        etag = self._etag_of_parts()
        has_checksum = self.checksum is not None and self.checksum == committed.checksum
        return has_checksum or etag in (None, unquote_etag(committed.etag))

    async def _confirmed(self, committed: Committed) -> Committed:
        """Return `committed` with the ETag that HEAD shows.

        The object may have been replaced by now, so a HEAD that fails or shows another object changes nothing.

        Raises:
            ResponseError: the store still lists the upload, so it was not committed.
        """
        finding = await self._look()
        found = finding.found
        is_shown = found is not None and found.size == self.size and self._may_show(committed, finding, found)
        if not is_shown and finding.trouble is None and await self.guard.is_open(self.operation.upload_id):
            self.guard.completed(is_completed=False)
            raise self._false_success(committed)
        if found is None or found.size != self.size:
            return committed
        version_id = committed.version_id or found.version_id
        return Committed(found.etag, version_id, committed.checksum, committed.request_id)

    def _may_show(self, committed: Committed, finding: Finding, found: StorageObject) -> bool:
        """Return whether the ETag of the object is that of the response, or the object is likely ours."""
        return found.etag == unquote_etag(committed.etag or "") or self._is_likely_ours(finding)

    async def _settle(self, refusal: Exception) -> Committed:
        """Find the outcome of a commit whose responses were not clear."""
        finding = await self._look()
        if finding.found is not None and await self._is_committed(finding, refusal):
            return self._found(finding.found)
        outcome = AbortOutcome.GONE
        if not isinstance(refusal, UploadNotFoundError):
            outcome = await self._end(refusal)
            finding = await self._look()
        # If our own abort may have ended the upload, its end is no sign of a commit, so only proof counts.
        is_ours = self._is_likely_ours if outcome is AbortOutcome.GONE else self._is_surely_ours
        if finding.found is not None and is_ours(finding):
            return self._found(finding.found)
        raise self._unknown("the upload is gone, and the key does not show that it holds it") from refusal

    async def _is_committed(self, finding: Finding, refusal: Exception) -> bool:
        """Return whether the key shows our object, and not the same bytes from before, with other attributes."""
        if not self._is_surely_ours(finding):
            return False
        is_certain = finding.is_marked or isinstance(refusal, UploadNotFoundError)
        return is_certain or not await self.guard.is_open(self.operation.upload_id)

    async def _end(self, refusal: Exception) -> AbortOutcome:
        """Abort the upload if it may be open, and return `GONE` if nothing shows that it was.

        Raises:
            Exception: `refusal`, because the upload was open, so it was not committed.
            CompletionUnknownError: the abort got no clear response.
        """
        is_open = await self.guard.is_open(self.operation.upload_id)
        if is_open is False:
            return AbortOutcome.GONE
        try:
            outcome = await self.guard.abort()
        except Exception as error:
            raise self._unknown("neither the commit nor the abort got a clear response") from error
        if outcome in (AbortOutcome.GONE, AbortOutcome.VANISHED):
            return outcome
        if is_open or not _is_unreadable_success(refusal):
            raise refusal
        return AbortOutcome.GONE

    async def _look(self) -> Finding:
        proof = ObjectProof(self.size, self.checksum, self.nonce)
        return await look_for(
            self.client, self.log, self.operation.bucket, self.operation.key, self.head_headers, proof
        )

    def _is_surely_ours(self, finding: Finding) -> bool:
        """Return whether size and nonce or checksum match, or else the ETag that our parts make."""
        if finding.found is None or finding.is_ours is not None:
            return bool(finding.is_ours)
        etag = self._etag_of_parts()
        return etag is not None and finding.found.etag == etag

    def _etag_of_parts(self) -> str | None:
        return multipart_etag([etag for _, etag, _ in self.operation.parts])

    def _is_likely_ours(self, finding: Finding) -> bool:
        """Return whether size, age and number of parts fit, or `_is_surely_ours`, for an upload that is gone.

        Encrypted objects, and objects of stores that compute ETags differently, give no better evidence.
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

    def _false_success(self, committed: Committed) -> ResponseError:
        operation = self.operation
        return ResponseError(
            "the response is a success, but the store still lists the upload, and the key does not hold the object",
            operation=operation.name,
            status=200,
            request_id=committed.request_id,
            bucket=operation.bucket,
            key=operation.key,
            upload_id=operation.upload_id,
        )

    def _unknown(self, why: str) -> CompletionUnknownError:
        operation = self.operation
        return CompletionUnknownError(
            f"whether {operation.bucket}/{operation.key} was committed is unknown: {why}. If HEAD shows {self.size} "
            f"bytes it was; otherwise abort upload {operation.upload_id}",
            bucket=operation.bucket,
            key=operation.key,
            upload_id=operation.upload_id,
        )


def _is_unreadable_success(refusal: Exception) -> bool:
    """Return whether the store reported a success of the commit, but not in S3's words."""
    return isinstance(refusal, ResponseError) and 200 <= refusal.status < 300 and refusal.code is None
