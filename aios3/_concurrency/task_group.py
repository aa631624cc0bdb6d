"""Task group of one upload, in which the first failure ends the upload."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from aios3.errors import StorageError

from .caller_errors import note_besides
from .shielding import INTERRUPTS

__all__ = ["PartTasks", "UploadTasks"]


T = TypeVar("T")


class UploadTasks:
    """Runs work in the upload's group, where a failure ends the upload."""

    def __init__(self) -> None:
        """Record the current task as the owner of the upload."""
        self._group: PartTasks | None = None
        self._reason: Exception | None = None
        self._known: set[asyncio.Task[object] | None] = {asyncio.current_task()}
        self.is_committing = False
        """The commit has begun: only `cut_off` ends the upload from outside."""
        self.failure: BaseException | None = None
        """The first failure of a task that sends for the upload, for other tasks that feed it later."""

    def begin(self, group: PartTasks) -> None:
        """Take the group that the work will run in. An upload that was stopped before fails at once."""
        self._group = group
        if self._reason is not None:
            group.fail(self._reason)

    def includes(self, task: asyncio.Task[object] | None) -> bool:
        """Return whether `task` owns the upload, or runs work of it."""
        return task in self._known

    def run(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run `work` in a task whose failure ends the upload.

        Raises:
            Exception: the upload has failed already, see `refusal`.
        """
        assert self._group is not None
        if self._group.is_ending:  # and this task of the caller still writes
            work.close()
            raise self.refusal()
        task = self._group.create_task(self._known_work(work), name=name)
        if task.done():  # an eager task, whose failure the next write must find
            self._ended(task, work)
        else:
            task.add_done_callback(lambda ended: self._ended(ended, work))
        return task

    def refusal(self) -> Exception:
        """Return the error for a task that feeds the upload after its failure.

        It is the error of the task that has failed. If a cancellation, or an error of the block, has ended the upload,
        it is a `StorageError` with that as its cause.
        """
        assert self._group is not None
        if isinstance(self.failure, Exception):
            return self.failure
        error = StorageError("the upload has failed, and takes no further bytes")
        error.__cause__ = self._group.failure
        return error

    def _ended(self, task: asyncio.Task[Any], work: Coroutine[Any, Any, Any]) -> None:
        work.close()  # a task that is cancelled before its first step runs nothing
        failure = asyncio.CancelledError() if task.cancelled() else task.exception()
        if self.failure is None:
            self.failure = failure

    async def _known_work(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.current_task()
        self._known.add(task)  # here, because an eager task runs before `run` knows it
        try:
            return await work
        finally:
            self._known.discard(task)

    def stop(self, reason: Exception) -> None:
        """Make the upload fail with `reason`. Has no effect if it is being committed or is ending."""
        if not self.is_committing:
            self.cut_off(reason)

    def cut_off(self, reason: Exception) -> None:
        """Make the upload fail with `reason`, even while it is being committed. Has no effect if it is ending."""
        if self._group is None:
            self._reason = reason
        elif not self._group.is_ending:
            self._group.fail(reason)

    def begin_commit(self) -> None:
        """Begin the commit, after which `stop` has no effect.

        Raises:
            BaseException: the failure that has ended the upload.
        """
        if self._group is not None and self._group.failure is not None:
            raise self._group.failure
        self.is_committing = True


class PartTasks:
    """Async context manager that waits for all its tasks, and raises the first failure without an exception group.

    The first failure, of a task or of the block, cancels the tasks and the block. Later failures become its notes.
    `asyncio.TaskGroup` differs in three points, each of which would break a promise here. It ignores a task that
    ends by a cancellation that the group did not request: here that is a failure. It learns of most failures by a
    done-callback, which for an eager task comes too late: here a failure is known at once. Before Python 3.13 it
    loses a cancellation of the caller that comes together with a failure: here the cancellation is raised.
    """

    def __init__(self) -> None:
        """Begin without tasks; `failure` is the error that ends the block."""
        self.failure: BaseException | None = None
        self._others: list[BaseException] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._owner: asyncio.Task[Any] | None = None
        self._cancellations = 0
        """Cancellation requests of the owner by others, before the block began."""
        self._has_cancelled_owner = False
        self._is_left = False

    async def __aenter__(self) -> Self:
        self._owner = asyncio.current_task()
        self._cancellations = self._count_cancellations()
        return self

    @property
    def is_ending(self) -> bool:
        """Whether the block has failed or was left."""
        return self._is_left or self.failure is not None

    def _count_cancellations(self) -> int:
        """Return how often others have cancelled the owner."""
        return 0 if self._owner is None else self._owner.cancelling() - self._has_cancelled_owner

    def create_task(self, work: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
        """Run `work` in a task of the group.

        Raises:
            RuntimeError: the block has failed, or was left; `work` is closed.
        """
        if self.is_ending:
            work.close()
            raise RuntimeError("the group takes no further tasks") from self.failure
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        if task.done():  # an eager task that never waited
            self._ended(task)
        else:
            task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        try:
            error = task.exception()
        except asyncio.CancelledError as cancellation:
            error = None if self.is_ending else cancellation
        if error is not None:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the block with `error`, unless another error has ended it before."""
        if self.failure is not None:
            self._others.append(error)
            return
        self.failure = error
        self._cancel_tasks()
        if not self._is_left and self._owner is not None:
            self._has_cancelled_owner = self._owner.cancel()

    def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        is_cancelled = isinstance(exc, asyncio.CancelledError) and self._is_cancelled
        interrupt: BaseException | None = exc if is_cancelled else None
        if exc is not None and interrupt is None and exc is not self.failure:
            self._block_failed(exc)
        self._is_left = True
        if exc is not None:
            self._cancel_tasks()
        interrupt = await self._join(is_failing=exc is not None) or interrupt
        if self._has_cancelled_owner and self._owner is not None:
            self._owner.uncancel()
            self._has_cancelled_owner = False
        failure, self.failure = self.failure, None  # otherwise both keep each other alive
        if failure is not None:
            self._note_others(failure)
        if self._is_cancelled or isinstance(interrupt, KeyboardInterrupt | SystemExit):
            raise interrupt or asyncio.CancelledError from failure
        if failure is not None:
            raise failure

    @property
    def _is_cancelled(self) -> bool:
        """Whether the owner was cancelled since the block began, by the group itself or by others."""
        return self._has_cancelled_owner or self._count_cancellations() > self._cancellations

    def _block_failed(self, error: BaseException) -> None:
        if self.failure is None:
            # Before Python 3.13 a group inside the block may leave a cancellation behind.
            self._cancellations = self._count_cancellations()
            self.failure = error
        else:
            self._others.append(error)

    async def _join(self, *, is_failing: bool) -> BaseException | None:
        """Wait for all tasks and their callbacks, and return the last interrupt that came meanwhile."""
        interrupt: BaseException | None = None
        while running := [task for task in self._tasks if not task.done()]:
            try:
                await asyncio.wait(running)
            except INTERRUPTS as error:
                interrupt = error
                self._cancel_tasks()
        if is_failing or self._tasks or self.failure is not None:
            # A task may have ended in this very turn. A pending cancellation of ours must also arrive here, or it
            # would cancel the next await of the caller.
            try:
                await asyncio.sleep(0)
            except INTERRUPTS as error:
                interrupt = interrupt or error
        for task in tuple(self._tasks):  # an interrupt lost its callback
            self._ended(task)
        return interrupt

    def _note_others(self, failure: BaseException) -> None:
        for other in self._others:
            if other is not failure:
                note_besides(failure, "failed as well", other)
        self._others.clear()
