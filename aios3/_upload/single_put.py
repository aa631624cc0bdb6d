"""A source that fits one part becomes one PutObject."""

from __future__ import annotations

import asyncio
import hashlib

from aios3._protocol.messages import Body
from aios3._protocol.operations import Committed, HeadObject, PutObject
from aios3._protocol.retry import is_unclear
from aios3.errors import PreconditionFailedError, StorageError

from .client import OperationClient

__all__ = ["put_object"]


async def put_object(client: OperationClient, operation: PutObject, failures: list[StorageError]) -> Committed:
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
    except PreconditionFailedError:
        if not any(is_unclear(failure) for failure in failures[before:]):
            raise
        found = await client.run(HeadObject(operation.bucket, operation.key))
        if found.etag != await asyncio.to_thread(_md5, operation.body):
            raise
        return Committed(found.etag, found.version_id, checksum=None, request_id=None)


def _md5(body: Body) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for piece in body:
        digest.update(piece)
    return digest.hexdigest()
