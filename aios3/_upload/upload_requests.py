"""Requests that make the object: one PutObject, or the commit of the parts."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

from aios3._client.attempts import FailedAttempts
from aios3._client.observing.timeline import Timeline
from aios3._protocol.operations import (
    Committed,
    CompleteMultipartUpload,
    CreateMultipartUpload,
    PutObject,
)
from aios3._protocol.parts.part_tracker import PartTracker
from aios3._protocol.wire.messages import Body
from aios3._protocol.wire.response_headers import unquote_etag
from aios3._upload.multipart.complete import CommitGuard, Completion
from aios3._upload.put.put_object import put_object
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.integrity import part_checksum
from aios3._upload.shared.job import UploadJob
from aios3._upload.shared.ownership import NONCE_NAME, ObjectProof
from aios3._upload.shared.receipts import verification_of_multipart, verification_of_put, verification_of_stream
from aios3.errors import CompletionUnknownError
from aios3.models import CommitRequest, UploadedPart, UploadReceipt, Verification

__all__ = ["UploadRequests"]


@dataclass(eq=False)
class UploadRequests:
    """Builds and sends the requests of one upload that create or commit its object."""

    engine: Engine
    job: UploadJob
    log: FailedAttempts
    """Failed attempts of the upload."""
    _checksum: str | None = None
    """Checksum of the object, computed by `completion` from those of the parts; ``None`` without one."""
    _verification: Verification | None = None
    """Verification of the object that `put` or `complete` has made; ``None`` for a streamed PutObject."""

    @property
    def timeline(self) -> Timeline:
        """Time line of the upload."""
        return self.log.upload.timeline

    def creation(self) -> CreateMultipartUpload:
        """Return the operation that begins the multipart upload."""
        headers = self._describing_headers()
        if self.job.checksum is not None:
            headers.update(self.job.checksum.creation_headers())
        return CreateMultipartUpload(self.job.bucket, self.job.key, headers)

    def _describing_headers(self) -> dict[str, str]:
        headers = dict(self.job.headers.create)
        if self.job.nonce is not None:
            headers[f"x-amz-meta-{NONCE_NAME}"] = self.job.nonce
        return headers

    def put_headers(self) -> dict[str, str]:
        """Return the headers of a PutObject of the whole object that do not depend on its body."""
        headers = self._describing_headers()
        headers.update(self.job.headers.commit)
        return headers

    async def put(self, body: Body) -> Committed:
        """Put the whole object.

        Raises:
            IntegrityError: the store reports another checksum than was sent.
            StorageError: the store refused, no response came, or the outcome is unknown.
        """
        job = self.job
        headers = self.put_headers()
        if job.needs_md5:
            headers |= await job.content_md5(body)
        sent = None if job.checksum is None else await part_checksum(job.checksum, body)
        operation = PutObject(job.bucket, job.key, headers, body, sent)
        proof = ObjectProof(sum(map(len, body)), None if sent is None else sent[1], job.nonce)
        committed = await put_object(self.engine.client, operation, self.log, job.headers.part, proof)
        if job.checksum is not None and sent is not None:
            job.checksum.compare(sent[1], committed, bucket=job.bucket, key=job.key)
        self._verification = verification_of_put(job, operation, committed, is_signed=self._signs_bodies)
        return committed

    async def approve(self, size: int, parts: tuple[UploadedPart, ...] = ()) -> None:
        """Ask ``before_commit``, if there is one, before the request that makes the object of `size` bytes.

        Raises:
            Exception: what the function raises, unchanged.
        """
        job = self.job
        if job.before_commit is None:
            return
        metadata = None if job.range is not None else dict(job.attributes.get("metadata") or {})
        with self.timeline.during("commit"):
            outcome = job.before_commit(CommitRequest(job.bucket, job.key, size, parts, self._checksum, metadata))
            if inspect.isawaitable(outcome):
                await outcome

    async def prepare(self, upload_id: str, tracker: PartTracker, count: int, size: int) -> CompleteMultipartUpload:
        """Return the operation of `completion`, after ``before_commit`` has approved it.

        Raises:
            IntegrityError: see `completion`.
            Exception: what ``before_commit`` raises, unchanged.
        """
        operation = await self.completion(upload_id, tracker, count, size)
        await self.approve(size, tracker.uploaded_parts())
        return operation

    async def completion(self, upload_id: str, tracker: PartTracker, count: int, size: int) -> CompleteMultipartUpload:
        """Return the operation that makes the object out of its parts.

        Args:
            upload_id: id of the multipart upload.
            tracker: record of its parts.
            count: number of its parts.
            size: size of the object in bytes.

        Raises:
            IntegrityError: parts are missing, or the checksum of one is none.
        """
        job = self.job
        parts = tracker.finish(count=count, size=size)
        self._checksum = None if job.checksum is None else await job.checksum.of_parts(tracker.checksums())
        return self._completing(upload_id, parts, size, self._checksum)

    async def complete(self, guard: CommitGuard, operation: CompleteMultipartUpload, size: int) -> Committed:
        """Make the object out of its parts, and return the response with the ETag that HEAD will report.

        Args:
            guard: guard of the multipart upload, which is open.
            operation: result of `prepare` or `completion`.
            size: size of the object in bytes.

        Raises:
            IntegrityError: the store reports another checksum than the parts make.
            StorageError: see `Completion.run`.
        """
        job, checksum = self.job, self._checksum
        with self.timeline.during("commit"):
            committed = await self._complete(guard, operation, size, checksum)
        if job.checksum is not None and checksum is not None:
            job.checksum.compare(checksum, committed, bucket=job.bucket, key=job.key)
        self._verification = verification_of_multipart(
            job, operation, committed, checksum=checksum, is_signed=self._signs_bodies
        )
        return committed

    def _completing(
        self, upload_id: str, parts: Sequence[tuple[int, str, str | None]], size: int, checksum: str | None
    ) -> CompleteMultipartUpload:
        job = self.job
        algorithm, headers = None, dict(job.headers.commit)
        if job.checksum is not None and checksum is not None:
            algorithm = job.checksum.algorithm
            headers.update(job.checksum.commit_headers(checksum))
        sent_size = size if self.engine.provider.checks_object_size else None
        return CompleteMultipartUpload(job.bucket, job.key, upload_id, parts, algorithm, headers, sent_size)

    async def _complete(
        self, guard: CommitGuard, operation: CompleteMultipartUpload, size: int, checksum: str | None
    ) -> Committed:
        completion = Completion(
            client=self.engine.client,
            guard=guard,
            operation=operation,
            size=size,
            read_timeout=self.engine.timeouts.complete,
            log=self.log,
            head_headers=self.job.headers.part,
            checksum=checksum,
            nonce=self.job.nonce,
            is_etag_final=self.engine.provider.complete_etag_is_final,
        )
        return await completion.run()

    def given_up(self, upload_id: str | None) -> CompletionUnknownError:
        """Return the error for a commit that the end of the driver has cut off."""
        job = self.job
        return CompletionUnknownError(
            f"the driver was closed while {job.bucket}/{job.key} was being committed; HEAD shows whether it was",
            bucket=job.bucket,
            key=job.key,
            upload_id=upload_id,
        )

    def receipt(
        self, committed: Committed, size: int, parts: tuple[UploadedPart, ...] = (), upload_id: str | None = None
    ) -> UploadReceipt:
        """Return the receipt of the committed object; only a multipart upload has `parts` and an `upload_id`."""
        job, timing = self.job, self.log.upload.timeline.snapshot()
        receipt = UploadReceipt(
            bucket=job.bucket,
            key=job.key,
            size=size,
            etag=unquote_etag(committed.etag or ""),
            version_id=committed.version_id,
            upload_id=upload_id,
            parts=parts,
            checksum=committed.checksum,
            request_id=committed.request_id,
            retries=len(self.log),
            elapsed=timing.total,
            verification=self._verification or verification_of_stream(job),
            timing=timing,
        )
        self.log.upload.committed(receipt)
        return receipt

    @property
    def _signs_bodies(self) -> bool:
        client = self.engine.client
        return client.credentials is not None and client.payload_signing == "sha256"
