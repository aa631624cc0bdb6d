"""PutObject whose body is made while it is sent, with a definite outcome."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aios3._client.attempts import FailedAttempts
from aios3._client.client import OperationClient
from aios3._protocol.operations import Committed, PutObject
from aios3._protocol.policies.retry import outcome_unknown
from aios3._upload.shared.ownership import ObjectProof, look_for, stored_after
from aios3.errors import CompletionUnknownError, ResponseError, StorageError
from aios3.models import StorageObject

from .body_channel import BodyChannel

__all__ = ["put_stream"]

_OF_PARTS: Final = re.compile(r"-\d{1,5}\Z")


async def put_stream(
    client: OperationClient,
    operation: PutObject,
    body: BodyChannel,
    *,
    log: FailedAttempts,
    read_timeout: float,
    head_headers: Mapping[str, str],
    nonce: str,
) -> Committed:
    """Put the object; if the response does not show the outcome, find it by HEAD.

    A cancellation cuts the connection, so the store never sees the end of an incomplete body.

    Args:
        client: sends the requests.
        operation: the request, without a body.
        body: the body; sent again only as long as it can be rewound.
        log: failed attempts of the upload.
        read_timeout: seconds without a byte of the response.
        head_headers: headers of the HEAD request.
        nonce: nonce in the object's metadata.

    Raises:
        ResponseError: the store refused.
        TransportError: the body was cut off, so nothing was committed.
        CompletionUnknownError: the whole body may have arrived, and HEAD does not show whether it was committed.
    """
    trouble: StorageError | None = None
    try:
        committed = await client.run(operation, log=log.begin(), read_timeout=read_timeout, feed=body)
    except StorageError as error:
        if not (body.may_be_whole and outcome_unknown(error)):
            raise
        trouble = error
    else:
        if committed.etag is not None:  # without an ETag a proxy or a portal may have sent the response
            return committed
    proof = ObjectProof(body.bytes_passed, nonce=nonce)
    finding = await look_for(client, log, operation.bucket, operation.key, head_headers, proof)
    if finding.found is not None and finding.is_ours:
        return Committed(finding.found.etag, finding.found.version_id, checksum=None, request_id=None)
    may_be_ours = finding.is_ours is None and finding.found is not None and _may_be_ours(client, finding.found, log)
    if not may_be_ours and isinstance(trouble, ResponseError) and trouble.code is not None:
        raise trouble
    raise _unknown(operation, body.bytes_passed, may_be_there=may_be_ours) from trouble


def _may_be_ours(client: OperationClient, found: StorageObject, log: FailedAttempts) -> bool:
    """Return whether an object of our size that shows no nonce may be ours: a store can drop metadata."""
    if _OF_PARTS.search(found.etag):
        return False
    return found.last_modified is None or stored_after(client, found, log.began_at)


def _unknown(operation: PutObject, size: int, *, may_be_there: bool) -> CompletionUnknownError:
    place = f"{operation.bucket}/{operation.key}"
    why = (
        f"the object there may be it, of {size} bytes, but does not show the nonce that it was sent with"
        if may_be_there
        else f"the key does not show it. If HEAD shows {size} bytes, stored since, it was"
    )
    return CompletionUnknownError(
        f"whether {place} was committed is unknown: no response says so, and {why}",
        bucket=operation.bucket,
        key=operation.key,
        upload_id=None,
    )
