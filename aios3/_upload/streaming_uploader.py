"""An upload without parts: one PutObject that goes out while its source is read.

For stores without multipart uploads. A source that ends within the first part
is what it always is, one PutObject that can be repeated. A longer one becomes a
request whose body has no end until the source has ended cleanly: with its
declared length, of which the last bytes are held back, or in chunks. Whatever
else ends the upload cuts the connection, so that the store never sees a whole
request.

The price: once a byte beyond the first part has left, nothing can be sent
again, so any failure of the connection is the end; the bytes are signed with
UNSIGNED-PAYLOAD and carry no checksum, because they are not known beforehand;
and the object may not be larger than one PutObject. If the answer is lost only
a mark in the metadata or the ETag can tell whether the object is ours, so where
there is no mark the MD5 is made while the bytes go out.
"""

from __future__ import annotations

import asyncio

from aios3._client.hashing import RunningMD5
from aios3._protocol.operations import Committed, PutObject
from aios3._protocol.parts.part_buffer import Part
from aios3._protocol.parts.put_plan import StreamPlan
from aios3._upload.memory.spill import SpilledPart
from aios3._upload.put.body_channel import BodyChannel
from aios3._upload.put.put_stream import put_stream
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import UploadJob
from aios3.errors import ObjectTooLargeError

from .uploader import Uploader

__all__ = ["StreamingUploader"]


class StreamingUploader(Uploader):
    """Fed like any uploader; its guard has nothing to guard, because nothing stays open at the store."""

    def __init__(self, engine: Engine, job: UploadJob, plan: StreamPlan) -> None:
        """Prepare; nothing is sent or taken before the first byte."""
        super().__init__(engine, job)
        self._limit = plan.limit
        self._channel: BodyChannel | None = None
        self._request: asyncio.Task[Committed] | None = None
        self._md5 = RunningMD5() if job.nonce is None else None

    async def abandon(self) -> None:
        """Cut the connection although the block has not been left."""
        if self._request is not None:
            self._request.cancel()
            await asyncio.wait({self._request})

    # feeding

    def _count(self, count: int) -> None:
        super()._count(count)
        if self._progress.bytes_read > self._limit:
            raise ObjectTooLargeError(
                f"the source is longer than {self._limit} bytes, the most that {self._engine.provider.name} takes in "
                "one PutObject, and this upload has no parts"
            )

    @property
    def _is_surely_multipart(self) -> bool:
        """Never: the first part is kept until a byte beyond it is there, because until then it can be sent again."""
        return False

    def _take_at_once(self, data: memoryview) -> bool:
        """Not if it could go out at once, or may be too much."""
        is_allowed = self._channel is None or not self._channel.is_idle
        return is_allowed and self._bounds.read + len(data) <= self._limit and super()._take_at_once(data)

    async def _take(self, data: memoryview) -> None:
        await super()._take(data)
        # A live source gives little at a time, and stores close connections on which nothing comes.
        is_whole = self._progress.bytes_read == self._job.size
        if self._channel is not None and self._channel.is_idle and not self._assembler.is_empty and not is_whole:
            await self._send_part()

    async def _send_part(self) -> None:
        part = self._assembler.take()
        try:
            if isinstance(part, SpilledPart):
                await part.load()
            if self._channel is not None:
                await self._progress.report()
                await self._hash(part)
                await self._channel.put(part)
        except BaseException:
            self._assembler.give_back(part)
            raise
        if self._channel is None:
            self._channel = self._begin_request(part)
            await self._progress.report()
            await self._hash(part)  # while it goes out
            await self._channel.give_up_beginning()
        await asyncio.sleep(0)  # a source that is never waited for must not keep the loop from sending

    async def _hash(self, part: Part | SpilledPart) -> None:
        if self._md5 is not None:
            await self._md5.add(part.body)

    def _begin_request(self, beginning: Part | SpilledPart) -> BodyChannel:
        channel = BodyChannel(beginning, length=self._job.size, give_back=self._assembler.give_back)
        try:
            self._request = self.tasks.run(self._put(channel), f"aios3: put {self._job.key!r}")
        except BaseException:
            channel.close()
            raise
        # A task that is cancelled before its first step runs no code of its own.
        self._request.add_done_callback(lambda ended: self._request_ended(channel, ended))
        return channel

    def _request_ended(self, channel: BodyChannel, task: asyncio.Task[Committed]) -> None:
        failure = asyncio.CancelledError() if task.cancelled() else task.exception()
        self._broken_by = self._broken_by or failure  # for a block that other tasks feed or leave
        channel.close()

    async def _put(self, channel: BodyChannel) -> Committed:
        job = self._job
        operation = PutObject(job.bucket, job.key, self._commit.put_headers(), ())
        return await put_stream(
            self._engine.client,
            operation,
            channel,
            log=self._log,
            read_timeout=self._engine.timeouts.complete,
            head_headers=job.headers.part,
            nonce=job.nonce,
            md5=self._md5,
        )

    # the end

    async def finish(self) -> None:
        """Send what is left and the end, and wait for the store's word.

        Raises:
            SizeMismatchError: the source was shorter than declared.
            StorageError: the store refused, or its answer was lost.
        """
        size = await self._end_reading()
        if self._channel is None or self._request is None:
            self.receipt = await self._finish_single()
            return
        if not self._assembler.is_empty:
            await self._send_part()
        self._begin_commit()
        self._channel.end()
        await asyncio.wait({self._request})
        committed = self._request.result()
        await self._progress.report_committed()
        self.receipt = self._commit.receipt(committed, size, ())
