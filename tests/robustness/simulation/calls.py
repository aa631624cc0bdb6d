"""One upload of a simulation: its call, its ending, and its state at the moment of its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel

from aios3 import TransferConfig, UploadProgress, UploadReceipt

from .schedule import Call
from .sources import SimulatedSource
from .store import BUCKET, Exchange
from .world import World

__all__ = ["Outcome", "Upload"]


class SiblingError(Exception):
    """Error of a sibling task of an upload."""


class ProgressError(Exception):
    """Error of a progress callback."""


@dataclass(eq=False)
class Outcome:
    """State at the end of a call, as its caller sees it."""

    receipt: UploadReceipt | None
    error: BaseException | None
    at: float
    in_flight: list[Exchange]
    """Attempts in flight for the key of this upload."""
    last: Exchange | None
    """Last attempt for this key."""
    open_uploads: list[str]
    body: bytes | None
    """Content of the key; ``None`` without an object."""
    etag: str | None
    notes: str = ""


@dataclass(eq=False)
class Upload:
    """One call, and its results."""

    world: World
    call: Call
    source: SimulatedSource
    old: bytes | None
    """Content of the key before the call; ``None`` without an object."""
    outcome: Outcome | None = None
    progress: list[UploadProgress] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    """Accepted writes in order, in the mode in which tasks write."""
    told_to_end_at: float | None = None
    has_begun: bool = False
    was_swallowed: bool = False
    """Whether the call was cancelled and ended as if it was not."""
    was_cancelled: bool = False
    cancellations_left: int = 0
    """`Task.cancelling()` of its task at the end."""

    @property
    def content(self) -> bytes:
        return b"".join(self.written) if self.call.mode == "tasks" else self.source.content

    async def run(self) -> None:
        """Make the call, and end it in its way. Raises nothing."""
        await asyncio.sleep(self.call.begins)
        task = asyncio.create_task(self._ended_by(self.call.ending.way), name=f"call {self.call.key}")
        await asyncio.wait({task})
        is_lost = self.was_cancelled and not task.cancelled()
        if not task.cancelled() and not isinstance(task.exception(), BaseExceptionGroup):
            self.was_swallowed |= is_lost

    def _at(self, end: Any) -> None:
        def fire() -> None:
            if self.outcome is None:
                self.world.note(f"{self.call.key}: {self.call.ending.way}")
                if self.told_to_end_at is None:
                    self.told_to_end_at = self.world.loop.time()
                self.was_cancelled |= self.call.ending.way in ("cancel", "shutdown")
                end()

        for trigger in self.call.ending.triggers:
            self.world.at(trigger, fire)

    async def _ended_by(self, way: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        if way == "cancel":
            self._at(task.cancel)
            await self._made()
        elif way == "timeout":
            await self._timed()
        elif way == "anyio":
            with anyio.CancelScope() as scope:
                self._at(scope.cancel)
                await self._made()
                await anyio.lowlevel.checkpoint()  # until then a shielded clean-up may hold a cancellation up
                self.was_swallowed |= scope.cancel_called
        elif way == "sibling":
            await self._beside_a_sibling()
        else:
            if way == "close":
                self._at(self._close)
            elif way == "shutdown":
                self._at(self._shut_down)
            await self._made()

    async def _timed(self) -> None:
        loop = self.world.loop
        async with asyncio.timeout(None) as scope:
            self._at(lambda: scope.reschedule(loop.time()))
            await self._made()
        self.was_swallowed |= scope.expired()

    async def _beside_a_sibling(self) -> None:
        trigger = asyncio.Event()
        self._at(trigger.set)

        async def fail() -> None:
            await trigger.wait()
            raise SiblingError

        async def succeed() -> None:
            try:
                await self._made()
            finally:
                sibling.cancel()

        async with asyncio.TaskGroup() as group:
            sibling = group.create_task(fail())
            group.create_task(succeed())

    def _close(self) -> None:
        self.world.loop.create_task(self.world.driver.aclose(), name="close")

    def _shut_down(self) -> None:
        for task in sorted(asyncio.all_tasks(), key=hash):
            if not task.get_name().startswith("simulation"):
                task.cancel()

    async def _made(self) -> None:
        try:
            receipt = await self._make()
        except BaseException as error:
            self._end(None, error)
            raise
        self._end(receipt, None)

    def _end(self, receipt: UploadReceipt | None, error: BaseException | None) -> None:
        world, key = self.world, self.call.key
        found = world.store.state.objects.get((BUCKET, key))
        self.outcome = Outcome(
            receipt=receipt,
            error=error,
            at=world.loop.time(),
            in_flight=[exchange for exchange in world.transport.in_flight if exchange.key == key],
            last=world.transport.last_begun.get(key),
            open_uploads=world.store.open_uploads(key),
            body=world.store.body_of(key),
            etag=None if found is None else found.etag.strip('"'),
            notes="\n".join(getattr(error, "__notes__", ())),
        )
        task = asyncio.current_task()
        self.cancellations_left = 0 if task is None else task.cancelling()
        what = "CancelledError" if isinstance(error, asyncio.CancelledError) else repr(error)
        world.note(f"{key}: {'returns' if error is None else f'raises {what} {self.outcome.notes}'}")

    async def _make(self) -> UploadReceipt:
        call, driver = self.call, self.world.driver
        transfer = TransferConfig(
            part_size=self.world.schedule.part_size,
            memory_limit=self.world.schedule.memory_limit,
            concurrency="auto" if call.is_adaptive else call.concurrency,
            checksum=call.checksum,
            mechanism=call.mechanism,
            part_growth="fixed",
            nonce=call.nonce,
        )
        options: dict[str, Any] = {
            "size": call.declared,
            "max_size": call.max_size,
            "transfer": transfer,
            "on_progress": self._callback(),
            "content_type": "video/mp4",
        }
        self.has_begun = True
        if call.mode == "stream":
            return await driver.upload_object_via_stream(self.source.make(), BUCKET, call.key, **options)
        async with driver.open_upload(BUCKET, call.key, **options) as upload:
            if call.mode == "writer":
                await upload.write_from(self.source.make())
            else:
                await self._write_from_tasks(upload)
        return upload.receipt

    async def _write_from_tasks(self, upload: Any) -> None:
        async def write() -> None:
            if self.world.schedule.is_eager:
                await asyncio.sleep(0)  # the first must not have failed before the second is there
            while not self.source.has_ended:
                await self.source.pause()
                data = bytes(self.source.next_chunk())
                await upload.write(data)
                self.written.append(data)

        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(write())

    def _callback(self) -> Any:
        kind = self.call.progress
        if kind == "none":
            return None

        def take(progress: UploadProgress) -> None:
            self.progress.append(progress)
            if kind == "failing" and len(self.progress) == 3:
                raise ProgressError

        async def take_slowly(progress: UploadProgress) -> None:
            take(progress)
            await asyncio.sleep(0.01)

        return take_slowly if kind == "async" else take
