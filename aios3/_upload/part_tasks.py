"""A task group that does not leak to the caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

__all__ = ["part_tasks"]

T = TypeVar("T")


class _WatchedGroup(asyncio.TaskGroup):
    """Knows whether a task of it has failed."""

    has_failed = False

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], **options: Any
    ) -> asyncio.Task[T]:
        task = super().create_task(coro, **options)
        task.add_done_callback(self._note)
        return task

    def _note(self, task: asyncio.Task[Any]) -> None:
        self.has_failed = self.has_failed or (not task.cancelled() and task.exception() is not None)


@asynccontextmanager
async def part_tasks() -> AsyncGenerator[asyncio.TaskGroup]:
    """Give a task group whose first failure is raised bare, with the others as notes.

    A cancellation of the caller that comes together with a failure is raised in
    its stead: `asyncio.TaskGroup` would lose it before Python 3.13.
    """
    owner = asyncio.current_task()
    cancellations = owner.cancelling() if owner is not None else 0
    first: BaseException | None = None
    try:
        async with _WatchedGroup() as group:
            try:
                yield group
            except asyncio.CancelledError as error:
                if owner is None or owner.cancelling() == cancellations:
                    first = error
                raise
            except BaseException as error:
                if not group.has_failed:
                    first = error  # the group would list it last, behind what its cancelled tasks then raised
                    # A group inside the block may have left a cancellation behind, as before Python 3.12 they do.
                    cancellations = owner.cancelling() if owner is not None else 0
                raise
        return
    except BaseExceptionGroup as errors:
        failure = errors.exceptions[0] if first is None else first
        others = [error for error in errors.exceptions if error is not failure]
    for other in others:
        if str(other) != str(failure):
            failure.add_note(f"aios3: failed as well: {other!r}")
    if owner is not None and owner.cancelling() > cancellations:
        raise asyncio.CancelledError from failure
    raise failure
