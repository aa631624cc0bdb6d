"""Scene with an engine that may spill to a folder, and another upload that holds its memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

from aios3._protocol.parts.part_buffer import SEGMENT_SIZE, Segment
from aios3._protocol.parts.part_plan import PartPlan
from aios3._upload.lifecycle import run_upload
from aios3._upload.memory.budget import Reservation
from aios3._upload.memory.segment_pool import SegmentPool
from aios3._upload.memory.spill import SpillFile
from aios3._upload.uploader import Uploader
from aios3.models import UploadReceipt

from .fakes import make_job
from .upload_scene import Block, UploadScene

SIZE = 2 * SEGMENT_SIZE + 100
"""Bytes of a part in this scene."""


def data(size: int) -> bytes:
    return random.Random(size).randbytes(size)


class CountingPool(SegmentPool):
    """Segment pool that counts the segments in use, and the peak."""

    lent = 0
    most = 0

    def take(self) -> Segment:
        self.lent += 1
        self.most = max(self.most, self.lent)
        return super().take()

    def give_back(self, segments: Sequence[Segment]) -> None:
        self.lent -= len(segments)
        super().give_back(segments)


class SpillScene(UploadScene):
    """Scene with parts of `SIZE` bytes. Memory holds three parts, and a fourth that is read back."""

    def __init__(self, directory: Path, *, parts: float = 4, spill_limit: int = 1000 * SIZE, size: int = SIZE) -> None:
        super().__init__(memory_limit=int(parts * size), spill_directory=directory, spill_limit=spill_limit)
        self.plan = PartPlan(size, size, 1000)
        assert self.engine.spill is not None
        self.spill = self.engine.spill
        self.pool = self.engine.pool = self.spill.pool = CountingPool(0)
        self.spill.make_file = self._make_file
        self.make_file: Callable[[str | None], SpillFile] = SpillFile
        self.files: list[SpillFile] = []

    def _make_file(self, directory: str | None) -> SpillFile:
        self.files.append(self.make_file(directory))
        return self.files[-1]

    async def upload(self, body: bytes | Block, **job: Any) -> UploadReceipt:
        return await super().upload(body, **{"plan": self.plan, **job})

    def open(self, key: str) -> AbstractAsyncContextManager[Uploader]:
        return run_upload(self.engine, make_job(plan=self.plan, key=key))

    def hold_memory(self) -> Reservation:
        """Hold all memory for unfinished parts except one byte, as if a source never gave that byte."""
        memory, reservation = self.engine.memory, Reservation()
        free = memory.limit - memory.reserve - memory.used
        assert memory.acquire_nowait(reservation, free - 1, free)
        reservation.task = None
        return reservation

    def let_go(self, reservation: Reservation) -> None:
        self.engine.memory.release(self.engine.memory.detach(reservation))

    def assert_nothing_is_left(self) -> None:
        super().assert_nothing_is_left()
        assert self.pool.lent == 0


def let_threads_take_turns() -> None:
    """Let the current loop run the work of all its threads one item per turn."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop.run_in_executor, partial):
        loop.run_in_executor = partial(_take_turns, loop.run_in_executor, TurnThreads(1))  # type: ignore[method-assign]


def _take_turns(run: Any, threads: TurnThreads, executor: object, work: Any, *args: Any) -> Any:
    return run(threads, work, *args)


class TurnThreads(ThreadPoolExecutor):
    """Executor that runs one item per turn, in a thread that the loop waits for. So every run has the same turns."""

    def submit(self, work: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        run = super().submit

        def turn() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(run(partial(work, *args, **kwargs)).result())
                except BaseException as error:
                    future.set_exception(error)

        asyncio.get_running_loop().call_soon(turn)
        return future
