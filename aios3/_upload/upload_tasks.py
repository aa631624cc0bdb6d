"""The tasks of one upload: those that send for it, and whose it is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

from aios3.errors import StorageError

__all__ = ["UploadTasks"]

T = TypeVar("T")


class UploadTasks:
    """Runs work in the upload's group, where a failure ends the upload."""

    def __init__(self) -> None:
        """Note the task that the upload belongs to: the current one."""
        self._group: asyncio.TaskGroup | None = None
        self._stopping: asyncio.Task[NoReturn] | None = None
        self._reason: StorageError | None = None
        self._known: set[asyncio.Task[object] | None] = {asyncio.current_task()}

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Take the group that the work will run in; an upload that was stopped before fails at once."""
        self._group = group
        if self._reason is not None:
            self.stop(self._reason)

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
            task = self._group.create_task(work, name=name)
        except RuntimeError:  # the group is shutting down: this is a task of the caller's that goes on writing
            work.close()
            raise StorageError("the upload has failed, and takes no more bytes") from None
        self._known.add(task)
        task.add_done_callback(self._known.discard)
        return task

    def stop(self, reason: StorageError) -> None:
        """Make the upload fail with `reason`, unless it is ending already."""
        if self._group is None:
            self._reason = reason
            return
        failing = _fail(reason)
        try:
            self._stopping = self._group.create_task(failing, name="aios3: stop the upload")
        except RuntimeError:  # the group is ending already
            failing.close()

    def outrun_stopping(self) -> None:
        """Let a stop that was asked for come to nothing, because the commit begins.

        Raises:
            StorageError: the stop has struck already.
        """
        if self._stopping is not None and not self._stopping.cancel() and not self._stopping.cancelled():
            self._stopping.result()

    async def end_stopping(self) -> None:
        """Let a stop that comes after the commit come to nothing.

        One that has failed already cancels this at its next turn; it must not wait until the group is being left,
        because `asyncio.TaskGroup` before Python 3.12 would then leave the caller's task with a cancellation.
        """
        if self._stopping is not None and not self._stopping.cancel():
            await asyncio.sleep(0)


async def _fail(reason: StorageError) -> NoReturn:
    raise reason
