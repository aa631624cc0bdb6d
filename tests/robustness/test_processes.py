"""Processes that die during an upload or during clean-up, and live processes that share their journal directory."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aios3 import S3StorageDriver
from aios3.options import MIB
from aios3.testing import S3Server
from tests.support.processes import FORK, RECOVER, UPLOAD, USE_IN_FORK, child, environment_of, line_of, outcomes_of

SIZE = 16 * MIB + 5


@pytest.fixture
async def server() -> AsyncIterator[S3Server]:
    """Store with the usual limits."""
    async with S3Server(buckets=["bucket"]) as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """File of four parts."""
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * (SIZE // 256) + b"<end>")
    return file


@pytest.fixture
def environment(server: S3Server) -> dict[str, str]:
    """Environment in which a child finds the store."""
    return environment_of(server.endpoint_url, server.region, server.credentials)


def driver_for(server: S3Server, journal: Path) -> S3StorageDriver:
    return S3StorageDriver(
        endpoint_url=server.endpoint_url, region=server.region, credentials=server.credentials, journal=journal
    )


async def die(environment: dict[str, str], journal: Path, path: Path, *keys: str) -> None:
    """Let a process upload to the keys until two parts are stored, and kill it."""
    async with child(environment, "-c", UPLOAD, "generic", journal, path, "bucket", *keys) as process:
        assert await line_of(process) == "stored"
        process.kill()


@pytest.mark.parametrize("tear", ["no", "cut", "zeros"])
async def test_uploads_of_a_killed_process_are_aborted(
    server: S3Server, environment: dict[str, str], tmp_path: Path, path: Path, tear: str
) -> None:
    journal = tmp_path / "journal"
    await die(environment, journal, path, "key")
    (file,) = journal.iterdir()
    if tear == "cut":
        with file.open("ab") as torn:
            torn.write(b'{"event":"ended","entry"')
    if tear == "zeros":
        with file.open("ab") as torn:
            torn.write(bytes(4096))
    async with driver_for(server, journal) as driver:
        assert [one.outcome for one in await driver.recover()] == ["aborted"]
    assert server.open_uploads == []
    assert list(journal.iterdir()) == []


async def test_uploads_of_a_killed_process_are_completed(
    server: S3Server, environment: dict[str, str], tmp_path: Path, path: Path
) -> None:
    await die(environment, tmp_path / "journal", path, "key")
    server.requests.clear()
    async with child(environment, "-c", RECOVER, "generic", tmp_path / "journal", "resume") as process:
        assert await outcomes_of(process) == [("key", "completed")]
    assert server.objects["bucket", "key"].body == path.read_bytes()
    assert sum(request.operation == "UploadPart" for request in server.requests) <= 2


async def test_uploads_of_a_process_are_recovered_only_after_its_death(
    server: S3Server, environment: dict[str, str], tmp_path: Path, path: Path
) -> None:
    journal = tmp_path / "journal"
    async with child(environment, "-c", UPLOAD, "generic", journal, path, "bucket", "key") as living:
        await line_of(living)
        async with driver_for(server, journal) as driver:
            assert await driver.recover() == []
            assert await driver.find_checkpoints() == []
            assert len(server.open_uploads) == 1
            living.kill()
            await living.wait()
            assert [one.outcome for one in await driver.recover()] == ["aborted"]
    assert list(journal.iterdir()) == []


async def test_two_processes_that_recover_at_once_end_each_upload_once(
    server: S3Server, environment: dict[str, str], tmp_path: Path, path: Path
) -> None:
    journal = tmp_path / "journal"
    await asyncio.gather(*(die(environment, journal, path, name) for name in "abc"))
    open_ids = {left.upload_id for left in server.open_uploads}
    async with (
        child(environment, "-c", RECOVER, "generic", journal, "") as one,
        child(environment, "-c", RECOVER, "generic", journal, "") as two,
    ):
        ended = [*await outcomes_of(one), *await outcomes_of(two)]
    assert sorted(ended) == [(name, "aborted") for name in "abc"]
    aborted = [request.upload_id for request in server.requests if request.operation == "AbortMultipartUpload"]
    assert sorted(aborted) == sorted(open_ids)
    assert list(journal.iterdir()) == []


async def test_a_recovery_that_is_killed_is_finished_by_the_next(
    server: S3Server, environment: dict[str, str], tmp_path: Path, path: Path
) -> None:
    journal = tmp_path / "journal"
    await die(environment, journal, path, "a")
    await die(environment, journal, path, "b")
    server.hold("AbortMultipartUpload")
    async with child(environment, "-c", RECOVER, "generic", journal, "") as process:
        await server.wait_for(lambda s: s.held_requests)
        process.kill()
        await process.wait()
    server.release("AbortMultipartUpload")
    async with driver_for(server, journal) as driver:
        recovered = await driver.recover()
    assert [(one.key, one.outcome) for one in recovered] == [("a", "gone"), ("b", "aborted")]
    assert server.open_uploads == []
    assert list(journal.iterdir()) == []


async def test_a_driver_for_another_endpoint_leaves_the_journal_alone(
    server: S3Server, environment: dict[str, str], tmp_path: Path, path: Path
) -> None:
    journal = tmp_path / "journal"
    await die(environment, journal, path, "key")
    before = [file.read_bytes() for file in journal.iterdir()]
    async with S3Server(buckets=["bucket"]) as elsewhere:
        async with driver_for(elsewhere, journal) as driver:
            assert await driver.recover() == []
        assert elsewhere.requests == []
    assert [file.read_bytes() for file in journal.iterdir()] == before


@pytest.mark.parametrize("way", ["os.fork", "multiprocessing", "subprocess"])
async def test_a_fork_does_not_hold_the_journal_lock_of_its_dead_parent(
    server: S3Server, environment: dict[str, str], tmp_path: Path, path: Path, way: str
) -> None:
    """A fork shares the open files of its parent, and would share their locks."""
    journal = tmp_path / "journal"
    async with child(environment, "-W", "ignore", "-c", FORK, way, "generic", journal, path) as process:
        helper = int(await line_of(process))
        try:
            process.kill()
            while process.returncode is None:  # `wait` would wait for the helper as well, which has its pipe
                await asyncio.sleep(0.01)
            os.kill(helper, 0)  # it lives
            async with driver_for(server, journal) as driver:
                recovered = await driver.recover()
        finally:
            os.kill(helper, signal.SIGKILL)
    assert [(one.key, one.outcome) for one in recovered] == [("key", "aborted")]
    assert server.open_uploads == []
    assert list(journal.iterdir()) == []


async def test_a_fork_does_not_release_the_journal_lock_of_its_parent(
    server: S3Server, environment: dict[str, str], tmp_path: Path, path: Path
) -> None:
    journal = tmp_path / "journal"
    async with child(environment, "-W", "ignore", "-c", FORK, "os.fork", "generic", journal, path) as process:
        helper = int(await line_of(process))
        os.kill(helper, signal.SIGKILL)
        async with driver_for(server, journal) as driver:
            assert await driver.recover() == []
        assert len(server.open_uploads) == 1


async def test_a_used_driver_refuses_calls_in_a_fork(
    server: S3Server, environment: dict[str, str], tmp_path: Path
) -> None:
    told = "ConfigurationError the driver was opened in another process, o"
    journal = tmp_path / "journal"
    async with child(environment, "-W", "ignore", "-c", USE_IN_FORK, journal) as process:
        assert [await line_of(process) for _ in range(5)] == [*[told] * 4, "done"]
        assert [await line_of(process) for _ in range(2)] == ["2", "1"]
    assert server.objects == {}
