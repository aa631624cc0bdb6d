"""Copy of an object by one request, with a definite outcome."""

from __future__ import annotations

from dataclasses import replace

from aios3._client.attempts import FailedAttempts
from aios3._protocol.operations import Committed, CopyObject
from aios3._protocol.wire.response_headers import unquote_etag
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import UploadJob
from aios3._upload.shared.ownership import ObjectProof, look_for, stored_after
from aios3.errors import CompletionUnknownError
from aios3.models import UploadReceipt, Verification

__all__ = ["copy_whole"]


async def copy_whole(
    engine: Engine, job: UploadJob, operation: CopyObject, size: int, log: FailedAttempts
) -> UploadReceipt:
    """Copy the object, and return the receipt.

    A lost response does not prove a failure. The key then shows whether it holds the copy: an object of that size and
    of the source's ETag, stored since the copy began. If the response has no ETag, and the key cannot be looked at, the
    receipt has an empty one.

    Raises:
        ResponseError: the store refused.
        TransportError: no response came, and the key holds no copy.
        CompletionUnknownError: no response came, and the key cannot be looked at, or holds what may be the copy.
    """
    request = log.begin()
    try:
        committed = await engine.client.run(operation, log=request, read_timeout=engine.timeouts.complete)
    except Exception as error:
        if not request.has_unknown_outcome:
            raise
        committed = await _settle(engine, job, operation, size, log, error)
    if committed.etag is None:
        finding = await look_for(engine.client, log, job.bucket, job.key, job.headers.part, ObjectProof(size))
        if finding.found is not None and finding.is_ours is not False:
            committed = replace(committed, etag=finding.found.etag)
    timing = log.upload.timeline.snapshot()
    receipt = UploadReceipt(
        bucket=job.bucket,
        key=job.key,
        size=size,
        etag=unquote_etag(committed.etag or ""),
        version_id=committed.version_id,
        upload_id=None,
        parts=(),
        checksum=committed.checksum,
        request_id=committed.request_id,
        retries=len(log),
        elapsed=timing.total,
        verification=Verification(),
        timing=timing,
    )
    log.upload.committed(receipt)
    return receipt


async def _settle(
    engine: Engine, job: UploadJob, operation: CopyObject, size: int, log: FailedAttempts, refusal: Exception
) -> Committed:
    """Return the copy if the key holds it.

    Raises:
        Exception: `refusal`, because the key holds nothing that could be the copy.
        CompletionUnknownError: see `copy_whole`.
    """
    finding = await look_for(engine.client, log, job.bucket, job.key, job.headers.part, ObjectProof(size))
    found = finding.found
    if found is not None and found.size == size and stored_after(engine.client, found, log.began_at):
        if found.etag == operation.source.etag:
            return Committed(found.etag, found.version_id, found.checksum, request_id=None)
    elif finding.trouble is None:
        raise refusal
    raise CompletionUnknownError(
        f"whether {job.bucket}/{job.key} was copied is unknown: the response to CopyObject was lost ({refusal})",
        bucket=job.bucket,
        key=job.key,
        upload_id=None,
    ) from refusal
