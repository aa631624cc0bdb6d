"""One upload that a way of ending is played on: its source, its state, and how the call ended."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Final, Literal, TypeAlias

from benchmarks.leaks.clients.target import PART_SIZE, OpenClient

__all__ = ["DIGEST", "Ending", "NotReachedError", "Scene", "Source", "SourceError"]

Ending: TypeAlias = Literal["returned", "raised", "hung"]

CALL_SECONDS: Final = 20.0
"""How long a call may take to end; after that it counts as hung."""
REACH_SECONDS: Final = 15.0
_CHUNK: Final = 256 * 1024
_CHUNKS_BEFORE: Final = 68
WHOLE_PARTS: Final = _CHUNKS_BEFORE * _CHUNK // PART_SIZE
"""What the source has given when it is waited for; the rest of it is less than a part."""
_CHUNKS_AFTER: Final = 8
_TEMPLATE: Final = random.Random(7).randbytes(_CHUNK - 8)


class SourceError(Exception):
    """What a source raises that fails."""


class NotReachedError(Exception):
    """The upload ended, or stood still, before its parts were stored."""


def _chunk(number: int) -> bytes:
    return number.to_bytes(8, "big") + _TEMPLATE


def _digest() -> str:
    digest = hashlib.sha256()
    for number in range(_CHUNKS_BEFORE + _CHUNKS_AFTER):
        digest.update(_chunk(number))
    return digest.hexdigest()


DIGEST: Final = _digest()
"""SHA-256, in hex, of all that a source gives which does not fail."""


class Source:
    """Gives 17 MiB, then lets itself be waited for; once it is released it gives 2 MiB more, or fails."""

    def __init__(self) -> None:
        self.is_waited_for = asyncio.Event()
        self._released = asyncio.Event()
        self._fails = False

    def release(self, *, failing: bool = False) -> None:
        """Let it go on."""
        self._fails = failing
        self._released.set()

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the chunks."""
        for number in range(_CHUNKS_BEFORE):
            await asyncio.sleep(0)
            yield _chunk(number)
        self.is_waited_for.set()
        await self._released.wait()
        if self._fails:
            raise SourceError("the source fails")
        for number in range(_CHUNKS_BEFORE, _CHUNKS_BEFORE + _CHUNKS_AFTER):
            yield _chunk(number)


class Scene:
    """An upload, and the tasks that a way of ending makes around it."""

    def __init__(self, key: str, count_parts: Callable[[], int]) -> None:
        self.source = Source()
        self.client: OpenClient | None = None
        self.ending: Ending = "hung"
        self.error: BaseException | None = None
        self.own_tasks: set[asyncio.Task[Any]] = set()
        """Not the client's, and so not counted."""
        self._key = key
        self._count_parts = count_parts

    async def upload(self) -> None:
        """Call the client, and note how the call ends."""
        assert self.client is not None
        try:
            await self.client.upload(self.source.chunks(), self._key)
        except BaseException as error:
            self.ending, self.error = "raised", error
            raise
        self.ending = "returned"

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Make a task that is the application's, not the client's."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self.own_tasks.add(task)
        return task

    async def midway(self, parts: int = WHOLE_PARTS) -> None:
        """Return once the source is waited for and the store lists that many parts, or more.

        Raises:
            NotReachedError: that does not come about.
        """
        try:
            async with asyncio.timeout(REACH_SECONDS):
                await self.source.is_waited_for.wait()
                while self._count_parts() < parts:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise NotReachedError(f"the call {self.ending}: {self.error!r}") from None

    async def settled(self, *tasks: asyncio.Task[Any]) -> None:
        """Return when the tasks have ended, or have had their time."""
        done, _ = await asyncio.wait(tasks, timeout=CALL_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()  # marks it as seen
