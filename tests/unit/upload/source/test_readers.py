"""Every kind of source, read in one way."""

from __future__ import annotations

import array
import asyncio
import ctypes
import io
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiofiles
import anyio
import pytest

from aios3._upload.source import readers as sources
from aios3._upload.source.kinds import as_view
from aios3._upload.source.readers import END, SourceReader
from tests.support.fakes import RecordingSource, turns

CONTENT = bytes(range(256)) * 5
CHUNKS = [CONTENT[:7], b"", CONTENT[7:500], CONTENT[500:501], CONTENT[501:]]


async def read_all(source: Any, hint: int = 100) -> bytes:
    """Read as an upload does: copy each chunk before the next one is asked for."""
    collected = bytearray()
    async with SourceReader(source) as reader:
        while (chunk := await reader.pull(hint)) is not END:
            collected += as_view(chunk)
        assert await reader.pull(hint) is END
    return bytes(collected)


async def generate(chunks: list[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


class OnlyIterable:
    def __iter__(self) -> Iterator[bytes]:
        return iter(CHUNKS)


class ShortReads:
    """Gives less than it is asked for, and says where it was read."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.file = io.BytesIO(content)
        self.threads: list[int] = []
        self.hints: list[int] = []

    def read(self, size: int) -> bytes:
        self.threads.append(threading.get_ident())
        self.hints.append(size)
        return self.file.read(min(3, size))

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("a file must be read, not iterated by line")


class AsyncReads(ShortReads):
    async def read(self, size: int) -> bytes:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().read(size)


class AwaitableReads(ShortReads):
    """As what is compiled or wrapped: a plain function that returns something to await; says where it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.callers: list[int] = []

    def read(self, size: int) -> Any:
        self.callers.append(threading.get_ident())
        reading = super().read

        async def later() -> bytes:
            return reading(size)

        return later()


class UploadFileLike:
    """As Starlette's and FastAPI's: an async ``read`` around a spooled file, and an async ``close``."""

    def __init__(self) -> None:
        self.file = io.BytesIO(CONTENT)
        self.is_closed = False

    async def read(self, size: int = -1) -> bytes:
        return self.file.read(size)

    async def close(self) -> None:
        self.is_closed = True


class LineReader:
    """As aiohttp's StreamReader: async ``read``, and an iteration that goes by line."""

    def __init__(self) -> None:
        self.file = io.BytesIO(CONTENT)

    async def read(self, n: int = -1) -> bytes:
        return self.file.read(n)

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise AssertionError("a reader must be read, not iterated by line")


def stream_reader() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(CONTENT)
    reader.feed_eof()
    return reader


@pytest.mark.parametrize(
    "make",
    [
        lambda: generate(CHUNKS),
        lambda: RecordingSource(*CHUNKS),
        lambda: list(CHUNKS),
        lambda: tuple(CHUNKS),
        lambda: iter(CHUNKS),
        lambda: (chunk for chunk in CHUNKS),
        OnlyIterable,
        lambda: CONTENT,
        lambda: bytearray(CONTENT),
        lambda: memoryview(CONTENT),
        lambda: memoryview(CONTENT).cast("I"),
        lambda: memoryview(CONTENT).cast("B", (40, 32)),
        lambda: memoryview(CONTENT[::-1])[::-1],
        stream_reader,
        LineReader,
        lambda: io.BytesIO(CONTENT),
        ShortReads,
        AsyncReads,
        AwaitableReads,
        UploadFileLike,
        lambda: [bytearray(chunk) for chunk in CHUNKS],
        lambda: [memoryview(chunk) for chunk in CHUNKS],
        lambda: [array.array("I", CONTENT)],
        lambda: [(ctypes.c_ubyte * len(CONTENT)).from_buffer_copy(CONTENT)],
    ],
)
@pytest.mark.parametrize("hint", [1, 100, 1 << 20])
async def test_every_kind_of_source_gives_its_bytes(make: Callable[[], Any], hint: int) -> None:
    """All of them, in order, whatever is asked for at a time; the end stays the end."""
    assert await read_all(make(), hint) == CONTENT


async def test_files_are_read(tmp_path: Path) -> None:
    """An aiofiles file and an open binary file."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    async with aiofiles.open(path, "rb") as file:
        assert await read_all(file) == CONTENT
    with path.open("rb") as plain, path.open("rb", buffering=0) as raw:
        assert await read_all(plain) == CONTENT
        assert await read_all(raw) == CONTENT


@pytest.mark.parametrize("empty", [b"", [], (), io.BytesIO(), iter(()), [b"", b""], generate([])])
async def test_an_empty_source_ends(empty: Any) -> None:
    """At once, or after its empty chunks."""
    assert await read_all(empty) == b""


async def test_empty_chunks_are_no_end() -> None:
    """Of an iterable; only a reader says by an empty read that it is at its end."""
    assert await read_all(generate([b"", b"a", b"", b"", b"b", b""])) == b"ab"


@pytest.mark.parametrize("wrong", [None, "text", 5, ["a list"]])
@pytest.mark.parametrize("kind", ["async", "list", "generator", "reader", "async reader"])
async def test_a_chunk_that_is_not_bytes_is_a_type_error(wrong: Any, kind: str) -> None:
    """Never an end, and above all not ``None``: the object would be cut short."""

    class Reads:
        def read(self, size: int) -> Any:
            return wrong

    class ReadsAsync:
        async def read(self, size: int) -> Any:
            return wrong

    sources: dict[str, Any] = {
        "async": generate([b"a", wrong]),
        "list": [b"a", wrong],
        "generator": (chunk for chunk in [b"a", wrong]),
        "reader": Reads(),
        "async reader": ReadsAsync(),
    }
    with pytest.raises(TypeError, match=f"gave {type(wrong).__name__}, but its chunks must be bytes-like"):
        await read_all(sources[kind])


async def test_a_producer_may_reuse_its_buffer() -> None:
    """Also where several chunks are joined, because a chunk is copied before the next one is asked for."""
    pieces = [CONTENT[start : start + 10] for start in range(0, 1280, 10)]

    def refill() -> Iterator[bytearray]:
        buffer = bytearray(10)
        for piece in pieces:
            buffer[:] = piece
            yield buffer

    async def refill_async() -> AsyncIterator[memoryview]:
        for buffer in refill():
            yield memoryview(buffer)

    assert await read_all(refill(), 64) == CONTENT
    assert await read_all(refill_async(), 64) == CONTENT


async def test_blocking_reads_run_in_another_thread() -> None:
    """So that a slow disk does not hold the loop up; async ones stay in the loop."""
    blocking, asynchronous = ShortReads(), AsyncReads()
    await read_all(blocking)
    await read_all(asynchronous)
    assert threading.get_ident() not in blocking.threads
    assert set(asynchronous.threads) == {threading.get_ident()}


async def test_blocking_iterators_run_in_another_thread() -> None:
    """Their first step too; lists need none."""
    threads: set[int] = set()

    def generator() -> Iterator[bytes]:
        threads.add(threading.get_ident())
        yield b"a"
        threads.add(threading.get_ident())

    assert await read_all(generator()) == b"a"
    assert threads
    assert threading.get_ident() not in threads


async def test_a_read_that_returns_an_awaitable_moves_to_the_loop() -> None:
    """Once it is known to be asynchronous, no thread is used for it."""
    source = AwaitableReads()
    await read_all(source)
    assert set(source.threads) == {threading.get_ident()}
    assert set(source.callers[1:]) == {threading.get_ident()}


async def test_what_never_blocks_needs_no_thread() -> None:
    """Not even for the first call: there may be none left, where others wait for a slow disk."""
    executor = ThreadPoolExecutor()
    executor.shutdown()
    asyncio.get_running_loop().set_default_executor(executor)
    for source in (CONTENT, list(CHUNKS), generate(CHUNKS), stream_reader(), AsyncReads()):
        assert await read_all(source) == CONTENT


async def test_a_closed_reader_asks_a_blocking_source_for_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although it is in the middle of joining what comes, and has time left for that."""
    loop = asyncio.get_running_loop()
    given: list[bytes] = []

    def chunks() -> Iterator[bytes]:
        for index in range(len(CONTENT)):
            if index == 3:
                asyncio.run_coroutine_threadsafe(reader.aclose(), loop).result()
            given.append(CONTENT[index : index + 1])
            yield given[-1]

    reader = SourceReader(chunks())
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    assert await reader.pull(len(CONTENT)) == CONTENT[:4]
    assert given == [CONTENT[index : index + 1] for index in range(4)]


async def test_small_chunks_of_a_blocking_iterator_are_joined() -> None:
    """One thread hop gives about as much as was asked for, and large chunks pass as they are."""
    reader = SourceReader(CONTENT[index : index + 1] for index in range(len(CONTENT)))
    chunk = await reader.pull(300)
    assert chunk == CONTENT[:300]
    large = bytes(64 * 1024)
    assert await SourceReader(iter([large])).pull(1 << 20) is large


async def test_chunks_of_a_slow_blocking_iterator_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has come is handed on, though it is less than was asked for."""
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)

    def slow() -> Iterator[bytes]:
        nonlocal now
        for index in range(20):
            now += 1.0
            yield CONTENT[index : index + 1]

    reader = SourceReader(slow())
    chunks = []
    while (chunk := await reader.pull(100)) is not END:
        chunks.append(bytes(as_view(chunk)))
    assert b"".join(chunks) == CONTENT[:20]
    assert max(map(len, chunks)) <= 2


async def test_a_reader_is_asked_for_the_hint() -> None:
    """Not for more, or it would give more than may be held."""
    source = ShortReads(b"abc")
    await read_all(source, 17)
    assert source.hints[:2] == [17, 17]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("path/to/file", "not str; for a path use upload_object"),
        (io.StringIO("text"), "binary mode"),
        ({b"a": b"b"}, "dict is no source"),
        ({b"a"}, "set is no source"),
        (frozenset({b"a"}), "frozenset is no source"),
        (generate, "generator function"),
        (OnlyIterable.__iter__, "cannot read from function"),
        (5, r"cannot read from int: .* or something with read\(n\)"),
        (None, "cannot read from NoneType"),
        (object(), "cannot read from object"),
    ],
)
def test_what_is_no_source_is_a_type_error(wrong: Any, words: str) -> None:
    """At once, before anything is asked of it."""
    with pytest.raises(TypeError, match=words):
        SourceReader(wrong)


def test_a_generator_function_is_no_source() -> None:
    """It was meant to be called."""

    def chunks() -> Iterator[bytes]:
        yield b"a"

    with pytest.raises(TypeError, match="call it first"):
        SourceReader(chunks)


def test_a_coroutine_is_no_source() -> None:
    """It is closed, so that nobody is warned of it besides."""

    async def fetch() -> bytes:
        return b"a"

    with pytest.raises(TypeError, match="await it first"):
        SourceReader(fetch())


async def test_nothing_is_asked_before_the_first_pull() -> None:
    """Making a reader reads nothing."""
    source = RecordingSource(b"a")
    reader = SourceReader(source)
    assert source.pulls == 0
    await reader.pull(1)
    assert source.pulls == 1


async def test_a_source_is_closed_once() -> None:
    """However often the reader is closed."""
    source = RecordingSource(b"a")
    reader = SourceReader(source)
    async with reader:
        await reader.aclose()
    await reader.aclose()
    assert source.closed == 1


async def test_what_cannot_be_closed_asynchronously_stays_open() -> None:
    """Files and readers are the caller's."""
    file = io.BytesIO(b"a")
    upload_file = UploadFileLike()
    assert await read_all(file) == b"a"
    await read_all(upload_file)
    assert not file.closed
    assert not upload_file.is_closed


async def test_an_aclose_that_is_a_plain_function_will_do() -> None:
    """It is called, and nothing is awaited."""

    class Source(RecordingSource):
        def aclose(self) -> None:  # type: ignore[override]
            self.closed += 1

    source = Source(b"a")
    assert await read_all(source) == b"a"
    assert source.closed == 1


async def test_a_generator_is_closed_where_it_stands() -> None:
    """Its clean-up runs in the task that read it, before the reader's block has ended."""
    cleaned_by: list[object] = []

    async def generator() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            await asyncio.sleep(0)
            cleaned_by.append(asyncio.current_task())

    async with SourceReader(generator()) as reader:
        await reader.pull(1)
    assert cleaned_by == [asyncio.current_task()]


async def test_a_failing_close_is_raised_after_a_clean_end() -> None:
    """A source that cannot be closed may not have given everything."""
    with pytest.raises(OSError, match="cannot close"):
        await read_all(RecordingSource(b"a", close_error=OSError("cannot close")))


async def test_a_failing_close_does_not_replace_the_first_error() -> None:
    """It becomes a note of it."""
    source = RecordingSource(ValueError("first"), close_error=OSError("cannot close"))
    with pytest.raises(ValueError, match="first") as caught:
        await read_all(source)
    assert caught.value.__notes__ == ["aios3: closing the source failed as well: OSError('cannot close')"]


@pytest.mark.parametrize("error", [ValueError("source"), asyncio.CancelledError(), KeyError("k")])
async def test_what_the_source_raises_passes_unchanged(error: BaseException) -> None:
    """The very object."""
    with pytest.raises(type(error)) as caught:
        await read_all(RecordingSource(b"a", error))
    assert caught.value is error


async def test_what_a_blocking_source_raises_passes_unchanged() -> None:
    """Also through the thread, and after chunks that were joined already."""
    error = OSError("disk")

    def generator() -> Iterator[bytes]:
        yield b"a"
        raise error

    with pytest.raises(OSError, match="disk") as caught:
        await read_all(generator())
    assert caught.value is error


async def test_a_stop_iteration_of_a_read_is_an_error() -> None:
    """No future can carry it: the upload would wait for ever."""

    class Exhausted:
        def read(self, size: int) -> bytes:
            raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        await read_all(Exhausted())


@pytest.mark.parametrize("chunk", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_views_copy_nothing(chunk: Any) -> None:
    """Of what is contiguous."""
    view = as_view(chunk)
    assert (view.obj is chunk or view.obj is memoryview(chunk).obj, bytes(view)) == (True, b"abc")


@pytest.mark.parametrize(
    ("chunk", "content"),
    [
        (memoryview(b"abcdef")[::2], b"ace"),
        (memoryview(b"abcdef").cast("B", (2, 3)), b"abcdef"),
        (array.array("H", [0x6161, 0x6262]), b"aabb"),
        (array.array("I"), b""),
        (memoryview(b"").cast("I"), b""),
        (ctypes.create_string_buffer(b"ab"), b"ab\0"),
        (ctypes.c_uint16.__ctype_be__(0x6162), b"ab"),  # type: ignore[attr-defined]
    ],
)
def test_views_count_bytes(chunk: Any, content: bytes) -> None:
    """Not items, rows or every second byte."""
    view = as_view(chunk)
    assert (view.format, view.ndim, view.c_contiguous, bytes(view)) == ("B", 1, True, content)


class SlowToClose(RecordingSource):
    """Its closing waits until it is released; whether it ended is told."""

    def __init__(self) -> None:
        super().__init__(b"a")
        self.released = asyncio.Event()
        self.ended = 0

    async def aclose(self) -> None:
        self.closed += 1
        await self.released.wait()
        self.ended += 1


async def test_a_cancellation_does_not_keep_a_source_from_closing() -> None:
    """The closing that it interrupted is tried again, and the cancellation raised after it."""
    source = SlowToClose()
    closing = asyncio.create_task(SourceReader(source).aclose())
    await turns(3)
    closing.cancel()
    await turns(3)
    assert not closing.done()
    source.released.set()
    await asyncio.wait({closing})
    assert closing.cancelled()
    assert (source.closed, source.ended) == (2, 1)


async def test_a_second_cancellation_gives_a_closing_up() -> None:
    """A source that never closes cannot hold its caller for ever."""
    source = SlowToClose()
    closing = asyncio.create_task(SourceReader(source).aclose())
    for _ in range(2):
        await turns(3)
        closing.cancel()
    await asyncio.wait({closing})
    assert closing.cancelled()
    assert source.ended == 0


async def test_a_source_closes_inside_a_cancelled_anyio_scope() -> None:
    """anyio would interrupt it at every turn of the loop."""
    source = SlowToClose()

    async def call() -> None:
        with anyio.CancelScope() as scope:
            async with SourceReader(source):
                scope.cancel()
                await anyio.sleep(1)

    caller = asyncio.create_task(call())
    await turns(10)
    source.released.set()
    await caller
    assert (source.closed, source.ended) == (1, 1)


async def test_a_cancellation_goes_before_what_a_second_try_raises() -> None:
    """It is never lost."""

    class Source(SlowToClose):
        async def aclose(self) -> None:
            await super().aclose()
            raise OSError("cannot close")

    source = Source()
    closing = asyncio.create_task(SourceReader(source).aclose())
    await turns(3)
    closing.cancel()
    source.released.set()
    await asyncio.wait({closing})
    assert closing.cancelled()
    assert (source.closed, source.ended) == (2, 1)


def held_generator(may_end: threading.Event, log: list[str]) -> Iterator[bytes]:
    try:
        yield b"a"
    finally:
        log.append("closing")
        may_end.wait(30)
        log.append("closed")


async def test_a_cancellation_waits_once_for_a_generator_that_closes_in_its_thread() -> None:
    """A further one gives it up."""
    for times, is_waited_for in ((1, True), (2, False)):
        may_end, log = threading.Event(), list[str]()
        reader = SourceReader(held_generator(may_end, log))
        await reader.pull(1)
        closing = asyncio.create_task(reader.aclose())
        for _ in range(times):
            await turns(3)
            closing.cancel()
        await turns(5)
        assert closing.done() is not is_waited_for
        may_end.set()
        await asyncio.wait({closing})
        assert closing.cancelled()
        assert (log == ["closing", "closed"]) or not is_waited_for


async def test_a_generator_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, with an error: whoever holds its call must learn of it."""
    monkeypatch.setattr(sources, "_CLOSING_IN_THREAD_SECONDS", 0.01)
    may_end = threading.Event()
    reader = SourceReader(held_generator(may_end, []))
    await reader.pull(1)
    with pytest.raises(TimeoutError, match="the source has not closed within 0.01 s"):
        await reader.aclose()
    may_end.set()


async def test_a_blocking_source_that_was_not_begun_needs_no_thread() -> None:
    """Nothing was opened."""
    log: list[str] = []
    before = threading.active_count()
    async with SourceReader(held_generator(threading.Event(), log)):
        pass
    assert log == []
    assert threading.active_count() <= before
