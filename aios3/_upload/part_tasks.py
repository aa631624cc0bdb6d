"""A task group that does not leak to the caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

__all__ = ["part_tasks"]


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
        async with asyncio.TaskGroup() as group:
            try:
                yield group
            except BaseException as error:
                if owner is None or owner.cancelling() == cancellations:
                    first = error  # the group would list it last, behind what its cancelled tasks then raised
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
