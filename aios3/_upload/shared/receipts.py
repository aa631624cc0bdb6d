"""Verification in a receipt, derived only from what was sent and what the store returned."""

from __future__ import annotations

import base64
from typing import Final, Literal

from aios3._protocol.operations import Committed, CompleteMultipartUpload, PutObject
from aios3._protocol.wire.response_headers import unquote_etag
from aios3._upload.shared.job import UploadJob
from aios3._upload.shared.ownership import multipart_etag
from aios3.models import Verification

__all__ = ["verification_of_multipart", "verification_of_put", "verification_of_stream"]

_SIGNED: Final = Verification(bodies=frozenset({"signature"}), whole="full-object")
_UNSIGNED: Final = Verification(whole="size")
"""Verifications of a PutObject with no other digest than its signature, which most small objects have."""


def verification_of_stream(job: UploadJob) -> Verification:
    """Return the verification of a streamed PutObject: only its length, if that was declared."""
    return Verification(whole=None if job.size is None else "size")


def verification_of_put(job: UploadJob, operation: PutObject, committed: Committed, *, is_signed: bool) -> Verification:
    """Return the verification of one PutObject; `is_signed` says that the signature covered its body."""
    if job.checksum is None and not job.needs_md5:
        return _SIGNED if is_signed else _UNSIGNED
    bodies = _bodies(job, is_signed=is_signed)
    md5 = operation.headers.get("content-md5")
    return Verification(
        bodies=bodies,
        whole="full-object" if bodies else "size",
        is_checksum_confirmed=operation.checksum is not None and operation.checksum[1] == committed.checksum,
        is_etag_confirmed=md5 is not None and base64.b64decode(md5).hex() == unquote_etag(committed.etag or ""),
    )


def verification_of_multipart(
    job: UploadJob,
    operation: CompleteMultipartUpload,
    committed: Committed,
    *,
    checksum: str | None,
    is_signed: bool,
) -> Verification:
    """Return the verification of an object made of parts.

    Args:
        job: the upload.
        operation: the commit.
        committed: response to the commit.
        checksum: checksum of the object by the checksums of its parts; ``None`` if they have none.
        is_signed: the signatures covered the bodies of the parts.
    """
    bodies = _bodies(job, is_signed=is_signed)
    if job.resume is not None:  # it is unknown how an earlier call sent its parts, except for their checksums
        bodies -= {"signature", "content-md5"}
    etag = multipart_etag([etag for _, etag, _ in operation.parts])
    return Verification(
        bodies=bodies,
        whole=_whole(job, operation),
        is_checksum_confirmed=checksum is not None and checksum == committed.checksum,
        is_etag_confirmed=etag is not None and etag == unquote_etag(committed.etag or ""),
    )


def _bodies(job: UploadJob, *, is_signed: bool) -> frozenset[str]:
    sent = {"signature"} if is_signed else set()
    if job.needs_md5:
        sent.add("content-md5")
    if job.checksum is not None:
        sent.add(job.checksum.algorithm)
    return frozenset(sent)


def _whole(job: UploadJob, operation: CompleteMultipartUpload) -> Literal["full-object", "composite", "size"] | None:
    if job.checksum is not None:
        return "full-object" if job.checksum.is_full_object else "composite"
    return None if operation.object_size is None else "size"
