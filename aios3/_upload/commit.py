"""Makes the object: by one PutObject, or out of the parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aios3._protocol.answers import unquote_etag
from aios3._protocol.messages import Body
from aios3._protocol.operations import (
    Committed,
    CompleteMultipartUpload,
    CreateMultipartUpload,
    HeadObject,
    PutObject,
)
from aios3.errors import StorageError
from aios3.models import UploadedPart, UploadReceipt

from .completion import Completion
from .engine import Engine
from .guard import CancellationGuard
from .hashing import part_checksum
from .job import UploadJob
from .single_put import put_object
from .tracker import PartTracker

__all__ = ["Commit"]


@dataclass(eq=False)
class Commit:
    """The requests of one upload that are not about a part."""

    engine: Engine
    job: UploadJob
    guard: CancellationGuard
    failures: list[StorageError]
    """Receives failed attempts."""
    began_at: float
    """By the client's monotonic clock."""

    def creation(self) -> CreateMultipartUpload:
        """Return the operation that begins the multipart upload."""
        headers = dict(self.job.headers.create)
        if self.job.checksum is not None:
            headers.update(self.job.checksum.creation_headers())
        return CreateMultipartUpload(self.job.bucket, self.job.key, headers)

    async def put(self, body: Body) -> Committed:
        """Put the whole object.

        Raises:
            IntegrityError: the store reports another checksum than was sent.
            StorageError: the store refused or does not answer.
        """
        job = self.job
        headers = {**job.headers.create, **job.headers.commit}
        sent = await part_checksum(job.checksum, body)
        operation = PutObject(job.bucket, job.key, headers, body, sent)
        committed = await put_object(self.engine.client, operation, self.failures, job.headers.part)
        if job.checksum is not None and sent is not None:
            job.checksum.compare(sent[1], committed, bucket=job.bucket, key=job.key)
        return committed

    async def complete(self, upload_id: str, tracker: PartTracker, count: int, size: int) -> Committed:
        """Make the object out of its `count` parts, and return it with the ETag that HEAD will report.

        Raises:
            IntegrityError: parts are missing, or the store reports another checksum than the parts make.
            StorageError: see `Completion.run`.
        """
        parts = tracker.finish(count=count, size=size)
        if self.job.checksum is None:
            return await self._complete(upload_id, parts, size, self.job.headers.commit)
        checksum = await self.job.checksum.of_parts(tracker.checksums())
        headers = {**self.job.headers.commit, **self.job.checksum.commit_headers(checksum)}
        committed = await self._complete(upload_id, parts, size, headers)
        self.job.checksum.compare(checksum, committed, bucket=self.job.bucket, key=self.job.key)
        return committed

    async def _complete(
        self, upload_id: str, parts: Sequence[tuple[int, str, str | None]], size: int, headers: Mapping[str, str]
    ) -> Committed:
        job = self.job
        algorithm = None if job.checksum is None else job.checksum.algorithm
        operation = CompleteMultipartUpload(job.bucket, job.key, upload_id, parts, algorithm, headers)
        completion = Completion(
            client=self.engine.client,
            guard=self.guard,
            operation=operation,
            size=size,
            began_at=self.began_at,
            answer_timeout=self.engine.timeouts.complete,
            failures=self.failures,
            head_headers=job.headers.part,
        )
        return await self._with_final_etag(await completion.run(), size)

    async def _with_final_etag(self, committed: Committed, size: int) -> Committed:
        """Look the ETag up where the store's answer to Complete has none, or another than HEAD will report.

        The object is committed by now, so a HEAD that fails, or finds that somebody has replaced the object since,
        leaves the answer as it is.
        """
        if committed.etag and self.engine.provider.complete_etag_is_final:
            return committed
        try:
            found = await self.engine.client.run(HeadObject(self.job.bucket, self.job.key, self.job.headers.part))
        except StorageError:
            return committed
        if found.size != size:
            return committed
        version_id = committed.version_id or found.version_id
        return Committed(found.etag, version_id, committed.checksum, committed.request_id)

    def receipt(self, committed: Committed, size: int, parts: tuple[UploadedPart, ...]) -> UploadReceipt:
        """Return what the caller is told of an object that was committed."""
        return UploadReceipt(
            bucket=self.job.bucket,
            key=self.job.key,
            size=size,
            etag=unquote_etag(committed.etag or ""),
            version_id=committed.version_id,
            upload_id=self.guard.upload_id,
            parts=parts,
            checksum=committed.checksum,
            request_id=committed.request_id,
            retries=len(self.failures),
            elapsed=self.engine.client.clock.monotonic() - self.began_at,
        )
