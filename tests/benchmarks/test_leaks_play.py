"""The leak table's ways of ending, played on aios3 alone: all zeros, and the proxy does what keys ask of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from aios3.testing import S3Server
from benchmarks.leaks.clients import find_adapter
from benchmarks.leaks.clients.target import PART_SIZE, OpenClient, Target, parts_of
from benchmarks.leaks.fault_proxy import FaultProxy
from benchmarks.leaks.play import play
from benchmarks.leaks.scene import DIGEST, NotReachedError
from benchmarks.leaks.server_thread import enter_in, loop_in_thread
from benchmarks.leaks.verdicts import Look, Observation, Stored, is_spotless
from benchmarks.leaks.ways import WAYS, key_of

BUCKET = "bucket"


@dataclass
class Eyes:
    """Looks into the test server itself."""

    server: S3Server
    key: str
    seen: Observation = field(default_factory=Observation)

    def count_parts(self):
        return sum(len(upload.parts) for upload in self.server.open_uploads if upload.key == self.key)

    def has_ended(self, ending, error, tasks):
        self.seen.ending, self.seen.error = ending, error
        self.seen.at_once = self._look(tasks)

    def look_again(self, tasks):
        self.seen.later = self._look(tasks)

    def left_sockets(self, count):
        self.seen.sockets = count

    def cannot(self):
        self.seen.is_possible = False

    def _look(self, tasks) -> Look:
        uploads = sum(upload.key == self.key for upload in self.server.open_uploads)
        return Look(uploads, tasks, self._stored())

    def _stored(self) -> Stored:
        found = self.server.objects.get((BUCKET, self.key))
        if found is None:
            return "absent"
        return "whole" if hashlib.sha256(found.body).hexdigest() == DIGEST else "other"


@dataclass
class Stage:
    """A test server in a thread, and the proxy before it."""

    server: S3Server
    proxy: FaultProxy

    def play(self, way, adapter) -> Observation:
        eyes = Eyes(self.server, key_of(way, "aios3"))
        keys = self.server.credentials
        target = Target(
            self.server.endpoint_url, keys.access_key_id, keys.secret_access_key, self.server.region, BUCKET, "generic"
        )
        if WAYS[way].fault:
            target = replace(target, endpoint_url=self.proxy.endpoint_url)
        play(WAYS[way], adapter, target, eyes.key, eyes, pause=0)
        return eyes.seen


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


@pytest.mark.parametrize("way", [way for way in WAYS if way not in {"refused", "complete"}])
def test_aios3_leaves_nothing(stage, way):
    seen = stage.play(way, find_adapter("aios3 stream"))

    assert is_spotless(WAYS[way], seen), seen


def test_a_refused_part_never_reaches_the_store(stage):
    seen = stage.play("refused", find_adapter("aios3 stream"))

    sent = {request.part_number for request in stage.server.requests if request.operation == "UploadPart"}
    assert "refused by the proxy" in seen.error
    assert {1, 2} <= sent
    assert 3 not in sent
    assert is_spotless(WAYS["refused"], seen), seen


def test_the_first_answer_to_complete_is_lost_and_no_other(stage):
    seen = stage.play("complete", find_adapter("aios3 stream"))

    operations = [request.operation for request in stage.server.requests]
    assert operations.count("CompleteMultipartUpload") == 2
    assert seen.ending == "returned"
    assert is_spotless(WAYS["complete"], seen), seen


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
    """The table would show an upload and a task that are left: its zeros are worth something."""
    seen = stage.play("cancel", careless)

    assert (seen.at_once.open_uploads, seen.ending) == (1, "raised")
    assert seen.at_once.tasks >= 1
    assert not is_spotless(WAYS["cancel"], seen)


@asynccontextmanager
async def unable(target: Target) -> AsyncGenerator[OpenClient]:
    """A client that fails at once."""

    async def upload(source: AsyncIterator[bytes], key: str) -> None:
        raise OSError("no route")

    yield OpenClient(upload)


def test_a_client_without_close_is_not_asked_to_close(stage):
    seen = stage.play("close", unable)

    assert not seen.is_possible
    assert seen.looks == []


def test_an_upload_that_fails_early_is_not_taken_for_one_that_left_nothing(stage, monkeypatch):
    monkeypatch.setattr("benchmarks.leaks.scene.REACH_SECONDS", 0.05)
    with pytest.raises(NotReachedError, match="no route"):
        stage.play("cancel", unable)


async def test_sources_are_cut_into_parts():
    async def source() -> AsyncGenerator[bytes]:
        yield bytes(PART_SIZE * 2 + 5)
        yield b"end"

    parts = [part async for part in parts_of(source())]

    assert [len(part) for part in parts] == [PART_SIZE, PART_SIZE, 8]
    assert parts[-1].endswith(b"end")
