"""A commit without parts of its own to send, as a running upload that the end of the driver can cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aios3._upload.shared.engine import Engine
from aios3.errors import CompletionUnknownError, StorageError

__all__ = ["CommitInFlight"]

T = TypeVar("T")


class CommitInFlight:
    """Upload whose commit is in flight from its beginning."""

    def __init__(
        self,
        engine: Engine,
        given_up: Callable[[str | None], CompletionUnknownError],
        upload_id: str | None = None,
    ) -> None:
        """Prepare to commit in the current task; `given_up` makes the error for a commit that was cut off."""
        self._upload_id = upload_id
        self._engine = engine
        self._given_up = given_up
        self._owner = asyncio.current_task()
        self._cut = asyncio.timeout(None)
        self.ended = asyncio.Event()
        self.is_suspendable = False

    async def send(self, commit: Awaitable[T]) -> T:
        """Await `commit`, which sends the requests, and return its result.

        A cancellation closes the connection. It is then unknown whether the store has the object.

        Raises:
            CompletionUnknownError: the driver was closed meanwhile.
            Exception: what `commit` raises.
        """
        self._engine.running.add(self)
        try:
            async with self._cut:
                return await commit
        except TimeoutError:
            if not self._cut.expired():
                raise
            raise self._given_up(self._upload_id) from None
        finally:
            self._engine.upload_ended(self)
            self.ended.set()

    def is_run_by(self, task: asyncio.Task[object] | None) -> bool:
        """Return whether `task` runs this upload."""
        return task is self._owner

    def stop(self, reason: StorageError) -> None:
        """Do nothing: the commit is in flight."""

    def give_up_commit(self) -> None:
        """Cut the commit off, unless it has ended or has been cut off already."""
        if not self.ended.is_set() and self._cut.when() is None:
            self._cut.reschedule(asyncio.get_running_loop().time())

    async def abandon(self) -> None:
        """Return at once: there is nothing to abort, and an upload that outlasts its cut-off is not waited for."""
