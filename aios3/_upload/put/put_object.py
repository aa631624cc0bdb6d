"""PutObject of a whole body, with a check whose object is at the key if the response is lost."""

from __future__ import annotations

from collections.abc import Mapping

from aios3._client.attempts import FailedAttempts
from aios3._client.client import OperationClient
from aios3._concurrency.threads import hash_body
from aios3._protocol.checksums.digests import md5_hex
from aios3._protocol.operations import Committed, PutObject
from aios3._protocol.policies.retry import outcome_unknown
from aios3._upload.shared.ownership import ObjectProof, look_for, stored_after
from aios3.errors import (
    CompletionUnknownError,
    ResponseError,
    StorageError,
)

__all__ = ["put_object"]


async def put_object(
    client: OperationClient,
    operation: PutObject,
    log: FailedAttempts,
    head_headers: Mapping[str, str],
    proof: ObjectProof,
) -> Committed:
    """Put the object, and tell our own success from that of another writer.

    A response without an ETag does not prove that a store has sent it. A lost response does not prove a failure: with
    ``if_none_match`` the store then refuses the retry, because the first attempt succeeded. In all these cases the
    nonce of `proof` decides. Without one its checksum or the MD5 of the object at the key decides, provided that the
    object was stored since the upload began: the same bytes may have been there before, with other metadata.

    Raises:
        ResponseError: the store refused.
        TransportError: no response came, and the key does not hold the source. A slow store may still store it.
        CompletionUnknownError: a response was lost, and the key cannot be looked at.
    """
    request = log.begin()
    try:
        committed = await client.run(operation, log=request)
    except Exception as error:
        refusal: Exception = error  # from the store, the closed driver, or the credentials of a retry
        if not request.has_unknown_outcome:
            raise
    else:
        if committed.etag is not None:
            return committed
        refusal = _without_etag(operation)
    finding = await look_for(client, log, operation.bucket, operation.key, head_headers, proof)
    if finding.trouble is not None and any(_is_open(failure) for failure in (refusal, *request)):
        raise CompletionUnknownError(
            f"whether {operation.bucket}/{operation.key} was stored is unknown: the response to PutObject was lost "
            f"({refusal}), and the key cannot be looked at ({finding.trouble})",
            bucket=operation.bucket,
            key=operation.key,
            upload_id=None,
        ) from refusal
    found, is_ours = finding.found, finding.is_ours
    if found is not None and is_ours is not False and not finding.is_marked:
        is_new = found.last_modified is None or stored_after(client, found, log.began_at)
        is_ours = is_new and (is_ours or found.etag == await hash_body(md5_hex, operation.body))
    if found is None or not is_ours:
        raise refusal
    return Committed(found.etag, found.version_id, checksum=found.checksum, request_id=None)


def _is_open(failure: Exception) -> bool:
    """Return whether an attempt has an unknown outcome. A response with an error code is a refusal."""
    return (
        isinstance(failure, StorageError)
        and outcome_unknown(failure)
        and not (isinstance(failure, ResponseError) and failure.code is not None)
    )


def _without_etag(operation: PutObject) -> ResponseError:
    """Return the error for a success without an ETag, which a web page, a proxy or a portal could have sent."""
    return ResponseError(
        "the response is a success without an ETag, and the key does not hold these bytes: is this the endpoint of an "
        "S3 store, or is a proxy in between?",
        operation=operation.name,
        status=200,
        bucket=operation.bucket,
        key=operation.key,
    )
