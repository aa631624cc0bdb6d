"""Where an adapter uploads to, and what it gives back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = ["CONCURRENCY", "PART_SIZE", "Adapter", "OpenClient", "Target", "parts_of"]

PART_SIZE: Final = 5 * 1024 * 1024
CONCURRENCY: Final = 8


@dataclass(frozen=True, slots=True)
class Target:
    """One store, or the proxy before it."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str
    region: str
    bucket: str
    provider: str
    """Its row in the provider table of aios3; the others have no such table."""


@dataclass(frozen=True, slots=True)
class OpenClient:
    """A client that is ready."""

    upload: Callable[[AsyncIterator[bytes], str], Awaitable[object]]
    """Sends a source of unknown length to a key."""
    close: Callable[[], Awaitable[object]] | None = None
    """Closes the client, also in the middle of an upload; ``None`` if it cannot be closed."""


Adapter: TypeAlias = Callable[[Target], AbstractAsyncContextManager[OpenClient]]
"""Opens a client for the length of a block, and closes it at its end."""


async def parts_of(source: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Cut a source into parts, for the clients that leave this to their caller."""
    held = bytearray()
    async for chunk in source:
        held += chunk
        while len(held) >= PART_SIZE:
            yield bytes(held[:PART_SIZE])
            del held[:PART_SIZE]
    if held:
        yield bytes(held)
