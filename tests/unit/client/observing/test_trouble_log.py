"""Log of a driver's trouble: one line for an episode."""

from __future__ import annotations

import pytest

from aios3 import ResponseError, ThrottledError, TransportError
from aios3._client.observing.trouble_log import TroubleLog
from aios3._protocol.operations import HeadObject
from aios3._protocol.wire.messages import Response
from tests.support.fakes import FakeClock, FakeStore, make_client, refusal

SLOW_DOWN = ThrottledError("slow down", operation="UploadPart", status=503, code="SlowDown")


@pytest.mark.parametrize("kind", ["throttling", "retry storm"])
def test_an_episode_is_logged_once_and_ends_after_a_quiet_minute(kind, caplog) -> None:
    clock = FakeClock()
    log = TroubleLog(clock().monotonic)
    for pause in (0.0, 59.0, 59.0, 60.0, 1.0):
        clock.advance(pause)
        if kind == "throttling":
            log.begins_throttling(SLOW_DOWN)
        else:
            log.budget_used_up(SLOW_DOWN)
    assert len(caplog.records) == 2


def test_other_failures_are_no_throttling(caplog) -> None:
    log = TroubleLog(lambda: 0.0)
    assert not log.begins_throttling(TransportError("reset"))
    assert log.begins_throttling(SLOW_DOWN)
    assert not log.begins_throttling(SLOW_DOWN)
    assert len(caplog.records) == 1


async def test_a_failure_without_a_token_for_its_retry_is_a_retry_storm(caplog) -> None:
    clock = FakeClock()
    store = FakeStore(clock)
    client = make_client(store, clock, budget=5)
    store.put("key", b"x")
    store.on("HeadObject", *[refusal(500, "InternalError"), Response(200, {"content-length": "1", "etag": '"e"'})])
    await client.run(HeadObject("bucket", "key"))
    assert "retry storm" not in caplog.text
    store.on("HeadObject", *[refusal(500, "InternalError")] * 2)
    for _ in range(2):
        with pytest.raises(ResponseError):
            await client.run(HeadObject("bucket", "key"))
    assert caplog.text.count("retry storm") == 1
