"""One PutObject whose body is made while it is sent: no second chance, but a definite end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aios3._client.client import OperationClient
from aios3._client.hashing import RunningMD5
from aios3._client.request_log import RequestLog
from aios3._protocol.operations import Committed, HeadObject, PutObject
from aios3._protocol.policies.retry import outcome_unknown
from aios3._upload.shared.ownership import ObjectProof, stored_after
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
    log: RequestLog,
    read_timeout: float,
    head_headers: Mapping[str, str],
    nonce: str | None = None,
    md5: RunningMD5 | None = None,
) -> Committed:
    """Put the object, and find out by HEAD what became of it where the answer does not tell.

    Args:
        client: to send with.
        operation: without a body.
        body: sent again only as long as it can be rewound.
        log: of the upload.
        read_timeout: seconds without a byte of the answer.
        head_headers: for HEAD.
        nonce: in the object's metadata, if it has one.
        md5: of the body, when all of it has been passed.

    Raises:
        ResponseError: the store refused.
        TransportError: the body broke off, so that nothing was committed.
        CompletionUnknownError: the whole body may have arrived, and whether it was committed could not be found out.
    """
    trouble: StorageError | None = None
    try:
        committed = await client.run(operation, log=log.begin(), read_timeout=read_timeout, feed=body)
    except StorageError as error:
        if not (body.may_be_whole and outcome_unknown(error)):
            raise
        trouble = error
    else:
        if committed.etag is not None:  # without one it may be anybody's answer: a proxy's, a portal's
            return committed
    found = await _look(client, HeadObject(operation.bucket, operation.key, head_headers))
    proof = ObjectProof(body.bytes_passed, nonce=nonce)
    verdict = False if found is None else _judge(client, found, proof, log.began_at, md5)
    if found is not None and verdict:
        return Committed(found.etag, found.version_id, checksum=None, request_id=None)
    if verdict is False and isinstance(trouble, ResponseError) and trouble.code is not None:
        raise trouble
    raise _unknown(operation, body.bytes_passed, may_be_there=verdict is None) from trouble


async def _look(client: OperationClient, operation: HeadObject) -> StorageObject | None:
    """Return what the key holds; ``None`` if nothing, or if it cannot be looked at."""
    try:
        return await client.run(operation)
    except Exception:  # noqa: BLE001 - credentials may fail with anything
        return None


def _judge(
    client: OperationClient, found: StorageObject, proof: ObjectProof, began_at: float, md5: RunningMD5 | None
) -> bool | None:
    """Return whether an object is ours; ``None`` if it may be, but shows nothing to tell by.

    Neither size nor age will do: another writer's object can have both, and so can the one that was there before, since
    times are whole seconds.
    """
    verdict = proof.matches(found)
    if verdict is not None:
        return verdict
    if _OF_PARTS.search(found.etag):
        return False
    if found.last_modified is not None and not stored_after(client, found, began_at):
        return False
    return True if md5 is not None and found.etag == md5.hex() else None


def _unknown(operation: PutObject, size: int, *, may_be_there: bool) -> CompletionUnknownError:
    place = f"{operation.bucket}/{operation.key}"
    why = (
        f"the object there may be it, of {size} bytes, but has no ETag that could tell; TransferConfig.nonce would"
        if may_be_there
        else f"the key does not show it. If HEAD shows {size} bytes, stored since, it was"
    )
    return CompletionUnknownError(
        f"whether {place} was committed is unknown: no answer says so, and {why}",
        bucket=operation.bucket,
        key=operation.key,
        upload_id=None,
    )
