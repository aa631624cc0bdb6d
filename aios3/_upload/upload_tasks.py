"""Tasks of one upload: those that send for it, and the one that feeds it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from aios3.errors import StorageError

from .part_tasks import PartTasks

__all__ = ["UploadTasks"]

T = TypeVar("T")


class UploadTasks:
    """Runs work in the upload's group, where a failure ends the upload."""

    def __init__(self) -> None:
        """Note the task that the upload belongs to: the current one."""
        self._group: PartTasks | None = None
        self._reason: StorageError | None = None
        self._known: set[asyncio.Task[object] | None] = {asyncio.current_task()}

    def begin(self, group: PartTasks) -> None:
        """Take the group that the work will run in; an upload that was stopped before fails at once."""
        self._group = group
        if self._reason is not None:
            group.fail(self._reason)

    def includes(self, task: asyncio.Task[object] | None) -> bool:
        """Return whether `task` is the upload's owner, or runs work of it."""
        return task in self._known

    def run(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run `work` in a task whose failure ends the upload.

        Raises:
            StorageError: the upload has failed already.
        """
        assert self._group is not None
        try:
            task = self._group.create_task(self._known_work(work), name=name)
        except RuntimeError:  # the group is shutting down: this is a task of the caller's that goes on writing
            work.close()
            raise StorageError("the upload has failed, and takes no more bytes") from None
        task.add_done_callback(lambda _: work.close())  # a task that is cancelled before its first step runs nothing
        return task

    async def _known_work(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.current_task()
        self._known.add(task)  # by the task itself: an eager one runs before anybody else knows it
        try:
            return await work
        finally:
            self._known.discard(task)

    def stop(self, reason: StorageError) -> None:
        """Make the upload fail with `reason`, unless it is ending already."""
        if self._group is None:
            self._reason = reason
        elif not self._group.is_ending:
            self._group.fail(reason)

    def require_no_failure(self) -> None:
        """Raise what has ended the upload, if anything has: then no commit may begin."""
        if self._group is not None and self._group.failure is not None:
            raise self._group.failure
