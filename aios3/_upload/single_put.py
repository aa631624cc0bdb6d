"""A source that fits one part becomes one PutObject."""

from __future__ import annotations

from collections.abc import Mapping

from aios3._protocol.operations import Committed, HeadObject, PutObject
from aios3._protocol.retry import is_unclear
from aios3.errors import PreconditionFailedError, ResponseError, StorageError

from .client import OperationClient
from .evidence import Evidence
from .hashing import hash_body, md5_hex

__all__ = ["put_object"]


async def put_object(
    client: OperationClient,
    operation: PutObject,
    failures: list[StorageError],
    head_headers: Mapping[str, str],
    evidence: Evidence,
) -> Committed:
    """Put the object, and tell our own success from somebody else's.

    An answer without an ETag is no proof that a store has answered. With
    ``if_none_match`` a repetition after a lost answer is refused because the
    first attempt succeeded. In both cases `evidence` decides, or else the key's MD5.

    Raises:
        ResponseError: the store refused.
        TransportError: no answer came: the key holds what it held before or all of the source.
    """
    before = len(failures)
    try:
        committed = await client.run(operation, failures=failures)
    except PreconditionFailedError as error:
        refusal: ResponseError = error
        if not any(is_unclear(failure) for failure in failures[before:]):
            raise
    else:
        if committed.etag is not None:
            return committed
        refusal = _without_etag(operation)
    try:
        found = await client.run(HeadObject(operation.bucket, operation.key, evidence.asking(head_headers)))
    except StorageError:
        raise refusal from None
    verdict = evidence.judge(found)
    if verdict is None:
        verdict = found.etag == await hash_body(md5_hex, operation.body)
    if not verdict:
        raise refusal
    return Committed(found.etag, found.version_id, checksum=found.checksum, request_id=None)


def _without_etag(operation: PutObject) -> ResponseError:
    """Return the error for a success that a web page, a proxy or a portal could have answered as well."""
    return ResponseError(
        "the answer is a success without an ETag, and the key does not hold these bytes: is this the endpoint of an S3 "
        "store, or is a proxy in between?",
        operation=operation.name,
        status=200,
        bucket=operation.bucket,
        key=operation.key,
    )
