"""A source that fits one part becomes one PutObject."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from aios3._protocol.messages import Body
from aios3._protocol.operations import Committed, HeadObject, PutObject
from aios3._protocol.retry import is_unclear
from aios3.errors import PreconditionFailedError, StorageError

from .client import OperationClient
from .hashing import hash_body

__all__ = ["put_object"]


async def put_object(
    client: OperationClient, operation: PutObject, failures: list[StorageError], head_headers: Mapping[str, str]
) -> Committed:
    """Put the object, and tell our own success from somebody else's.

    With ``if_none_match`` a repetition after a lost answer is refused because
    the first attempt succeeded. Then the key's size and MD5 decide.

    Raises:
        ResponseError: the store refused.
        TransportError: no answer came: the key holds what it held before or all of the source.
    """
    before = len(failures)
    try:
        return await client.run(operation, failures=failures)
    except PreconditionFailedError as error:
        refusal = error
    if not any(is_unclear(failure) for failure in failures[before:]):
        raise refusal
    try:
        found = await client.run(HeadObject(operation.bucket, operation.key, head_headers))
    except StorageError:
        raise refusal from None
    if found.etag != await hash_body(_md5, operation.body):
        raise refusal
    return Committed(found.etag, found.version_id, checksum=None, request_id=None)


def _md5(body: Body) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for piece in body:
        digest.update(piece)
    return digest.hexdigest()
