"""A server in a thread of its own: it starts, is watched from outside, and ends, however that goes."""

from __future__ import annotations

import asyncio
import threading
import urllib.error
import urllib.request

import pytest

from aios3 import S3StorageDriver
from aios3.testing import S3Server
from aios3.testing.server.server_thread import LoopThread


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("aios3 ")]


def test_it_serves_a_test_without_a_loop() -> None:
    """For boto3 and its like; nothing is left after the block."""
    with S3Server(public_buckets=["bucket"]) as server:
        assert threads() == ["aios3 S3Server"]
        for method, body in (("PUT", b"abc"), ("GET", None)):
            request = urllib.request.Request(f"{server.endpoint_url}/bucket/key", body, method=method)
            with urllib.request.urlopen(request) as answer:
                assert (answer.status, answer.read()) == (200, b"" if body else b"abc")
        assert server.objects["bucket", "key"].body == b"abc"
        url = server.endpoint_url
    assert threads() == []
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url)


async def test_what_is_held_is_watched_and_released_from_the_tests_loop() -> None:
    with S3Server() as server:
        server.hold("PutObject")
        async with S3StorageDriver(endpoint_url=server.endpoint_url, credentials=server.credentials) as driver:
            upload = asyncio.create_task(driver.upload_object_via_stream(b"abc", "bucket", "key"))
            await server.wait_for(lambda s: s.held_requests)
            with pytest.raises(ZeroDivisionError):
                await server.wait_for(lambda s: 1 / 0)
            server.release("PutObject")
            await upload
        await server.wait_for(lambda s: not s.open_connections)
        assert server.objects["bucket", "key"].size == 3


async def test_who_waits_when_it_ends_is_told() -> None:
    with S3Server() as server:
        waiting = asyncio.ensure_future(server.wait_for(lambda s: False))
        await asyncio.sleep(0.01)
    with pytest.raises(RuntimeError, match="closed while"):
        await waiting


def test_one_that_cannot_start_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: S3Server) -> S3Server:
        raise OSError("no port")

    monkeypatch.setattr(S3Server, "__aenter__", fail)
    with pytest.raises(OSError, match="no port"), S3Server():
        pass
    assert threads() == []


def test_a_loop_in_a_thread_runs_what_it_is_given() -> None:
    async def name() -> str:
        return threading.current_thread().name

    thread = LoopThread("aios3 test")
    assert thread.run(name()) == "aios3 test"
    thread.close()
    assert (thread.loop.is_closed(), threads()) == (True, [])
