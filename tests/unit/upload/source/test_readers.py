"""One way to read every kind of source."""

from __future__ import annotations

import array
import asyncio
import contextlib
import ctypes
import io
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiofiles
import pytest

from aios3._concurrency.threads import CallerThread
from aios3._upload.source import readers as sources
from aios3._upload.source.closing_deadline import ClosingDeadline, SourceOverdueError
from aios3._upload.source.kinds import as_view
from aios3._upload.source.readers import END, SourceReader
from aios3.errors import ConfigurationError
from tests.conftest import LoopClock
from tests.support.fakes import RecordingSource, read_all, turns

CONTENT = bytes(range(256)) * 5
CHUNKS = [CONTENT[:7], b"", CONTENT[7:500], CONTENT[500:501], CONTENT[501:]]


async def generate(chunks: list[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


class OnlyIterable:
    def __iter__(self) -> Iterator[bytes]:
        return iter(CHUNKS)


class AsyncOnlyIterable:
    """Gives chunks by an iterator of its own."""

    def __init__(self, chunks: AsyncIterator[bytes] | None = None) -> None:
        self.chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return generate(CHUNKS) if self.chunks is None else self.chunks


class HttpxResponse:
    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self.chunks = chunks

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        return self.chunks


class ShortReads:
    """Gives less than it is asked for, and records the threads of the reads."""

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
    """As compiled or wrapped code: a plain function that returns an awaitable."""

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
    def __init__(self) -> None:
        self.file = io.BytesIO(CONTENT)
        self.is_closed = False

    async def read(self, size: int = -1) -> bytes:
        return self.file.read(size)

    async def close(self) -> None:
        self.is_closed = True


class LineReader:
    """As aiohttp's StreamReader: an async ``read``, and an iteration by line."""

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
        AsyncOnlyIterable,
        lambda: HttpxResponse(generate(CHUNKS)),
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
    assert await read_all(make(), hint) == CONTENT


async def test_files_are_read_in_any_mode_of_buffering(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    async with aiofiles.open(path, "rb") as file:
        assert await read_all(file) == CONTENT
    with path.open("rb") as plain, path.open("rb", buffering=0) as raw:
        assert await read_all(plain) == CONTENT
        assert await read_all(raw) == CONTENT


@pytest.mark.parametrize("empty", [b"", [], (), io.BytesIO(), iter(()), [b"", b""], generate([])])
async def test_an_empty_source_ends(empty: Any) -> None:
    assert await read_all(empty) == b""


async def test_a_producer_may_reuse_its_buffer_for_the_next_chunk() -> None:
    """Also if several chunks are joined."""
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


async def test_only_blocking_calls_run_in_another_thread() -> None:
    blocking, asynchronous, threads = ShortReads(), AsyncReads(), set[int]()

    def generator() -> Iterator[bytes]:
        threads.add(threading.get_ident())
        yield b"a"
        threads.add(threading.get_ident())

    assert await read_all(generator()) == b"a"
    await read_all(blocking)
    await read_all(asynchronous)
    assert threads
    assert threading.get_ident() not in {*threads, *blocking.threads}
    assert set(asynchronous.threads) == {threading.get_ident()}


async def test_a_read_that_returns_an_awaitable_is_called_in_the_loop_from_then_on() -> None:
    source = AwaitableReads()
    await read_all(source)
    assert set(source.threads) == {threading.get_ident()}
    assert set(source.callers[1:]) == {threading.get_ident()}


async def test_a_source_that_never_blocks_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CallerThread, "submit", lambda *_: pytest.fail("a call in a thread"))
    for source in (CONTENT, list(CHUNKS), generate(CHUNKS), stream_reader(), AsyncReads()):
        assert await read_all(source) == CONTENT


async def test_a_reader_ends_the_thread_that_it_has_made() -> None:
    source = ShortReads(b"abc")
    reader = SourceReader(source)
    await reader.pull(1)
    (thread,) = (thread for thread in threading.enumerate() if thread.ident == source.threads[0])
    await reader.aclose()
    thread.join(10)
    assert not thread.is_alive()


async def test_a_reader_uses_the_thread_that_it_is_given_and_leaves_it_open() -> None:
    thread, source = CallerThread(), ShortReads(b"abc")
    async with SourceReader(source, thread) as reader:
        await reader.pull(1)
    async with asyncio.timeout(10):
        assert source.threads == [await thread.call(threading.get_ident)]
    thread.close()


async def test_a_source_is_refused_while_a_read_of_an_earlier_reader_runs_in_it() -> None:
    may_end, begun = threading.Event(), threading.Event()

    class Blocking(ShortReads):
        def read(self, size: int) -> bytes:
            begun.set()
            may_end.wait(30)
            return super().read(size)

    source = Blocking()
    async with SourceReader(source) as reader:
        reading = asyncio.ensure_future(reader.pull(1))
        await asyncio.to_thread(begun.wait, 30)
        reading.cancel()
    with pytest.raises(ConfigurationError, match="a read of this Blocking, begun for an earlier upload"):
        SourceReader(source)
    may_end.set()


async def test_a_closed_reader_takes_no_further_chunk_of_a_blocking_source(monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_small_chunks_of_a_blocking_iterator_are_joined_and_large_ones_are_not() -> None:
    reader = SourceReader(CONTENT[index : index + 1] for index in range(len(CONTENT)))
    chunk = await reader.pull(300)
    assert chunk == CONTENT[:300]
    large = bytes(64 * 1024)
    assert await SourceReader(iter([large])).pull(1 << 20) is large


async def test_chunks_of_a_slow_blocking_iterator_are_passed_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_a_reader_is_asked_for_no_more_than_the_hint() -> None:
    source = ShortReads(b"abc")
    await read_all(source, 17)
    assert source.hints[:2] == [17, 17]


async def test_nothing_is_asked_before_the_first_pull() -> None:
    source = RecordingSource(b"a")
    reader = SourceReader(source)
    assert source.pulls == 0
    await reader.pull(1)
    assert source.pulls == 1


async def test_a_source_is_closed_once() -> None:
    source = RecordingSource(b"a")
    reader = SourceReader(source)
    async with reader:
        await reader.aclose()
    await reader.aclose()
    assert source.closed == 1


@pytest.mark.parametrize("wrap", [AsyncOnlyIterable, HttpxResponse])
async def test_an_async_iterator_that_the_reader_has_opened_is_closed(wrap: Callable[[Any], object]) -> None:
    closed: list[str] = []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append("closed")

    opened = chunks()
    async with SourceReader(wrap(opened)) as reader:
        assert await reader.pull(1) == b"a"
    assert closed == ["closed"]


class Closable:
    """An iterator that is no generator, and can be closed."""

    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Closable:
        return self

    def __next__(self) -> bytes:
        return bytes(1 << 20)

    def close(self) -> None:
        self.closed += 1


class ClosableFile(Closable):
    read = None


class Opens:
    def __init__(self, iterator: Closable) -> None:
        self.iterator = iterator

    def __iter__(self) -> Closable:
        return self.iterator


@pytest.mark.parametrize(
    ("make", "wrap", "closed"),
    [(Closable, Opens, 1), (ClosableFile, Opens, 0), (Closable, lambda iterator: iterator, 0)],
    ids=["opened", "a file", "of the caller"],
)
async def test_a_blocking_iterator_is_closed_only_if_the_reader_has_opened_it(
    make: Callable[[], Closable], wrap: Callable[[Closable], object], closed: int
) -> None:
    """Files stay open for the caller."""
    iterator = make()
    async with SourceReader(wrap(iterator)) as reader:
        await reader.pull(1)
    assert iterator.closed == closed


async def test_a_closed_reader_gives_nothing_more() -> None:
    for source in ([b"a", b"b"], generate([b"a", b"b"])):
        reader = SourceReader(source)
        assert await reader.pull(1) == b"a"
        await reader.aclose()
        assert await reader.pull(1) is END


async def test_files_and_readers_stay_open() -> None:
    file = io.BytesIO(b"a")
    upload_file = UploadFileLike()
    assert await read_all(file) == b"a"
    await read_all(upload_file)
    assert not file.closed
    assert not upload_file.is_closed


async def test_an_aclose_that_is_a_plain_function_is_called() -> None:
    class Source(RecordingSource):
        def aclose(self) -> None:  # type: ignore[override]
            self.closed += 1

    source = Source(b"a")
    assert await read_all(source) == b"a"
    assert source.closed == 1


async def test_an_error_of_the_close_is_raised_after_a_clean_end() -> None:
    with pytest.raises(OSError, match="cannot close"):
        await read_all(RecordingSource(b"a", close_error=OSError("cannot close")))


async def test_an_error_of_the_close_is_a_note_of_an_earlier_error() -> None:
    source = RecordingSource(ValueError("first"), close_error=OSError("cannot close"))
    with pytest.raises(ValueError, match="first") as caught:
        await read_all(source)
    assert caught.value.__notes__ == ["aios3: closing the source failed as well: OSError('cannot close')"]


@pytest.mark.parametrize("error", [None, ValueError("first")])
async def test_a_source_that_does_not_close_before_its_deadline_is_interrupted(
    loop_clock: LoopClock, error: Exception | None
) -> None:
    """After a clean end that is the error of the call; else the first error has it as a note."""

    class Unending(RecordingSource):
        async def aclose(self) -> None:
            await asyncio.Event().wait()

    async def read() -> None:
        async with SourceReader(Unending(), deadline=ClosingDeadline(object(), "s3://bucket/key", 6.0)):
            if error is not None:
                raise error

    reading = asyncio.create_task(read())
    await turns()
    for _ in range(7):
        assert not reading.done()
        await loop_clock.advance(1.1)
    await asyncio.wait({reading})
    raised = reading.exception()
    assert raised is error or (error is None and isinstance(raised, SourceOverdueError))
    late = "aios3: closing the source failed as well: SourceOverdueError('the source did not end within 6 s')"
    watched = "aios3: the source 'object' of the upload to s3://bucket/key did not end within 6 s, and was interrupted"
    assert getattr(raised, "__notes__", []) == ([late, watched] if error else [])


@pytest.mark.parametrize("is_own", [True, False])
async def test_a_generator_sees_only_a_cancellation_that_came_during_the_reading(is_own: bool) -> None:
    """Not that of another task, even if the reading task was cancelled before."""
    seen: list[type[BaseException]] = []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"a"
        except BaseException as error:
            seen.append(type(error))
            raise

    async def read() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        async with SourceReader(chunks()) as reader:
            await reader.pull(1)
            await asyncio.Event().wait() if is_own else await cancelled

    cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    cancelled.cancel()
    reading = asyncio.create_task(read())
    for _ in range(1 + is_own):
        await turns(3)
        reading.cancel()
    await asyncio.wait({reading})
    assert reading.cancelled()
    assert seen == [asyncio.CancelledError if is_own else GeneratorExit]


@pytest.mark.parametrize("chunk", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_a_view_of_contiguous_bytes_is_no_copy(chunk: Any) -> None:
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
def test_a_view_has_the_bytes_in_order(chunk: Any, content: bytes) -> None:
    view = as_view(chunk)
    assert (view.format, view.ndim, view.c_contiguous, bytes(view)) == ("B", 1, True, content)


def held_generator(may_end: threading.Event, log: list[str]) -> Iterator[bytes]:
    try:
        yield b"a"
    finally:
        log.append("closing")
        may_end.wait(30)
        log.append("closed")


async def test_a_first_cancellation_waits_for_a_generator_that_closes_in_its_thread() -> None:
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


async def test_a_generator_that_does_not_close_in_time_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_CLOSING_IN_THREAD_SECONDS", 0.01)
    may_end = threading.Event()
    reader = SourceReader(held_generator(may_end, []))
    await reader.pull(1)
    with pytest.raises(TimeoutError, match="the source has not closed within 0.01 s"):
        await reader.aclose()
    may_end.set()


async def test_a_blocking_source_that_was_not_begun_needs_no_thread() -> None:
    log: list[str] = []
    before = threading.active_count()
    async with SourceReader(held_generator(threading.Event(), log)):
        pass
    assert log == []
    assert threading.active_count() <= before
