"""The bytes that the benchmarks stream."""

from __future__ import annotations

import io

import pytest

from benchmarks.source import AsyncReader, Reader, Source


async def joined(source: Source) -> list[bytes]:
    """Return the chunks of a source."""
    return [chunk async for chunk in source]


@pytest.mark.parametrize(("size", "lengths"), [(0, []), (5, [5]), (10, [10]), (25, [10, 10, 5])])
async def test_the_chunks_are_as_long_as_was_asked_for(size, lengths):
    assert [len(chunk) for chunk in await joined(Source(size, 10))] == lengths
    assert [len(chunk) for chunk in Source(size, 10)] == lengths


async def test_no_chunk_is_an_object_that_was_handed_out_before():
    """What a client keeps costs memory, as the chunks of a socket do."""
    chunks = await joined(Source(40, 10))
    assert len({id(chunk) for chunk in chunks}) == 4


async def test_the_end_is_when_the_last_byte_was_handed_out():
    source = Source(20, 10)
    chunks = aiter(source)
    await anext(chunks)
    assert source.ended_at is None
    await anext(chunks)
    assert source.ended_at is not None


class Clock:
    """A source's clock, on which waiting takes no time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Note a wait and let it pass."""
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """Return the clock that sources go by."""
    clock = Clock()
    monkeypatch.setattr("benchmarks.source.time.perf_counter", lambda: clock.now)
    monkeypatch.setattr("benchmarks.source.asyncio.sleep", clock.sleep)
    return clock


async def test_a_rate_makes_each_chunk_wait_until_its_bytes_are_due(clock):
    async for _ in Source(15, 5, rate=10):
        clock.now += 0.3 if len(clock.waits) == 1 else 1.0
    assert clock.waits == [0.5, pytest.approx(0.2)]


async def test_what_comes_after_the_head_keeps_to_the_rate(clock):
    lengths = [len(chunk) async for chunk in Source(20, 5, rate=10, head=10)]
    assert lengths == [5, 5, 5, 5]
    assert clock.waits == [0.5, 0.5]


@pytest.mark.parametrize("sizes", [[1] * 25, [10, 10, 10], [7, 7, 7, 7], [25], [100], [-1]])
def test_a_reader_gives_what_was_asked_for_until_the_end(sizes):
    source = Source(25, 10)
    expected = io.BytesIO(b"".join(Source(25, 10)))
    reader = Reader(source)
    lengths = [len(reader.read(size)) for size in sizes]
    assert lengths == [len(expected.read(size)) for size in sizes]
    assert reader.read(1) == b""


@pytest.mark.parametrize("sizes", [[1] * 25, [10, 10, 10], [7, 7, 7, 7], [25], [100], [-1]])
async def test_an_awaited_reader_gives_the_same(sizes):
    source = Source(25, 10)
    expected = io.BytesIO(b"".join(source))
    reader = AsyncReader(source)
    assert [await reader.read(size) for size in sizes] == [expected.read(size) for size in sizes]
    assert await reader.read(1) == b""


def test_a_reader_changes_no_bytes():
    source = Source(25, 10)
    whole = b"".join(source)
    reader = Reader(source)
    assert b"".join(iter(lambda: reader.read(4), b"")) == whole
