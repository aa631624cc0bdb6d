"""A task group that does not leak to the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from .callers_errors import note_besides

__all__ = ["part_tasks"]

T = TypeVar("T")


def part_tasks() -> asyncio.TaskGroup:
    """Return a task group whose first failure is raised bare, with the others as notes.

    A cancellation of the caller that comes together with a failure is raised in
    its stead: `asyncio.TaskGroup` would lose it before Python 3.13.
    """
    return _PartTasks()


class _PartTasks(asyncio.TaskGroup):
    _has_failed = False
    """One of the tasks has."""

    async def __aenter__(self) -> Self:
        self._owner = asyncio.current_task()
        self._cancellations = self._count_cancellations()
        return await super().__aenter__()

    def _count_cancellations(self) -> int:
        return 0 if self._owner is None else self._owner.cancelling()

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], **options: Any
    ) -> asyncio.Task[T]:
        task = super().create_task(coro, **options)
        task.add_done_callback(self._note)
        return task

    def _note(self, task: asyncio.Task[Any]) -> None:
        self._has_failed = self._has_failed or (not task.cancelled() and task.exception() is not None)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        is_first = exc is not None and self._came_first(exc)
        try:
            return await super().__aexit__(exc_type, exc, traceback)
        except BaseExceptionGroup as errors:
            failure = exc if exc is not None and is_first else errors.exceptions[0]
            others = [error for error in errors.exceptions if error is not failure]
        for other in others:
            note_besides(failure, "failed as well", other)
        if self._count_cancellations() > self._cancellations:
            raise asyncio.CancelledError from failure
        raise failure

    def _came_first(self, error: BaseException) -> bool:
        """Return whether what ended the block is no consequence of a failed task, nor a cancellation of the caller."""
        if isinstance(error, asyncio.CancelledError):
            return self._count_cancellations() == self._cancellations
        if self._has_failed:
            return False  # else the group would list it last, behind what its cancelled tasks then raised
        # A group inside the block may have left a cancellation behind, as before Python 3.12 they do.
        self._cancellations = self._count_cancellations()
        return True
