"""Streamed PutObject as a sink: one request whose body is sent while its source is read.

It serves stores without multipart uploads. The first part is kept until it has been sent, so the request can be
repeated until then. The body ends only when the source has ended cleanly: with a declared size the last bytes are held
back, without one the body is sent in chunks. Whatever else ends the upload cuts the connection, so the store never sees
a whole request.

The price: after the first part nothing can be sent again, so any failure of the connection ends the upload. The body is
signed as UNSIGNED-PAYLOAD and has no checksum, because its bytes are not known beforehand. The object is limited to one
PutObject. If the response is lost, the nonce in the metadata tells whether the object is ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import nullcontext

from aios3._concurrency.task_group import UploadTasks
from aios3._protocol.operations import Committed, PutObject
from aios3._upload.memory.held_part import HeldPart
from aios3._upload.put.body_channel import BodyChannel
from aios3._upload.put.put_stream import put_stream
from aios3._upload.shared.progress import ProgressReporter
from aios3.errors import StorageError, UploadSuspendedError
from aios3.models import UploadReceipt

from .upload_requests import UploadRequests

__all__ = ["PutSink"]


class PutSink:
    """Passes parts to the body of one request. Nothing stays open at the store, so there is nothing to guard."""

    upload_id = None
    is_settled = True

    def __init__(self, requests: UploadRequests, tasks: UploadTasks, progress: ProgressReporter) -> None:
        """Prepare; nothing is sent before `send`."""
        self.guard = nullcontext()
        self._requests = requests
        self._tasks = tasks
        self._progress = progress
        self._channel: BodyChannel | None = None
        self._request: asyncio.Task[Committed] | None = None

    @property
    def has_begun(self) -> bool:
        """The request was begun."""
        return self._channel is not None

    @property
    def is_starved(self) -> bool:
        """The connection waits for bytes."""
        return self._channel is not None and self._channel.is_idle

    def wants(self, *, is_full: bool, is_last: bool) -> bool:
        """Return whether a part should be sent at once. The last part waits for the end of the source.

        A live source gives few bytes at a time, and stores close connections on which nothing comes.
        """
        return self.is_starved and not is_last

    def expect(self, size: int | None) -> None:
        """Do nothing: until a byte follows the first part, that part can be sent as one PutObject."""

    async def wait_until_open(self) -> None:
        """Return at once."""

    async def send(self, part: HeldPart) -> None:
        """Pass `part` to the request; the first part begins the request. The sink closes the part, also if this raises.

        Raises:
            StorageError: the request has failed.
            OSError: a part on disk cannot be read.
        """
        try:
            await part.open()
            if self._channel is not None:
                await self._progress.report()
                with self._requests.timeline.during(None):
                    await self._pass(self._channel.put(part))
                return
        except BaseException:
            part.close()
            raise
        self._channel = self._begin_request(part)
        await self._progress.report()
        await self._pass(self._channel.give_up_beginning())

    async def _pass(self, passing: Coroutine[None, None, None]) -> None:
        try:
            await passing
            return
        except StorageError:
            error = self._tasks.refusal()  # the channel does not know why the request has failed
        raise error

    def _begin_request(self, beginning: HeldPart) -> BodyChannel:
        channel = BodyChannel(beginning, length=self._requests.job.size)
        try:
            self._request = self._tasks.run(self._put(channel), f"aios3: put {self._requests.job.key!r}")
        except BaseException:
            channel.close()
            raise
        # A task that is cancelled before its first step runs no code of its own.
        self._request.add_done_callback(lambda _: channel.close())
        return channel

    async def _put(self, channel: BodyChannel) -> Committed:
        job, engine = self._requests.job, self._requests.engine
        assert job.nonce is not None  # every streamed job has one
        return await put_stream(
            engine.client,
            PutObject(job.bucket, job.key, self._requests.put_headers(), ()),
            channel,
            log=self._requests.log,
            read_timeout=engine.timeouts.complete,
            head_headers=job.headers.part,
            nonce=job.nonce,
        )

    async def complete(self, count: int, size: int) -> UploadReceipt:
        """End the body, wait for the response, and return the receipt of an object of `size` bytes.

        Raises:
            StorageError: the store refused, or its response was lost; see `put_stream`.
        """
        assert self._channel is not None
        assert self._request is not None
        self._tasks.begin_commit()
        self._channel.end()
        await asyncio.wait({self._request})
        committed = self._request.result()
        await self._progress.report_committed()
        return self._requests.receipt(committed, size)

    async def abort(self) -> bool:
        """Cut the connection, also while the commit is in flight."""
        if self._request is not None:
            self._request.cancel()
            await asyncio.wait({self._request})
        return True

    def suspend(self, reason: UploadSuspendedError) -> None:
        """Do nothing: a request that was cut off cannot be resumed."""

    def checkpoint(self) -> None:
        """Return ``None``: nothing stays open."""
