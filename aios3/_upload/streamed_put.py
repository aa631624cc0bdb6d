"""One PutObject whose body is made while it is sent: no second chance, but a definite end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aios3._protocol.operations import Committed, HeadObject, PutObject
from aios3._protocol.retry import is_unclear
from aios3.errors import CompletionUnknownError, ResponseError, StorageError
from aios3.models import StorageObject

from .client import OperationClient
from .completion import was_stored_since
from .handover import Handover

__all__ = ["put_stream"]

_OF_PARTS: Final = re.compile(r"-\d{1,5}\Z")


async def put_stream(
    client: OperationClient,
    operation: PutObject,
    body: Handover,
    *,
    failures: list[StorageError],
    answer_timeout: float,
    head_headers: Mapping[str, str],
    began_at: float,
) -> Committed:
    """Put the object, and find out by HEAD what became of it where the answer does not tell.

    Args:
        client: to send with.
        operation: without a body.
        body: sent again only as long as it can be rewound.
        failures: receives failed attempts.
        answer_timeout: seconds without a byte of the answer.
        head_headers: for HEAD.
        began_at: when the upload began, by the client's monotonic clock.

    Raises:
        ResponseError: the store refused.
        TransportError: the body broke off, so that nothing was committed.
        CompletionUnknownError: the whole body may have arrived, and whether it was committed could not be found out.
    """
    trouble: StorageError | None = None
    try:
        committed = await client.run(operation, failures=failures, answer_timeout=answer_timeout, feed=body)
    except StorageError as error:
        if not (body.may_be_whole and is_unclear(error)):
            raise
        trouble = error
    else:
        if committed.etag is not None:  # without one it may be anybody's answer: a proxy's, a portal's
            return committed
    found = await _look(client, HeadObject(operation.bucket, operation.key, head_headers))
    if found is not None and _is_likely_ours(client, found, size=body.bytes_passed, began_at=began_at):
        return Committed(found.etag, found.version_id, checksum=None, request_id=None)
    if isinstance(trouble, ResponseError) and trouble.code is not None:
        raise trouble
    raise CompletionUnknownError(
        f"whether {operation.bucket}/{operation.key} was committed is unknown: no answer says so, and the key does not "
        f"show it. If HEAD shows {body.bytes_passed} bytes it was",
        bucket=operation.bucket,
        key=operation.key,
        upload_id=None,
    ) from trouble


async def _look(client: OperationClient, operation: HeadObject) -> StorageObject | None:
    """Return what the key holds; ``None`` if nothing, or if it cannot be looked at."""
    try:
        return await client.run(operation)
    except StorageError:
        return None


def _is_likely_ours(client: OperationClient, found: StorageObject, *, size: int, began_at: float) -> bool:
    """Same size, not older than our beginning, not made of parts: no more is known of bytes that were not kept."""
    return found.size == size and not _OF_PARTS.search(found.etag) and was_stored_since(client, found, began_at)
