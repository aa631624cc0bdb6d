"""A file goes straight into the memory of its parts: few threads, nothing copied, nothing held that was not granted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

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
    """Remembers how much it was given to fill, and what it was asked by `pull`; does something before each reading."""

    def __init__(self, opened: OpenedFile, before: Callable[[], object]) -> None:
        super().__init__(opened)
        self.reads: list[int] = []
        self.pulls: list[int] = []
        self._before = self._next = before
        self._file: Any = self
        self._ordinary, self.pull = self.pull, self._recorded  # type: ignore[assignment]

    async def read_into(self, memory: Iterable[memoryview]) -> int:
        pieces = list(memory)
        self.reads.append(sum(map(len, pieces)))
        self._next = self._before
        return await super().read_into(pieces)

    def readinto(self, memory: memoryview) -> int | None:
        """In the thread."""
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
        self.before: Callable[[], object] = lambda: None
        self.reader: Reading | None = None

    @property
    def used(self) -> int:
        return self.scene.engine.memory.used

    async def upload(self, body: bytes, **job: Any) -> bytes:
        """Upload a file of these bytes, and return what the store has then."""
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
        async with OpenedFile(self.path) as opened, Reading(opened, self.before) as self.reader:
            yield self.reader


@pytest.fixture
def scene(tmp_path: Path) -> FileScene:
    return FileScene(UploadScene(memory_limit=9 * SIZE), tmp_path / "file", PartPlan(SIZE, SIZE, 1000))


@pytest.mark.parametrize(
    "size", [0, 1, SEGMENT_SIZE, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE, 3 * SIZE + SEGMENT_SIZE, 5 * SIZE + 7]
)
async def test_the_bytes_are_the_files(scene: FileScene, size: int) -> None:
    """Around the sizes of segments and parts; what fits one part is one PutObject."""
    assert await scene.upload(data(size)) == data(size)
    assert ("PutObject" in scene.scene.store.operations) is (size <= SIZE)
    assert [len(body) for body in scene.scene.store.bodies if body][:1] == [min(size, SIZE)] * (size > 0)


async def test_a_thread_fills_many_segments_at_once(scene: FileScene) -> None:
    """As many as are left of the part; and the end shows without another thread."""
    await scene.upload(data(2 * SIZE + 1000))
    assert scene.reader is not None
    assert scene.reader.reads == [SIZE, SIZE, 1001]
    assert scene.reader.pulls == []


async def test_a_large_part_is_read_in_pieces(scene: FileScene) -> None:
    """Of half the usual part, so that its memory is not held long before it is needed."""
    scene.plan = PartPlan(6 * 2**20, 6 * 2**20, 10)
    scene.scene.engine.memory.limit = 2**26
    body = data(13 * 2**20)
    assert await scene.upload(body) == body
    assert scene.reader is not None
    assert scene.reader.reads == [2_621_440, 2_621_440, 2**20] * 2 + [2**20 + 1]


async def test_memory_is_granted_before_the_thread_writes_there(scene: FileScene) -> None:
    """As much as it is given to fill, in whole segments, beside the part before unless that is stored; and no more."""
    used: list[int] = []
    scene.before = lambda: used.append(scene.used)
    await scene.upload(data(SIZE + 10), concurrency=1)
    assert used in ([SIZE, SIZE + SEGMENT_SIZE], [SIZE, SEGMENT_SIZE])


async def test_with_little_memory_it_takes_what_there_is(scene: FileScene) -> None:
    """The rest of the part comes when another's part was sent."""
    scene.scene.engine.memory.limit = SIZE
    body = data(3 * SIZE + 5)
    assert await scene.upload(body) == body


async def test_progress_counts_what_was_read(scene: FileScene) -> None:
    """Part by part, up to the whole."""
    seen: list[UploadProgress] = []
    await scene.upload(data(2 * SIZE + 9), on_progress=seen.append, concurrency=1)
    assert sorted({progress.bytes_read for progress in seen}) == [SIZE, 2 * SIZE, 2 * SIZE + 9]
    assert (seen[-1].bytes_stored, seen[-1].bytes_total) == (2 * SIZE + 9, 2 * SIZE + 9)


@pytest.mark.parametrize("first", [10, SIZE, SIZE + 10])
@pytest.mark.parametrize("change", [b"", b"more"], ids=["shrinks", "grows"])
async def test_a_file_that_changes_is_not_committed(scene: FileScene, first: int, change: bytes) -> None:
    """Longer or shorter than it was said to be, wherever that shows."""
    scene.path.write_bytes(data(first) + change)
    size = first if change else first + 1
    with pytest.raises(SizeMismatchError, match=str(size)):
        await scene.scene.upload(scene.feed, **scene.job(size))
    assert scene.scene.store.objects == {}
    scene.scene.assert_nothing_is_left()


async def test_an_error_of_the_file_is_the_callers(scene: FileScene) -> None:
    """Unchanged, and nothing is left."""
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


async def test_a_cancellation_does_not_wait_for_a_disk_that_hangs(scene: FileScene) -> None:
    """What its thread still writes goes to memory that no other part has."""
    entered, may_go_on = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        may_go_on.wait()

    scene.before = hold
    scene.path.write_bytes(data(3 * SIZE))
    task = asyncio.create_task(scene.scene.upload(scene.feed, **scene.job(3 * SIZE)))
    try:
        await asyncio.to_thread(entered.wait)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        scene.scene.assert_nothing_is_left()
        scene.before = may_go_on.set
        assert await scene.upload(bytes(2 * SIZE)) == bytes(2 * SIZE)
    finally:
        may_go_on.set()


async def test_the_loop_turns_while_a_thread_reads(scene: FileScene) -> None:
    """Parts on their way are sent meanwhile."""
    threads: set[int] = set()
    scene.before = lambda: threads.add(threading.get_ident())
    await scene.upload(data(SIZE + 1))
    assert threads
    assert threading.get_ident() not in threads


async def test_a_part_on_the_disk_is_filled_the_ordinary_way(tmp_path: Path) -> None:
    """It has no memory to be read into; the parts after it have."""
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


async def test_it_takes_other_sources_too(scene: FileScene) -> None:
    """The way of reading is the reader's."""

    async def feed(upload: Uploader) -> None:
        await UploadWriter(upload).write_from([data(SIZE), data(SIZE + 5)])

    await scene.scene.upload(feed, **scene.job(2 * SIZE + 5))
    assert scene.scene.object() == data(SIZE) + data(SIZE + 5)
    scene.scene.assert_nothing_is_left()
