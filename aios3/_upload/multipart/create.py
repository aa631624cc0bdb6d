"""Creation of the multipart upload in a task, while the source is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aios3._concurrency.task_group import UploadTasks
from aios3._protocol.operations import CreateMultipartUpload
from aios3.errors import StorageError

from .guard import CancellationGuard

__all__ = ["Creation"]


class Creation:
    """Creates one multipart upload, once, in a separate task; the guard adopts it."""

    def __init__(
        self, guard: CancellationGuard, tasks: UploadTasks, operation: Callable[[], CreateMultipartUpload], name: str
    ) -> None:
        """Prepare; `begin` calls `operation` for the request, and `name` is the name of the task."""
        self._guard = guard
        self._tasks = tasks
        self._operation = operation
        self._name = name
        self._task: asyncio.Task[str] | None = None

    @property
    def has_begun(self) -> bool:
        """The creation was begun, or the upload was open before."""
        return self._task is not None or self._guard.upload_id is not None

    @property
    def is_settled(self) -> bool:
        """No creation was begun here, or `wait` has found the upload open."""
        return self._task is None

    def begin(self) -> None:
        """Begin to create the upload, unless the creation `has_begun`.

        Raises:
            StorageError: the upload has failed already.
        """
        if not self.has_begun:
            self._task = self._tasks.run(self._guard.create(self._operation()), self._name)

    async def wait(self) -> None:
        """Return when the upload is open, or at once if nothing was begun here.

        Raises:
            StorageError: the upload could not be created, or has failed meanwhile.
        """
        task = self._task
        if task is None:
            return
        await asyncio.wait({task})
        if task.cancelled():  # a failure of the upload, not a cancellation of the task that waits here
            raise StorageError("the upload has failed, and takes no further bytes")
        task.result()
        self._task = None

    async def id_for_part(self) -> str:
        """Wait for the id and note that the upload may have parts from now on.

        Raises:
            StorageError: as `wait`.
        """
        await self.wait()
        self._guard.may_have_parts = True
        assert self._guard.upload_id is not None
        return self._guard.upload_id
