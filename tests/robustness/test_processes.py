"""Processes that die during an upload or during clean-up, and live processes that share their journal directory."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from aios3 import S3StorageDriver
from aios3.options import MIB
from aios3.testing import S3Server
from tests.support.processes import FORK, RECOVER, UPLOAD, USE_IN_FORK, child, environment_of, line_of, outcomes_of

SIZE = 16 * MIB + 5


class Scene:
    """Store with the usual limits, a journal, and a file of four parts."""

    def __init__(self, server: S3Server, directory: Path) -> None:
        self.server = server
        self.journal = directory / "journal"
        self.path = directory / "file"
        self.path.write_bytes(bytes(range(256)) * (SIZE // 256) + b"<end>")
        self.environment = environment_of(server.endpoint_url, server.region, server.credentials)

    def driver(self, server: S3Server | None = None) -> S3StorageDriver:
        at = server or self.server
        return S3StorageDriver(
            endpoint_url=at.endpoint_url, region=at.region, credentials=at.credentials, journal=self.journal
        )

    def child(self, *words: object) -> AbstractAsyncContextManager[Process]:
        return child(self.environment, "-W", "ignore", "-c", *words)

    def upload(self, *keys: str) -> AbstractAsyncContextManager[Process]:
        return self.child(UPLOAD, "generic", self.journal, self.path, "bucket", *keys)

    def recover(self, flag: str = "") -> AbstractAsyncContextManager[Process]:
        return self.child(RECOVER, "generic", self.journal, flag)

    async def die(self, *keys: str) -> None:
        """Let a process upload to the keys until two parts are stored, and kill it."""
        async with self.upload(*keys) as process:
            assert await line_of(process) == "stored"
            process.kill()

    async def outcomes(self) -> list[tuple[str, str]]:
        """Recover in this process; return keys and outcomes."""
        async with self.driver() as driver:
            return [(one.key, one.outcome) for one in await driver.recover()]

    def assert_clean(self) -> None:
        """Check that no upload is open, and that the journal is empty."""
        assert self.server.open_uploads == []
        assert list(self.journal.iterdir()) == []


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Run the store."""
    async with S3Server(buckets=["bucket"]) as server:
        yield Scene(server, tmp_path)


@pytest.mark.parametrize("torn", [b"", b'{"event":"ended","entry"', bytes(4096)], ids=["no", "cut", "zeros"])
async def test_uploads_of_a_killed_process_are_aborted(scene: Scene, torn: bytes) -> None:
    await scene.die("key")
    (file,) = scene.journal.iterdir()
    with file.open("ab") as journal:
        journal.write(torn)
    assert await scene.outcomes() == [("key", "aborted")]
    scene.assert_clean()


async def test_uploads_of_a_killed_process_are_completed(scene: Scene) -> None:
    await scene.die("key")
    scene.server.requests.clear()
    async with scene.recover("resume") as process:
        assert await outcomes_of(process) == [("key", "completed")]
    assert scene.server.objects["bucket", "key"].body == scene.path.read_bytes()
    assert sum(request.operation == "UploadPart" for request in scene.server.requests) <= 2


async def test_uploads_of_a_process_are_recovered_only_after_its_death(scene: Scene) -> None:
    async with scene.upload("key") as living:
        await line_of(living)
        async with scene.driver() as driver:
            assert await driver.recover() == []
            assert await driver.find_checkpoints() == []
            assert len(scene.server.open_uploads) == 1
            living.kill()
            await living.wait()
            assert [one.outcome for one in await driver.recover()] == ["aborted"]
    scene.assert_clean()


async def test_two_processes_that_recover_at_once_end_each_upload_once(scene: Scene) -> None:
    await asyncio.gather(*(scene.die(name) for name in "abc"))
    open_ids = {left.upload_id for left in scene.server.open_uploads}
    async with scene.recover() as one, scene.recover() as two:
        ended = [*await outcomes_of(one), *await outcomes_of(two)]
    assert sorted(ended) == [(name, "aborted") for name in "abc"]
    aborted = [request.upload_id for request in scene.server.requests if request.operation == "AbortMultipartUpload"]
    assert sorted(aborted) == sorted(open_ids)
    scene.assert_clean()


async def test_a_recovery_that_is_killed_is_finished_by_the_next(scene: Scene) -> None:
    await scene.die("a")
    await scene.die("b")
    scene.server.hold("AbortMultipartUpload")
    async with scene.recover() as process:
        await scene.server.wait_for(lambda s: s.held_requests)
        process.kill()
        await process.wait()
    scene.server.release("AbortMultipartUpload")
    assert await scene.outcomes() == [("a", "gone"), ("b", "aborted")]
    scene.assert_clean()


async def test_a_driver_for_another_endpoint_leaves_the_journal_alone(scene: Scene) -> None:
    await scene.die("key")
    before = [file.read_bytes() for file in scene.journal.iterdir()]
    async with S3Server(buckets=["bucket"]) as elsewhere:
        async with scene.driver(elsewhere) as driver:
            assert await driver.recover() == []
        assert elsewhere.requests == []
    assert [file.read_bytes() for file in scene.journal.iterdir()] == before


@pytest.mark.parametrize("way", ["os.fork", "multiprocessing", "subprocess"])
async def test_a_fork_does_not_hold_the_journal_lock_of_its_dead_parent(scene: Scene, way: str) -> None:
    """A fork shares the open files of its parent, and would share their locks."""
    async with scene.child(FORK, way, "generic", scene.journal, scene.path) as process:
        helper = int(await line_of(process))
        try:
            process.kill()
            while process.returncode is None:  # `wait` would wait for the helper as well, which has its pipe
                await asyncio.sleep(0.01)
            os.kill(helper, 0)  # it lives
            assert await scene.outcomes() == [("key", "aborted")]
        finally:
            os.kill(helper, signal.SIGKILL)
    scene.assert_clean()


async def test_a_fork_does_not_release_the_journal_lock_of_its_parent(scene: Scene) -> None:
    async with scene.child(FORK, "os.fork", "generic", scene.journal, scene.path) as process:
        os.kill(int(await line_of(process)), signal.SIGKILL)
        assert await scene.outcomes() == []
        assert len(scene.server.open_uploads) == 1


async def test_a_used_driver_refuses_calls_in_a_fork(scene: Scene) -> None:
    told = "ConfigurationError the driver was opened in another process, o"
    async with scene.child(USE_IN_FORK, scene.journal) as process:
        assert [await line_of(process) for _ in range(5)] == [*[told] * 4, "done"]
        assert [await line_of(process) for _ in range(2)] == ["2", "1"]
    assert scene.server.objects == {}
