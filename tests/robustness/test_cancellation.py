"""Endings of an upload at every turn of the event loop: nothing of the upload is left."""

from __future__ import annotations

import asyncio
from functools import partial

import anyio
import pytest

from aios3 import StorageError, Timeouts
from aios3.testing import Fault, S3Server
from tests.support.sweep import (
    PART,
    SMALL_PARTS,
    UPLOADS,
    WAYS,
    Source,
    by_bytes,
    by_durable_writer,
    by_seekable_writer,
    driver_on,
    end_at,
    sweep,
    task_cancel,
)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("upload", UPLOADS.values(), ids=UPLOADS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_an_ending_at_any_turn_leaves_nothing(way, upload, times):
    runs, ended_early, problems = await sweep(way, upload, times)

    assert problems == []
    assert ended_early > 20
    assert runs > ended_early


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("way", WAYS)
async def test_an_ending_of_a_bytes_upload_at_any_turn_leaves_nothing(way, times):
    runs, ended_early, problems = await sweep(WAYS[way], by_bytes, times)

    # The store may hear later of what had left before the end.
    assert [problem for problem in problems if not problem.endswith("request after the end: PutObject")] == []
    assert ended_early >= 2 or way == "driver.aclose()"  # later Pythons need fewer turns than 3.11 to send a request
    assert runs > ended_early


@pytest.mark.parametrize("way", ["task.cancel()", "anyio cancel scope", "driver.aclose()"])
@pytest.mark.parametrize(("upload", "stride"), [(by_seekable_writer, 3), (by_durable_writer, 5)])
async def test_an_ending_of_a_seekable_or_durable_upload_at_any_turn_leaves_nothing(way, upload, stride):
    runs, ended_early, problems = await sweep(WAYS[way], upload, 2, stride)

    assert problems == []
    assert ended_early > 20 // stride
    assert runs > ended_early


@pytest.mark.parametrize(("way", "stride"), [("task.cancel()", 1), ("driver.aclose()", 1), ("anyio cancel scope", 4)])
@pytest.mark.parametrize("times", [1, 2])
async def test_an_ending_with_a_journal_at_any_turn_leaves_nothing(way, stride, times, tmp_path):
    runs, ended_early, problems = await sweep(
        WAYS[way], UPLOADS["upload_object_via_stream"], times, stride, journal=tmp_path / "journal"
    )

    assert problems == []
    assert ended_early > 20 // stride
    assert runs > ended_early


@pytest.mark.parametrize("distance", range(1, 12))
async def test_a_second_cancel_at_any_later_turn_leaves_nothing(distance):
    problems = []
    for step in range(0, 40, 2):
        ending = await end_at(partial(task_cancel, distance=distance), UPLOADS["open_upload"], step, 2)
        problems += [f"turn {step}: {problem}" for problem in ending.problems]

    assert problems == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("drop_after", "CreateMultipartUpload"),
        Fault("drop_before", "AbortMultipartUpload"),
        Fault("drop_after", "AbortMultipartUpload"),
        Fault("answer", "AbortMultipartUpload", times=2),
        Fault("answer", "ListParts"),
        Fault("drop_after", "UploadPart", part_number=2),
        Fault("drop_after", "CompleteMultipartUpload"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.operation}",
)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_cancel_while_requests_are_lost_leaves_nothing(way, fault):
    problems = []
    for step in range(0, 50, 3):
        ending = await end_at(way, UPLOADS["upload_object_via_stream"], step, 2, (fault,))
        problems += [f"turn {step}: {problem}" for problem in ending.problems]

    assert problems == []


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
async def test_a_cancel_during_a_held_request_aborts_the_upload(operation):
    async with S3Server(SMALL_PARTS) as server:
        driver = driver_on(server)
        async with driver:
            server.hold(operation)
            task = asyncio.create_task(driver.upload_object_via_stream(Source(), "bucket", "key"))
            await server.wait_for(
                lambda s: (
                    any(r.operation == operation and r.body_received for r in s.requests)
                    or any(r.operation == operation and operation == "CreateMultipartUpload" for r in s.requests)
                )
            )
            task.cancel()
            await asyncio.sleep(0)
            server.release(operation)
            with pytest.raises(asyncio.CancelledError):
                await task

            assert server.open_uploads == []
            assert [r.operation for r in server.requests if r.operation == "AbortMultipartUpload"]


async def test_the_wait_for_an_abort_does_not_spin_under_an_anyio_scope():
    async with S3Server(SMALL_PARTS) as server:
        driver = driver_on(server)
        async with driver:
            server.hold("AbortMultipartUpload")
            turns = 0

            async def release_after_some_turns() -> None:
                nonlocal turns
                await server.wait_for(lambda s: any(r.operation == "AbortMultipartUpload" for r in s.requests))
                for turns in range(200):
                    await asyncio.sleep(0)
                server.release("AbortMultipartUpload")

            releasing = asyncio.create_task(release_after_some_turns())
            wakes = 0
            real_wait = asyncio.wait

            async def counting_wait(*args, **kwargs):
                nonlocal wakes
                wakes += 1
                return await real_wait(*args, **kwargs)

            asyncio.wait = counting_wait
            try:
                with anyio.move_on_after(10) as scope:
                    async with driver.open_upload("bucket", "key") as upload:
                        await upload.write(bytes(3 * PART))
                        scope.cancel()
                        await upload.write(bytes(3 * PART))
            finally:
                asyncio.wait = real_wait
            await releasing

            assert scope.cancelled_caught
            assert server.open_uploads == []
            assert wakes < 20


async def test_a_create_without_a_response_is_found_and_aborted():
    async with S3Server(SMALL_PARTS) as server:
        server.faults.add(Fault("stall_after", "CreateMultipartUpload"))
        driver = driver_on(server, timeouts=Timeouts(cleanup=2))
        async with driver:
            task = asyncio.create_task(driver.upload_object_via_stream(Source(), "bucket", "key"))
            await server.wait_for(lambda s: s.open_uploads)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            assert server.open_uploads == []


@pytest.mark.parametrize("where", ["progress", "source"])
async def test_closing_the_driver_from_an_upload_does_not_deadlock(where):
    async with S3Server(SMALL_PARTS) as server:
        driver = driver_on(server)

        async def close_when_stored(progress):
            if progress.parts_stored:
                await driver.aclose()

        async def closing_source():
            yield bytes(3 * PART)
            await driver.aclose()
            yield bytes(3 * PART)

        options = {"on_progress": close_when_stored} if where == "progress" else {}
        source = Source() if where == "progress" else closing_source()
        async with asyncio.timeout(30):
            with pytest.raises(StorageError, match="closed"):
                await driver.upload_object_via_stream(source, "bucket", "key", **options)

        assert server.open_uploads == []
        assert driver._engine is None


async def test_a_cancel_during_the_wait_for_credentials_ends_at_once():
    class Hanging:
        def __init__(self):
            self.asked = asyncio.Event()

        async def get_credentials(self):
            self.asked.set()
            await asyncio.Event().wait()

    async with S3Server(SMALL_PARTS) as server:
        provider = Hanging()
        driver = driver_on(server, credentials=provider)
        async with driver:
            task = asyncio.create_task(driver.upload_object_via_stream(Source(), "bucket", "key"))
            await provider.asked.wait()
            task.cancel()
            async with asyncio.timeout(30):
                with pytest.raises(asyncio.CancelledError):
                    await task

        assert server.requests == []
