"""Uploads of files, which are read straight into granted memory of their parts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from aios3._concurrency.caller_errors import Outcome
from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._protocol.parts.part_plan import PartPlan
from aios3._upload.source.files import FileReader, OpenedFile
from aios3._upload.uploader import Uploader
from aios3._upload.writer import UploadWriter
from aios3.checkpoints import FileIdentity
from aios3.errors import SizeMismatchError
from aios3.models import UploadProgress
from tests.support.spill_scene import SpillScene, data
from tests.support.upload_scene import UploadScene

SIZE = 4 * SEGMENT_SIZE + 100
"""Bytes of a part here."""


class Reading(FileReader):
    """Records bytes to fill and hints of pulls.

    Calls `asked` before each reading, `before` in the thread, and `read` in the loop at its end.
    """

    def __init__(
        self,
        opened: OpenedFile,
        before: Callable[[], object],
        asked: Callable[[], object],
        read: Callable[[], object],
    ) -> None:
        super().__init__(opened)
        self._asked, self._read = asked, read
        self.reads: list[int] = []
        self.pulls: list[int] = []
        self._before = self._next = before
        self._file: Any = self
        self._ordinary, self.pull = self.pull, self._recorded  # type: ignore[assignment]

    def begin_reading(self, memory: Iterable[memoryview]) -> asyncio.Future[Outcome[int]]:
        pieces = list(memory)
        self.reads.append(sum(map(len, pieces)))
        self._asked()
        self._next = self._before
        reading = super().begin_reading(pieces)
        reading.add_done_callback(lambda _: self._read())
        return reading

    def readinto(self, memory: memoryview) -> int | None:
        before, self._next = self._next, lambda: None
        before()
        return self._source.readinto(memory)  # type: ignore[attr-defined, no-any-return]

    async def _recorded(self, hint: int) -> object:
        self.pulls.append(hint)
        return await self._ordinary(hint)


class FileScene:
    """Uploads of one file, through an engine on a fake store."""

    def __init__(self, scene: UploadScene, path: Path, plan: PartPlan) -> None:
        self.scene = scene
        self.path = path
        self.plan = plan
        self.asked: Callable[[], object] = lambda: None
        self.read: Callable[[], object] = lambda: None
        self.before: Callable[[], object] = lambda: None
        self.reader: Reading | None = None

    @property
    def used(self) -> int:
        return self.scene.engine.memory.used

    async def upload(self, body: bytes, **job: Any) -> bytes:
        """Upload a file of these bytes, and return the bytes of the object."""
        self.path.write_bytes(body)
        await self.scene.upload(self.feed, **self.job(len(body)), **job)
        self.scene.assert_nothing_is_left()
        return self.scene.object()

    def job(self, size: int) -> dict[str, Any]:
        return {"size": size, "plan": self.plan, "file": FileIdentity(str(self.path), size, 0)}

    async def feed(self, upload: Uploader) -> None:
        async with self.reading() as reader:
            await UploadWriter(upload).write_all(reader)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Reading]:
        async with OpenedFile(self.path) as opened, Reading(opened, self.before, self.asked, self.read) as self.reader:
            yield self.reader


@pytest.fixture
def scene(tmp_path: Path) -> FileScene:
    return FileScene(UploadScene(memory_limit=9 * SIZE), tmp_path / "file", PartPlan(SIZE, SIZE, 1000))


@pytest.mark.parametrize(
    "size", [0, 1, SEGMENT_SIZE, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE, 3 * SIZE + SEGMENT_SIZE, 5 * SIZE + 7]
)
async def test_the_bytes_of_a_file_are_uploaded(scene: FileScene, size: int) -> None:
    assert await scene.upload(data(size)) == data(size)
    assert ("PutObject" in scene.scene.store.operations) is (size <= SIZE)
    assert [len(body) for body in scene.scene.store.bodies if body][:1] == [min(size, SIZE)] * (size > 0)


async def test_a_thread_fills_all_segments_of_a_part_at_once(scene: FileScene) -> None:
    threads: set[int] = set()
    scene.before = lambda: threads.add(threading.get_ident())
    await scene.upload(data(2 * SIZE + 1000))
    assert threading.get_ident() not in threads
    assert scene.reader is not None
    assert scene.reader.reads == [SIZE, SIZE, 1001]
    assert scene.reader.pulls == []


async def test_a_thread_reads_on_before_other_tasks_run(scene: FileScene) -> None:
    """So reading goes on while parts are sent."""
    turns, began, ended = 0, [], []

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    scene.asked = lambda: began.append(turns)
    scene.read = lambda: ended.append(turns)
    counting = asyncio.create_task(count())
    await scene.upload(data(9 * SIZE))
    counting.cancel()
    waits = [begin - end for begin, end in zip(began[1:], ended, strict=False)]
    assert median(waits) <= 1, waits  # the counting task may come in between, and a part may wait for a slot


async def test_the_time_of_other_tasks_is_not_that_of_the_file(scene: FileScene) -> None:
    loop = asyncio.get_running_loop()
    scene.asked = lambda: loop.call_soon(scene.scene.clock.advance, 5)
    scene.path.write_bytes(data(3 * SIZE))
    timing = (await scene.scene.upload(scene.feed, **scene.job(3 * SIZE))).timing
    assert timing is not None
    assert (timing.source, timing.total) == (0, 20)


async def test_a_large_part_is_read_in_pieces(scene: FileScene) -> None:
    """So its memory is not held long before it is needed."""
    scene.plan = PartPlan(6 * 2**20, 6 * 2**20, 10)
    scene.scene.engine.memory.limit = 2**26
    body = data(13 * 2**20)
    assert await scene.upload(body) == body
    assert scene.reader is not None
    assert scene.reader.reads == [2_621_440, 2_621_440, 2**20] * 2 + [2**20 + 1]


async def test_memory_is_granted_before_a_thread_writes_to_it(scene: FileScene) -> None:
    used: list[int] = []
    scene.before = lambda: used.append(scene.used)
    await scene.upload(data(SIZE + 10), concurrency=1)
    assert used in ([SIZE, SIZE + SEGMENT_SIZE], [SIZE, SEGMENT_SIZE])


async def test_progress_of_a_file_counts_part_by_part(scene: FileScene) -> None:
    seen: list[UploadProgress] = []
    await scene.upload(data(2 * SIZE + 9), on_progress=seen.append, concurrency=1)
    assert sorted({progress.bytes_read for progress in seen}) == [SIZE, 2 * SIZE, 2 * SIZE + 9]
    assert (seen[-1].bytes_stored, seen[-1].bytes_total) == (2 * SIZE + 9, 2 * SIZE + 9)


@pytest.mark.parametrize("first", [10, SIZE, SIZE + 10])
@pytest.mark.parametrize("change", [b"", b"more"], ids=["shrinks", "grows"])
async def test_a_file_that_changes_its_length_is_not_committed(scene: FileScene, first: int, change: bytes) -> None:
    scene.path.write_bytes(data(first) + change)
    size = first if change else first + 1
    with pytest.raises(SizeMismatchError, match=str(size)):
        await scene.scene.upload(scene.feed, **scene.job(size))
    assert scene.scene.store.objects == {}
    scene.scene.assert_nothing_is_left()


async def test_an_error_of_the_file_is_raised_unchanged(scene: FileScene) -> None:
    error = OSError("the disk broke")

    def fail() -> None:
        if len(scene.scene.store.sent) > 1:
            raise error

    scene.before = fail
    scene.path.write_bytes(data(20 * SIZE))
    with pytest.raises(OSError, match="the disk broke") as caught:
        await scene.scene.upload(scene.feed, **scene.job(20 * SIZE))
    assert caught.value is error
    scene.scene.assert_nothing_is_left()


@pytest.mark.parametrize("is_late", [False, True], ids=["as it begins", "while it hangs"])
async def test_a_cancellation_does_not_wait_for_a_read_that_hangs(
    scene: FileScene, is_late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory to which its thread still writes is never given to another part."""
    entered, may_go_on = threading.Event(), threading.Event()
    reusable: list[object] = []
    monkeypatch.setattr(scene.scene.engine.pool, "give_back", reusable.extend)

    def hold() -> None:
        entered.set()
        may_go_on.wait()

    scene.before = hold
    scene.path.write_bytes(data(3 * SIZE))
    task = asyncio.create_task(scene.scene.upload(scene.feed, **scene.job(3 * SIZE)))
    try:
        if is_late:
            await asyncio.to_thread(entered.wait)
            task.cancel()
        else:
            scene.asked = task.cancel
        await asyncio.wait({task})
        assert task.cancelled()
        scene.scene.assert_nothing_is_left()
        assert reusable == []
    finally:
        may_go_on.set()


async def test_a_spilled_part_is_filled_by_pulls_and_later_parts_are_not(tmp_path: Path) -> None:
    spilling = SpillScene(tmp_path)
    scene = FileScene(spilling, tmp_path / "file", spilling.plan)
    holder, size = spilling.hold_memory(), spilling.plan.first_size
    spilling.store.on("UploadPart", lambda request: spilling.let_go(holder))
    body = data(4 * size + 3)
    assert await scene.upload(body, concurrency=1) == body
    assert len(spilling.files) == 2
    assert scene.reader is not None
    assert scene.reader.pulls[:2] == [SEGMENT_SIZE, SEGMENT_SIZE]
    assert scene.reader.reads[-1] == 4
