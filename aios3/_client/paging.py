"""Iteration over the pages of a listing operation, until the store has no further page."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol, Self, TypeVar

from aios3._protocol.operations.base import Operation
from aios3._protocol.wire.uri import MAX_KEY_BYTES
from aios3.errors import ConfigurationError, ResponseError

from .client import OperationClient

__all__ = ["PagedOperation", "check_prefix", "iterate_pages"]

Page = TypeVar("Page")


class PagedOperation(Operation[Page], Protocol[Page]):
    """A listing operation."""

    def following(self, page: Page) -> Self | None:
        """Return the operation for the next page, or ``None`` after the last one."""


async def iterate_pages(client: OperationClient, operation: PagedOperation[Page]) -> AsyncGenerator[Page]:
    """Yield the pages of `operation` and of its following operations. No connection is held between two pages.

    Raises:
        ResponseError: the store refused, or it sends the same pages again and again.
        TransportError: no response came.
    """
    following: PagedOperation[Page] | None = operation
    # A comparison with one earlier page, ever further back, finds any circle. Keeping all pages would take memory.
    earlier, pages, pages_until_next = operation, 0, 1
    while following is not None:
        page = await client.run(following)
        yield page
        following = following.following(page)
        if following == earlier:
            raise ResponseError(
                "the store repeats its pages", operation=operation.name, status=200, bucket=operation.bucket
            )
        pages += 1
        if pages == pages_until_next and following is not None:
            earlier, pages, pages_until_next = following, 0, 2 * pages_until_next


def check_prefix(prefix: object) -> None:
    """Refuse a prefix that no key can have.

    Raises:
        ConfigurationError: the prefix is not a string, not encodable, or over 1,024 bytes of UTF-8.
    """
    if not isinstance(prefix, str):
        raise ConfigurationError(f"a prefix must be a string, not {prefix!r:.80}")
    try:
        length = len(prefix.encode())
    except UnicodeEncodeError:
        raise ConfigurationError("the prefix holds lone surrogates, which UTF-8 cannot express") from None
    if length > MAX_KEY_BYTES:
        raise ConfigurationError(f"the prefix has {length} bytes of UTF-8; keys have {MAX_KEY_BYTES} at most")
