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
        self._cutting: asyncio.Handle | None = None
        """Call that cuts the commit off in the next turn of the loop; ``None`` until the end of the driver asks."""
        self._is_cut = False
        self.ended = asyncio.Event()
        self.is_suspendable = False

    async def send(self, commit: Awaitable[T]) -> T:
        """Await `commit`, which sends the requests, and return its result.

        A cancellation closes the connection. It is then unknown whether the store has the object.

        Raises:
            CompletionUnknownError: the driver was closed meanwhile.
            Exception: what `commit` raises.
        """
        owner = self._owner
        assert owner is not None
        cancellations = owner.cancelling()
        self._engine.running.add(self)
        try:
            return await commit
        except asyncio.CancelledError:
            if self._is_cut and owner.cancelling() <= cancellations + 1:  # any other cancellation must still be raised
                raise self._given_up(self._upload_id) from None
            raise
        finally:
            if self._is_cut:
                owner.uncancel()
            elif self._cutting is not None:
                self._cutting.cancel()
            self._engine.upload_ended(self)
            self.ended.set()

    def is_run_by(self, task: asyncio.Task[object] | None) -> bool:
        """Return whether `task` runs this upload."""
        return task is self._owner

    def stop(self, reason: StorageError) -> None:
        """Do nothing: the commit is in flight."""

    def give_up_commit(self) -> None:
        """Cut the commit off, unless it has ended or has been cut off already."""
        if not self.ended.is_set() and self._cutting is None:
            self._cutting = asyncio.get_running_loop().call_soon(self._cut_off)

    def _cut_off(self) -> None:
        assert self._owner is not None
        self._is_cut = True
        self._owner.cancel()

    async def abandon(self) -> None:
        """Return at once: there is nothing to abort, and an upload that outlasts its cut-off is not waited for."""
