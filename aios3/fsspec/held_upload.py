"""Upload that stays open between calls, for files that are written, and committed or discarded later."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Awaitable, Mapping
from typing import Any, Self

from aios3._concurrency.shielding import shielded_from_anyio
from aios3._upload.writer import UploadWriter
from aios3.driver import S3StorageDriver
from aios3.errors import ConfigurationError, StorageError
from aios3.models import CommitRequest, UploadReceipt

from .paths import os_errors, split_path

__all__ = ["HeldUpload"]


class HeldUpload:
    """Upload whose block runs in a task of its own, until another task commits or discards it.

    The methods belong to the event loop that opened the upload, except `discard_soon`.
    """

    def __init__(self, path: str, *, is_exclusive: bool) -> None:
        """Make an upload to `path`; callers use `open`."""
        self._path = path
        self._is_exclusive = is_exclusive
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()
        self._opened: asyncio.Future[UploadWriter] = self._loop.create_future()
        self._is_written = asyncio.Event()
        self._is_acknowledged = asyncio.Event()
        self._is_approved = asyncio.Event()
        self._task: asyncio.Task[UploadReceipt]

    @classmethod
    async def open(
        cls, driver: S3StorageDriver, path: str, attributes: Mapping[str, Any], *, is_exclusive: bool = False
    ) -> Self:
        """Open an upload. A cancellation leaves nothing open.

        Args:
            driver: the driver of this event loop.
            path: the bucket and the key.
            attributes: arguments of ``open_upload``.
            is_exclusive: commit only if the key does not exist then.

        Raises:
            TypeError, ConfigurationError: an attribute or the path is invalid; nothing was sent.
        """
        upload = cls(path, is_exclusive=is_exclusive)
        condition = {"if_none_match": "*"} if is_exclusive else {}
        upload._task = asyncio.create_task(upload._run(driver, {**attributes, **condition}), name=f"aios3: {path}")
        upload._task.add_done_callback(_retrieve)
        try:
            await asyncio.wait([upload._task, upload._opened], return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
        except BaseException:
            await upload.discard()
            raise
        if upload._task.done():
            upload._task.result()
        return upload

    async def _run(self, driver: S3StorageDriver, attributes: Mapping[str, Any]) -> UploadReceipt:
        bucket, key = split_path(self._path)
        with os_errors(self._path, is_exclusive=self._is_exclusive):
            async with driver.open_upload(bucket, key, before_commit=self._wait_for_approval, **attributes) as writer:
                self._opened.set_result(writer)
                await self._is_written.wait()
                if not self._is_approved.is_set():  # many files of a transaction must not fill the driver's memory
                    await writer._upload.begin_parts()
            return writer.receipt

    async def _wait_for_approval(self, _: CommitRequest) -> None:
        self._is_acknowledged.set()
        await self._is_approved.wait()

    @property
    def receipt(self) -> UploadReceipt | None:
        """Receipt of the committed object; ``None`` if it is not committed."""
        is_committed = self._task.done() and not self._task.cancelled() and self._task.exception() is None
        return self._task.result() if is_committed else None

    async def write(self, data: Any) -> None:
        """Write `data`; return when it is copied. After a failure or a cancellation the upload cannot be committed.

        Raises:
            Exception: the error that ended the upload, or another error of `UploadWriter.write`.
        """
        await self._feed(self._opened.result().write(data))

    async def write_from(self, source: Any) -> None:
        """Write all of `source`, as `UploadWriter.write_from` does; errors are those of `write`."""
        await self._feed(self._opened.result().write_from(source))

    async def _feed(self, writing: Awaitable[None]) -> None:
        try:
            with os_errors(self._path):
                await writing
        except StorageError as error:
            says_why = type(error) not in (StorageError, ConfigurationError) or error.__cause__ is not None
            if not says_why and not self._is_written.is_set():
                await self._result()  # a part has failed, and ends the task with its error
            raise

    async def finish(self, *, commit: bool) -> None:
        """Send what is left, and commit; without `commit` return when every part is acknowledged.

        A cancellation of a commit discards the upload, unless the store has committed it by then.

        Raises:
            Exception: the error that ended the upload.
            StorageError: the upload was discarded.
        """
        self._is_written.set()
        if commit:
            self._is_approved.set()
            await self._result()
            return
        acknowledged = asyncio.ensure_future(self._is_acknowledged.wait())
        try:
            await asyncio.wait({self._task, acknowledged}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            acknowledged.cancel()
        if self._task.done():
            await self._result()

    async def _result(self) -> None:
        try:
            await self._task  # a cancellation of the caller also cancels the task, and waits for its end
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and caller.cancelling():
                raise
            raise StorageError(f"the upload to {self._path!r} was discarded") from None

    async def discard(self) -> None:
        """Abort the upload, and return when nothing of it is open. A cancellation is raised after that."""
        self._task.cancel()
        cancellation: asyncio.CancelledError | None = None
        with shielded_from_anyio(math.inf):
            while not self._task.done():
                try:
                    await asyncio.wait({self._task})
                except asyncio.CancelledError as error:
                    cancellation = error
        if cancellation is not None:
            raise cancellation

    def discard_soon(self) -> None:
        """Begin to abort the upload, from any thread. Does nothing in a fork of the process."""
        if self._process == os.getpid() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)


def _retrieve(task: asyncio.Task[UploadReceipt]) -> None:
    """Let asyncio not complain of an error that no call has asked for."""
    if not task.cancelled():
        task.exception()
