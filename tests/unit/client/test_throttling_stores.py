"""Uploads to stores that throttle in several ways, in virtual time: duration, throttled requests and failures."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from aios3._client.attempts import FailedAttempts
from aios3._client.client import OperationClient
from aios3._concurrency.clock import Clock
from aios3._protocol.operations import UploadPart
from aios3._protocol.wire.messages import Request, Response
from aios3._protocol.wire.uri import Endpoint
from aios3.options import RetryPolicy
from tests.robustness.simulation.loop import VirtualLoop
from tests.support.fakes import refusal


@dataclass
class Store:
    """A store that responds after about `latency` seconds, and throttles until `ends`."""

    loop: VirtualLoop
    random: Random
    latency: float = 0.01
    rate: float | None = None
    """Requests a second; a burst may have a tenth of that and one more."""
    most: int | None = None
    """Requests in flight."""
    ends: float = float("inf")
    refused: int = 0
    taken: list[float] = field(default_factory=list)
    """When requests were accepted."""
    _in_flight: int = 0
    _tokens: float = float("inf")
    _filled_at: float = 0.0

    async def send(self, request: Request, *, read_timeout: float | None = None, **_: object) -> Response:
        self._in_flight += 1
        try:
            takes_most = self._in_flight <= (self.most or self._in_flight)
            await asyncio.sleep(self.latency * (0.5 + self.random.random()) * (1 if takes_most else 0.1))
            now = self.loop.time()
            if now < self.ends and not (takes_most and self._has_token(now)):
                self.refused += 1
                return refusal(503, "SlowDown")
            self.taken.append(now)
            return Response(200, {"etag": '"e"'})
        finally:
            self._in_flight -= 1

    def _has_token(self, now: float) -> bool:
        if self.rate is None:
            return True
        self._tokens = min(self.rate / 10 + 1, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        has_one = self._tokens >= 1
        self._tokens -= has_one
        return has_one

    def send_stream(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def open(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


@dataclass
class Outcome:
    """Result of an upload."""

    seconds: float
    refused: int
    failed: int
    taken: list[float]
    most_refusals: int
    """Of one part."""


def upload(parts: int, concurrency: int, *, seed: int = 1, **store: Any) -> Outcome:
    """Send so many parts with this concurrency."""
    loop, random = VirtualLoop(), Random(seed)
    loop._most_turns = 10**7
    return loop.run(_upload(Store(loop, random, **store), parts, concurrency))


async def _upload(store: Store, parts: int, concurrency: int) -> Outcome:
    client = OperationClient(
        transport=store,
        endpoint=Endpoint.parse("http://store.test", "path"),
        region="r",
        credentials=None,
        policy=RetryPolicy(),
        payload_signing="unsigned",
        clock=Clock(monotonic=store.loop.time, random=store.random.random),
    )
    slots = asyncio.Semaphore(concurrency)
    failures = [FailedAttempts() for _ in range(parts)]

    async def send(number: int) -> None:
        async with slots:
            part = UploadPart("bucket", "key", "id", number, (b"x",), {})
            await client.run(part, log=failures[number - 1])

    ended = await asyncio.gather(*(send(number) for number in range(1, parts + 1)), return_exceptions=True)
    failed = sum(isinstance(end, BaseException) for end in ended)
    return Outcome(store.loop.time(), store.refused, failed, store.taken, max(map(len, failures)))


@pytest.mark.parametrize("concurrency", [1, 8, 128])
@pytest.mark.parametrize(("rate", "latency"), [(20, 0.01), (20, 0.03), (200, 0.005)])
def test_upload_to_a_store_with_a_rate_uses_it_with_little_throttling(rate, latency, concurrency):
    """Only the first burst, few later requests, and no part more than four times."""
    found = upload(400, concurrency, rate=rate, latency=latency)
    assert found.failed == 0
    assert found.seconds < 1.12 * 400 / rate + latency
    assert found.refused < concurrency + 0.15 * 400
    assert found.most_refusals <= 4


@pytest.mark.parametrize("seed", range(5))
def test_short_upload_takes_little_more_than_the_ideal_time(seed: int) -> None:
    found = upload(26, 8, seed=seed, rate=20)
    assert found.seconds < 1.25 * 26 / 20
    assert found.refused <= 22


@pytest.mark.parametrize(("most", "latency", "worst"), [(2, 0.01, 1.3), (4, 0.1, 1.4), (16, 0.1, 1.4), (16, 1.0, 1.4)])
def test_upload_to_a_store_with_a_limit_in_flight_uses_it(most: int, latency: float, worst: float) -> None:
    found = upload(400, 32, most=most, latency=latency)
    assert found.failed == 0
    assert found.seconds < worst * 400 * latency / most
    assert found.refused < 32 + 0.2 * 400


@pytest.mark.parametrize("limits", [{"rate": 20}, {"most": 2, "latency": 0.1}, {"rate": 20, "latency": 1.0}])
def test_upload_has_full_speed_five_seconds_after_throttling_ends(limits: dict[str, Any]) -> None:
    found = upload(4000, 32, ends=10.0, **limits)
    full = 32 / limits.get("latency", 0.01)
    second = sum(15 <= moment < 16 for moment in found.taken)
    rest = sum(moment >= 15 for moment in found.taken)
    assert found.failed == 0
    assert second >= min(0.7 * full, rest)


@pytest.mark.parametrize("concurrency", [8, 32])
@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_upload_to_a_store_that_throttles_everything_for_seconds_loses_no_part(seconds, concurrency):
    found = [upload(100, concurrency, seed=seed, most=0, rate=0.0, ends=seconds, latency=0.05) for seed in range(5)]
    assert [outcome.failed for outcome in found] == [0] * 5
    assert max(outcome.refused for outcome in found) <= 2.5 * concurrency + 5


def test_upload_with_a_burst_larger_than_the_retry_budget_loses_no_part() -> None:
    found = upload(400, 256, rate=20)
    assert found.failed == 0
    assert found.seconds < 1.15 * 400 / 20
