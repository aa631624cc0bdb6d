"""One version of an object over several answers, from stores of every kind."""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios3._client.object_reader import ObjectReader
from aios3._transport.interface import StreamedResponse
from aios3.errors import ConfigurationError, IntegrityError, ResponseError, TransportError
from tests.support.fakes import FakeClock, FakeStore, make_client

DATA = bytes(range(200))
BREAK = None
"""In place of a chunk: the answer breaks off there."""


class Answers:
    """A transport that gives one scripted answer after the other: status, headers, and chunks up to a break."""

    def __init__(self, *answers):
        self._answers = deque(answers)
        self.asked = []
        self.open_answers = 0

    @asynccontextmanager
    async def open(self, request, *, chunk_size):
        self.asked.append((request.headers.get("range"), request.headers.get("if-match")))
        status, headers, *pieces = self._answers.popleft()

        async def chunks():
            for piece in pieces:
                if piece is BREAK:
                    raise TransportError("GetObject: the response broke off")
                yield piece

        self.open_answers += 1
        try:
            yield StreamedResponse(status, headers, chunks())
        finally:
            self.open_answers -= 1


def whole(*pieces, etag='"v1"', size=len(DATA)):
    return 200, {"content-length": str(size), **({"etag": etag} if etag else {})}, *pieces


def part(start, end, *pieces, etag='"v1"', total=len(DATA), status=206):
    headers = {"content-length": str(end - start), "content-range": f"bytes {start}-{end - 1}/{total}"}
    return status, headers | ({"etag": etag} if etag else {}), *pieces


def make_reader(*answers, start=0, end=None, attempts=4):
    clock = FakeClock()
    client = make_client(FakeStore(clock), clock, attempts=attempts)
    client.transport = Answers(*answers)
    return ObjectReader(client, "bucket", "key", chunk_size=50, start=start, end=end), client.transport, clock


async def read(reader) -> bytes:
    return b"".join([chunk async for chunk in reader])


@pytest.mark.parametrize("pieces", [(BREAK,), ()], ids=["error", "early end"])
async def test_the_rest_is_asked_for_by_range_and_etag(pieces):
    """Weak ETags, which a proxy makes, are asked for in the strong form that the store knows."""
    reader, answers, clock = make_reader(whole(DATA[:80], *pieces, etag='W/"v1"'), part(80, 200, DATA[80:]))
    assert await read(reader) == DATA
    assert answers.asked == [(None, None), ("bytes=80-199", '"v1"')]
    assert clock.slept == [0.2]
    assert (reader.found.size, reader.found.etag) == (200, "v1")


async def test_the_connection_is_given_back_before_the_wait():
    reader, answers, clock = make_reader(whole(DATA[:80], BREAK), part(80, 200, DATA[80:]))
    open_while_asleep = []
    real = clock._sleep

    async def sleep(seconds):
        open_while_asleep.append(answers.open_answers)
        await real(seconds)

    object.__setattr__(reader._client.clock, "sleep", sleep)
    assert await read(reader) == DATA
    assert open_while_asleep == [0]


async def test_a_store_that_gives_less_than_the_range_is_asked_for_the_rest():
    """HTTP allows it."""
    reader, answers, _ = make_reader(part(10, 60, DATA[10:60]), part(60, 150, DATA[60:150]), start=10, end=150)
    assert await read(reader) == DATA[10:150]
    assert [wanted for wanted, _ in answers.asked] == ["bytes=10-149", "bytes=60-149"]
    assert reader.found.size == 140


async def test_a_store_that_gives_more_than_the_range_is_cut():
    reader, _, _ = make_reader(part(10, 200, DATA[10:60], DATA[60:]), start=10, end=70)
    assert await read(reader) == DATA[10:70]
    reader, answers, _ = make_reader(part(10, 200, DATA[10:70], DATA[70:]), start=10, end=70)
    assert await read(reader) == DATA[10:70]
    assert answers.open_answers == 0


async def test_a_range_answered_with_200_is_taken_by_its_header():
    """As rclone does."""
    reader, _, _ = make_reader(
        part(50, 200, DATA[50:100], BREAK, status=200), part(100, 200, DATA[100:], status=200), start=50
    )
    assert await read(reader) == DATA[50:]


async def test_a_store_that_ignores_if_match_does_not_mix_versions():
    """The ETag of each answer is looked at (rclone ignores the condition)."""
    reader, _, _ = make_reader(whole(DATA[:80], BREAK), part(80, 200, b"?" * 120, etag='"v2"'))
    chunks = aiter(reader)
    assert await anext(chunks) == DATA[:80]
    with pytest.raises(IntegrityError, match="bucket/key was replaced while it was read: .* offset 80"):
        await anext(chunks)


@pytest.mark.parametrize(
    ("status", "is_first", "error"),
    [
        (412, False, IntegrityError),
        (416, False, IntegrityError),
        (403, False, ResponseError),
        (412, True, ResponseError),
        (416, True, ResponseError),
    ],
)
async def test_a_refused_condition_or_range_after_the_first_byte_means_that_the_object_was_replaced(
    status, is_first, error
):
    """416: it is shorter now. Any other refusal is raised as it is."""
    reader, _, _ = make_reader(*[whole(DATA[:80], BREAK)] * (not is_first), (status, {}), start=5 * is_first)
    with pytest.raises(error) as caught:
        await read(reader)
    assert isinstance(caught.value.__cause__, ResponseError) == (error is IntegrityError)


async def test_without_an_etag_nothing_is_glued_together():
    """The break is raised, and the note says why it was not healed."""
    reader, answers, _ = make_reader(whole(DATA[:80], BREAK, etag=None))
    with pytest.raises(TransportError) as caught:
        await read(reader)
    assert "no ETag" in caught.value.__notes__[0]
    assert len(answers.asked) == 1


async def test_before_the_first_byte_any_version_will_do():
    """Also one of another length, and also without an ETag."""
    reader, answers, _ = make_reader(whole(BREAK, etag=None), whole(DATA[:50], etag='"v2"', size=50))
    assert await read(reader) == DATA[:50]
    assert answers.asked == [(None, None), (None, None)]
    assert reader.found.size == 50


async def test_attempts_without_bytes_are_counted_with_growing_waits():
    breaks = [part(start, 200, DATA[start : start + 10], BREAK) for start in range(10, 60, 10)]
    empty = [part(60, 200, BREAK)] * 3
    reader, answers, clock = make_reader(whole(DATA[:10], BREAK), *breaks, *empty, attempts=4)
    got = bytearray()
    with pytest.raises(TransportError) as caught:
        async for chunk in reader:
            got += chunk
    assert got == DATA[:60]
    assert len(answers.asked) == 1 + 5 + 3
    assert caught.value.__notes__ == ["aios3: gave up at offset 60"]
    assert clock.slept == [0.2] * 6 + [0.4, 0.8]


@settings(max_examples=100, deadline=None)
@given(st.data())
async def test_however_it_breaks_the_bytes_are_those_of_the_range(data):
    start = data.draw(st.integers(0, 199), "start")
    end = data.draw(st.one_of(st.none(), st.integers(start + 1, 300)), "end")
    stop = min(end or 200, 200)
    cuts = sorted(data.draw(st.sets(st.integers(start, stop - 1), max_size=5), "cuts"))
    answers, at = [], start
    for cut in [*cuts, stop]:
        pieces = [DATA[i : min(i + 50, cut)] for i in range(at, cut, 50)]
        answers.append(part(at, stop, *pieces, *([BREAK] if cut < stop else [])))
        at = cut
    reader, asked, _ = make_reader(*answers, start=start, end=end, attempts=10)
    assert await read(reader) == DATA[start:stop]
    assert len(asked.asked) == len(answers)


@pytest.mark.parametrize("is_opened", [False, True])
async def test_a_described_version_is_read_although_no_byte_of_it_came(is_opened):
    """Another version would do for a mere stream."""
    reader, answers, _ = make_reader(whole(BREAK), part(0, 100, DATA[:100], etag='"v2"', total=100, status=200))
    if is_opened:
        assert (await reader.open()).etag == "v1"
        with pytest.raises(IntegrityError):
            await read(reader)
    else:
        assert await read(reader) == DATA[:100]
    assert answers.asked == [(None, None), ("bytes=0-199", '"v1"') if is_opened else (None, None)]


async def test_a_reader_that_has_failed_does_not_end_as_if_all_were_read():
    """Whoever asks again after an error must not take what there is for the whole."""
    reader, _, _ = make_reader(whole(DATA[:50], BREAK), attempts=1)
    with pytest.raises(TransportError):
        await read(reader)
    with pytest.raises(ConfigurationError, match="reading them has failed"):
        await read(reader)
