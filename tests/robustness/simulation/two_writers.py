"""Two requests at one resumable upload at once, from two processes, on the simulation's clock.

``python -m tests.robustness.simulation.two_writers SEED`` replays one schedule, ``FIRST LAST`` runs a range.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Final

from aios3 import RetryPolicy, S3StorageDriver, Timeouts, TransferConfig
from aios3._client.client import OperationClient
from aios3._concurrency.clock import Clock
from aios3._protocol.wire.messages import Request
from aios3._protocol.wire.uri import Endpoint
from aios3._transport.interface import StreamedResponse
from aios3._upload.shared.engine import Engine
from aios3.web import ResumableUploads
from tests.support.web_client import Answer, Vanish, WebClient

from .faults import Conditions, Faults
from .loop import StuckError, VirtualLoop
from .store import BEGIN, BUCKET, SimulatedStore
from .transport import SimulatedTransport
from .world import PROVIDER

__all__ = ["PAIRS", "Result", "simulate"]

PAIRS: Final = ("patch patch", "patch delete", "patch head", "create create", "hanging patch", "other bytes")
PART: Final = 64
_EVER: Final = 1e5


class _Transport(SimulatedTransport):
    """Transport that reads objects, too, whole."""

    @asynccontextmanager
    async def open(self, request: Request, *, chunk_size: int) -> AsyncIterator[StreamedResponse]:
        response = await self.send(request)

        async def chunks() -> AsyncIterator[bytes]:
            yield response.body

        yield StreamedResponse(response.status, response.headers, chunks())


class _Process(S3StorageDriver):
    """Driver of one process, which shares only the store with others."""

    def __init__(self, loop: VirtualLoop, store: SimulatedStore, seed: int, conditions: Conditions) -> None:
        clock = Clock(
            now=lambda: BEGIN + timedelta(seconds=loop.time()), monotonic=loop.time, random=Random(seed).random
        )
        super().__init__(
            store.state.provider,
            transfer=TransferConfig(part_size=PART, memory_limit=1 << 20, checksum=None, part_growth="fixed"),
        )
        self._clock = clock
        faults = Faults(Random(seed + 1), Random(seed + 2), conditions)
        self.transport = _Transport(loop, store, faults, Timeouts(), lambda what, exchange: None)

    async def _make_engine(self) -> Engine:
        client = OperationClient(
            transport=self.transport,
            endpoint=Endpoint.parse("http://store.test", "path"),
            region="us-east-1",
            credentials=None,
            policy=RetryPolicy(),
            payload_signing="unsigned",
            clock=self._clock,
        )
        return Engine(client, self._provider, self._transfer, Timeouts())


@dataclass(slots=True)
class Result:
    """Schedule of one seed, and the promises that it broke."""

    seed: int
    pair: str
    has_conditions: bool
    statuses: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class _World:
    def __init__(self, seed: int, loop: VirtualLoop) -> None:
        self.random = random = Random(seed)
        self.loop = loop
        self.result = Result(seed, PAIRS[seed % len(PAIRS)], (seed // len(PAIRS)) % 3 != 0)
        provider = dataclasses.replace(PROVIDER, conditional_put=self.result.has_conditions)
        self.store = SimulatedStore(loop, provider, skew=0.0, resurrects=False, forgets=random.random() < 0.5)
        rate = 0.0 if self.result.pair == "other bytes" else random.choice((0.0, 0.0, 0.1))
        slowest = random.choice((0.05, 0.5, 3.0))
        conditions = Conditions(rate, 2, slowest, cleanup_is_reachable=True)
        drivers = [_Process(loop, self.store, seed * 10 + number, conditions) for number in range(2)]
        calm = _Process(loop, self.store, seed, Conditions(0.0, 0, 0.01, cleanup_is_reachable=True))
        self.drivers = [*drivers, calm]
        self.key = "one" if self.result.pair == "create create" and random.random() < 0.5 else None
        options: dict[str, Any] = {} if self.key is None else {"key_for": lambda owner, pairs: "one"}
        self.apps = [ResumableUploads(driver, BUCKET, **options) for driver in self.drivers]
        self.one, self.other, self.later = (WebClient(app) for app in self.apps)
        size = max(1, random.choice((0, 1, 2, 3)) * PART + random.choice((-1, 0, 1, 20, 40)))
        self.content = random.randbytes(size)
        self.begun = random.choice((0, size // 3, min(size - 1, PART)))
        self.acknowledged = 0

    def blame(self, problem: str) -> None:
        self.result.problems.append(problem)

    async def body(self, data: bytes, *, hangs: bool = False) -> AsyncIterator[Any]:
        """Yield the bytes in slices, at random times."""
        pause = self.random.choice((0.0, 0.2, 2.0))
        middle = len(data) // 2
        for piece in (data[:middle], data[middle:]):
            await asyncio.sleep(self.random.random() * pause)
            yield piece
            if hangs:
                await asyncio.sleep(60.0)
                yield Vanish()

    async def patch(self, client: WebClient, url: str, content: bytes, *, hangs: bool = False) -> Answer:
        end = self.random.choice((len(content), len(content), (self.begun + len(content) + 1) // 2))
        await asyncio.sleep(self.random.choice((0.0, self.random.random(), 4 * self.random.random())))
        found = await client.patch(url, self.begun, self.body(content[self.begun : end], hangs=hangs))
        # Without conditions, the commit may meet a part that the other client has replaced: 502, and nothing is mixed.
        replaced = set() if self.result.has_conditions else {502}
        self.judge_status(found, {204, 404, 408, 409, 410, 413, 423, 503} | replaced)
        if found.status == 204:
            self.acknowledge(found.offset or 0)
        return found

    def acknowledge(self, offset: int) -> None:
        self.acknowledged = max(self.acknowledged, offset)

    def judge_status(self, found: Answer, allowed: set[int]) -> None:
        self.result.statuses.append(found.status)
        if found.status not in allowed:
            self.blame(f"a request got {found.status}")

    async def finish(self, url: str, content: bytes) -> None:
        """Finish the upload as an honest client does."""
        found = await self.later.head(url)
        if found.status != 200:
            return
        offset = found.offset or 0
        if offset < self.acknowledged and self.result.has_conditions:
            self.blame(f"the offset went back from {self.acknowledged} to {offset}")
        for _ in range(8):
            if offset == len(content):
                break
            sent = await self.later.patch(url, offset, content[offset:])
            offset = (await self.later.head(url)).offset or 0
            if sent.status not in (204, 409, 423, 503):
                self.blame(f"the last request got {sent.status}")

    def objects(self) -> dict[str, bytes]:
        found = {key: stored for (_, key), stored in self.store.state.objects.items()}
        return {key: stored.body or b"" for key, stored in found.items() if not key.startswith(".uploads/")}

    async def end(self) -> None:
        """Wait until no request is delayed any more, let the uploads expire, and judge what is left."""
        await asyncio.sleep(_EVER)
        await self.apps[2].sweep()
        await asyncio.sleep(_EVER)
        await self.apps[2].sweep()
        if self.store.state.uploads:
            self.blame("a multipart upload is left open")
        if left := [key for _, key in self.store.state.objects if key.startswith(".uploads/")]:
            self.blame(f"left: {left}")
        for driver in self.drivers:
            await driver.aclose()


async def _at_one_upload(world: _World) -> None:
    created = await world.later.create(len(world.content))
    url = created.headers["location"]
    await world.later.patch(url, 0, world.content[: world.begun])
    world.acknowledge(world.begun)
    pair = world.result.pair
    own = world.content
    if pair == "other bytes":
        own = world.content[: world.begun] + bytes(byte ^ 255 for byte in world.content[world.begun :])
    first = world.patch(world.one, url, world.content, hangs=pair == "hanging patch")
    if pair == "patch delete":
        second = _delete(world, url)
    elif pair == "patch head":
        second = _heads(world, url)
    else:
        second = world.patch(world.other, url, own)
    _, answer = await asyncio.gather(first, second)
    if pair == "patch delete" and answer is not None and answer.status == 204:
        after = await world.later.head(url)
        if world.result.has_conditions and (after.status not in (404, 410) or world.objects()):
            world.blame(f"HEAD of a deleted upload gets {after.status}, {len(world.objects())} objects")
        return
    await _judge_bytes(world, url, own)


async def _judge_bytes(world: _World, url: str, own: bytes) -> None:
    found = list(world.objects().values())
    if not found:
        await world.finish(url, world.content if own == world.content else _winner(world, own))
        found = list(world.objects().values())
    if world.result.pair == "other bytes" and not world.result.has_conditions:
        return  # the documented fall-back promises only the same bytes
    if found not in ([world.content], [own]):
        world.blame(f"objects of {[len(body) for body in found]} bytes are not exact")


def _winner(world: _World, own: bytes) -> bytes:
    """Return the content with which the stored bytes begin."""
    state = world.store.state
    (upload,) = state.uploads.values()
    stored = b"".join(upload.parts[number].body or b"" for number in sorted(upload.parts))
    tails = [each for (_, key), each in state.objects.items() if key.endswith(".tail")]
    for tail in tails:
        if tail.headers.get("x-amz-meta-start") == str(len(stored)):
            stored += tail.body or b""
    fits = [content for content in (world.content, own) if content.startswith(stored)]
    if not fits and world.result.has_conditions:
        world.blame("the stored bytes are mixed")
    return fits[0] if fits else own


async def _delete(world: _World, url: str) -> Answer:
    await asyncio.sleep(4 * world.random.random())
    found = await world.other.call("DELETE", url)
    world.judge_status(found, {204, 404, 410, 423, 503})
    return found


async def _heads(world: _World, url: str) -> None:
    seen = world.begun
    for _ in range(5):
        await asyncio.sleep(world.random.random())
        found = await world.other.head(url)
        world.judge_status(found, {200, 423, 503})
        if found.status == 200 and (found.offset or 0) < seen and world.result.has_conditions:
            world.blame(f"HEAD went back from {seen} to {found.offset}")
        seen = max(seen, found.offset or 0)
    world.acknowledge(seen)


async def _at_one_key(world: _World) -> None:
    """Create two uploads at once, perhaps of one key."""

    async def create(client: WebClient) -> str | None:
        await asyncio.sleep(world.random.random())
        found = await client.create(len(world.content), world.body(world.content))
        world.judge_status(found, {201, 503})
        return found.headers.get("location")

    urls = await asyncio.gather(create(world.one), create(world.other))
    done = sum(url is not None for url in urls)
    found = list(world.objects().values())
    if any(body != world.content for body in found) or len(found) < (min(1, done) if world.key else done):
        world.blame(f"{done} creations made objects of {[len(body) for body in found]} bytes")


def simulate(seed: int) -> Result:
    """Run the schedule of a seed, and check every promise."""
    loop = VirtualLoop()
    world = _World(seed, loop)

    async def run() -> None:
        await (_at_one_key if world.result.pair == "create create" else _at_one_upload)(world)
        await world.end()

    try:
        loop.run(run())
    except StuckError as error:
        world.blame(f"stuck: {error}")
    return world.result


def main() -> None:
    """Run the seeds that the command line names."""
    logging.disable()
    first, *rest = (int(word) for word in sys.argv[1:])
    results = [simulate(seed) for seed in range(first, rest[0] if rest else first + 1)]
    for result in results:
        if result.problems or not rest:
            print(result, flush=True)
    print(f"{len(results)} schedules, {sum(bool(result.problems) for result in results)} broken")


if __name__ == "__main__":
    main()
