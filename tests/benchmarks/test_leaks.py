"""The leak table's ways of ending, played on aios3 alone: all zeros, and a careless client is seen."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from aios3.testing import S3Server
from benchmarks.leaks.cells import Watcher
from benchmarks.leaks.clients import find_adapter
from benchmarks.leaks.clients.target import OpenClient, Target
from benchmarks.leaks.fault_proxy import FaultProxy
from benchmarks.leaks.play import play
from benchmarks.leaks.scene import DIGEST
from benchmarks.leaks.server_thread import enter_in, loop_in_thread
from benchmarks.leaks.verdicts import Observation, is_spotless
from benchmarks.leaks.ways import WAYS, key_of

BUCKET = "bucket"


class Eyes(Watcher):
    """Looks into the test server itself, from the process of the client."""

    def __getattr__(self, name):
        return self._answers[name]


@dataclass
class Stage:
    """A test server in a thread with the proxy before it; also what looks at its store."""

    server: S3Server
    proxy: FaultProxy

    def play(self, way, adapter) -> Observation:
        keys = self.server.credentials
        target = Target(
            self.server.endpoint_url, keys.access_key_id, keys.secret_access_key, self.server.region, BUCKET, "generic"
        )
        if WAYS[way].fault:
            target = replace(target, endpoint_url=self.proxy.endpoint_url)
        key = key_of(way, "aios3")
        eyes = Eyes(key, self)
        play(WAYS[way], adapter, target, key, eyes, pause=0)
        return eyes.seen

    def count_uploads(self, key):
        return sum(upload.key == key for upload in self.server.open_uploads)

    def count_parts(self, key):
        return sum(len(upload.parts) for upload in self.server.open_uploads if upload.key == key)

    def stored(self, key):
        found = self.server.objects.get((BUCKET, key))
        if found is None:
            return "absent"
        return "whole" if hashlib.sha256(found.body).hexdigest() == DIGEST else "other"


@pytest.fixture(scope="module")
def servers() -> Iterator[Stage]:
    """One server for all, as in the benchmark; every test has its own key."""
    with loop_in_thread() as loop, enter_in(loop, S3Server()) as server:
        port = int(server.endpoint_url.rpartition(":")[2])
        with enter_in(loop, FaultProxy("127.0.0.1", port)) as proxy:
            yield Stage(server, proxy)


@pytest.fixture
def stage(servers: Stage) -> Iterator[Stage]:
    """The server, emptied afterwards."""
    yield servers
    servers.server.store.uploads.clear()
    servers.server.objects.clear()
    servers.server.requests.clear()


@pytest.mark.parametrize("way", WAYS)
def test_aios3_leaves_nothing(stage, way):
    seen = stage.play(way, find_adapter("aios3 stream"))
    assert is_spotless(WAYS[way], seen), seen
    sent = [(request.operation, request.part_number) for request in stage.server.requests]
    if way == "refused":
        assert "refused by the proxy" in seen.error
        assert ("UploadPart", 3) not in sent
    if way == "complete":
        assert sent.count(("CompleteMultipartUpload", None)) == 2


@pytest.mark.parametrize("way", ["clean", "source", "scope"])
def test_the_writer_of_aios3_leaves_nothing(stage, way):
    seen = stage.play(way, find_adapter("aios3 writer"))
    assert is_spotless(WAYS[way], seen), seen


@asynccontextmanager
async def careless(target: Target) -> AsyncGenerator[OpenClient]:
    """A client that forgets what it began, leaves a task, and cannot be closed."""
    left: list[asyncio.Task[None]] = []
    async with find_adapter("aios3 stream")(target) as driver:

        async def upload(source: AsyncIterator[bytes], key: str) -> None:
            left.append(asyncio.get_running_loop().create_task(driver.upload(source, key)))
            await asyncio.Event().wait()

        yield OpenClient(upload)
    await asyncio.gather(*left, return_exceptions=True)


def test_what_a_careless_client_leaves_is_seen(stage):
    seen = stage.play("cancel", careless)
    assert (seen.at_once.open_uploads, seen.ending) == (1, "raised")
    assert seen.at_once.tasks >= 1
    assert not is_spotless(WAYS["cancel"], seen)
