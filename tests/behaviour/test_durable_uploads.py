"""Live uploads whose unfinished part is kept beside them, and that another process continues."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from aios3 import (
    AccessDeniedError,
    ConfigurationError,
    DriverClosedError,
    IntegrityError,
    PartLimitError,
    TransferConfig,
    UploadCheckpoint,
    UploadSuspendedError,
)
from aios3._concurrency.clock import Clock
from aios3.testing import Fault

PART = 1024
CONTENT = bytes(range(251)) * 40
KEY = "cameras/7.ts"


class Ticks:
    """Clock whose sleepers wake when the test says so."""

    def __init__(self):
        self._sleepers = []
        self.asked = []

    async def _sleep(self, seconds):
        self.asked.append(seconds)
        self._sleepers.append(asyncio.get_running_loop().create_future())
        await self._sleepers[-1]

    def __call__(self):
        return Clock(sleep=self._sleep)

    def wake(self):
        """Wake the sleepers that were not cancelled."""
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)

    async def pass_one(self):
        """Let one period pass, and what is due then happen."""
        while not self._sleepers:
            await asyncio.sleep(0)
        count = len(self.asked)
        self._sleepers.pop().set_result(None)
        while len(self.asked) == count:
            await asyncio.sleep(0.001)


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def recorder(make_driver, ticks):
    driver = make_driver()
    driver._clock = ticks()
    return driver


def tails(server):
    return [key for _, key in server.objects if ".durable/" in key]


async def test_what_was_written_is_in_the_store_after_one_period(server, recorder, make_driver, ticks):
    """And goes on in another process, from a checkpoint that was sent as text. Nothing is left beside the object."""
    with pytest.raises(KeyError):  # stands for the death of the process, which the store does not see
        async with recorder.open_upload("bucket", KEY, durable_every=5, content_type="video/mp2t") as upload:
            seen = 0
            for size in (100, 900, 24, 1, 3000, 0, 2000):
                await upload.write(CONTENT[seen : seen + size])
                seen += size
                await ticks.pass_one()
                assert upload.bytes_durable == seen
                assert len(tails(server)) == 1
                found = await make_driver().find_checkpoint("bucket", KEY)
                assert (found.offset, found.tail) == (seen, seen % PART or found.tail)
            assert all(0 <= asked <= 5 for asked in ticks.asked)
            other = make_driver()
            checkpoint = UploadCheckpoint.from_json((await other.find_checkpoint("bucket", KEY)).to_json())
            async with other.open_upload("bucket", KEY, durable_every=5, resume=checkpoint) as resumed:
                assert resumed.tell() == resumed.bytes_durable == seen
                await resumed.write(CONTENT[seen:])
            raise KeyError
    stored = server.objects["bucket", KEY]
    assert (stored.body, stored.headers["content-type"]) == (CONTENT, "video/mp2t")
    assert (tails(server), server.open_uploads) == ([], [])
    assert await make_driver().find_checkpoint("bucket", KEY) is None


async def test_a_tail_is_replaced_only_when_the_parts_before_it_are_stored(server, recorder, make_driver, ticks):
    async with recorder.open_upload("bucket", KEY, durable_every=5) as upload:
        await upload.write(CONTENT[:1000])
        await ticks.pass_one()
        server.hold("UploadPart")
        await upload.write(CONTENT[1000:1500])
        passing = asyncio.create_task(ticks.pass_one())
        await server.wait_for(lambda store: any(r.operation == "UploadPart" for r in store.requests))
        await asyncio.sleep(0.05)
        assert (await make_driver().find_checkpoint("bucket", KEY)).offset == upload.bytes_durable == 1000
        server.release("UploadPart")
        await passing
        assert (await make_driver().find_checkpoint("bucket", KEY)).offset == upload.bytes_durable == 1500
    assert server.objects["bucket", KEY].body == CONTENT[:1500]


async def test_a_recording_without_new_bytes_or_without_any_costs_no_request(server, recorder, ticks):
    async with recorder.open_upload("bucket", KEY, durable_every=5) as upload:
        await ticks.pass_one()
        assert server.requests == []
        await upload.write(b"x")
        await ticks.pass_one()
        count = len(server.requests)
        await ticks.pass_one()
        assert len(server.requests) == count
    assert server.objects["bucket", KEY].body == b"x"


async def test_a_short_recording_is_one_put(server, recorder):
    async with recorder.open_upload("bucket", KEY, durable_every=5) as upload:
        await upload.write(b"x")
    assert [request.operation for request in server.requests] == ["PutObject"]


async def test_no_copy_begins_while_the_upload_is_committed(server, recorder, ticks):
    """It would begin a multipart upload beside the PutObject."""

    async def record():
        async with recorder.open_upload("bucket", KEY, durable_every=5) as upload:
            await upload.write(b"x")
            await asyncio.sleep(0)  # the clock is asked

    server.hold("PutObject")
    recording = asyncio.create_task(record())
    await server.wait_for(lambda store: any(r.operation == "PutObject" for r in store.requests))
    ticks.wake()
    await asyncio.sleep(0.05)
    server.release("PutObject")
    await recording
    assert [request.operation for request in server.requests] == ["PutObject"]


async def test_parts_of_a_recording_do_not_grow(server, make_driver, small_provider):
    """A large part would make a large tail, so the end of the part numbers is the end of the upload."""
    driver = make_driver(provider=dataclasses.replace(small_provider, max_parts=4))
    with pytest.raises(PartLimitError):
        async with driver.open_upload("bucket", KEY, durable_every=5) as upload:
            await upload.write(bytes(4 * PART + 1))
    assert (server.objects, server.open_uploads) == ({}, [])


async def test_a_tail_that_the_store_refuses_ends_the_upload_and_leaves_nothing(server, recorder, ticks):
    server.faults.add(Fault("answer", "PutObject", times=100, status=403, code="AccessDenied"))
    with pytest.raises(AccessDeniedError):
        async with recorder.open_upload("bucket", KEY, durable_every=5) as upload:
            await upload.write(CONTENT[:1500])
            passing = asyncio.create_task(ticks.pass_one())
            try:
                await asyncio.sleep(60)
            finally:
                passing.cancel()
    assert (server.objects, server.open_uploads) == ({}, [])


async def test_a_tail_that_cannot_be_deleted_is_logged_and_the_object_is_there(server, recorder, ticks, caplog):
    async with recorder.open_upload("bucket", KEY, durable_every=5) as upload:
        await upload.write(b"x")
        await ticks.pass_one()
        server.faults.add(Fault("answer", "DeleteObject", times=100, status=403, code="AccessDenied"))
    assert upload.receipt.size == 1
    assert "was not deleted" in caplog.text


async def test_a_tail_whose_upload_has_ended_is_no_checkpoint_and_is_deleted(server, recorder, make_driver, ticks):
    async with recorder.open_upload("bucket", KEY, durable_every=5) as upload:
        await upload.write(b"x")
        await ticks.pass_one()
        left = dict(server.objects)
    server.objects.update(left)
    assert tails(server) != []
    assert await make_driver().find_checkpoint("bucket", KEY) is None
    assert tails(server) == []


@pytest.mark.parametrize("metadata", [{}, {"start": "x"}, {"start": "0", "upload-id": "id", "part-size": "0"}])
async def test_another_object_at_the_key_of_the_tail_is_no_checkpoint(server, recorder, driver, ticks, metadata):
    async with recorder.open_upload("bucket", KEY, durable_every=5) as upload:
        await upload.write(b"x")
        await ticks.pass_one()
        (key,) = tails(server)
    await driver.upload_object_via_stream(b"other", "bucket", key, metadata=metadata)
    assert await driver.find_checkpoint("bucket", KEY) is None
    assert tails(server) == [key]


@pytest.mark.parametrize("trouble", ["replaced", "refused", "cancelled", "twice"])
async def test_a_tail_that_is_not_taken_over_leaves_the_recording_to_its_owner(
    server, recorder, make_driver, ticks, trouble
):
    """The owner may live, and another try may succeed."""
    other = make_driver()

    async def resume(checkpoint):
        async with other.open_upload("bucket", KEY, durable_every=5, resume=checkpoint):
            await asyncio.Event().wait()

    async with recorder.open_upload("bucket", KEY, durable_every=5) as upload:
        await upload.write(CONTENT[:1500])
        await ticks.pass_one()
        checkpoint = await other.find_checkpoint("bucket", KEY)
        await upload.write(CONTENT[1500:1510])
        if trouble == "replaced":
            await ticks.pass_one()
            with pytest.raises(IntegrityError, match="was replaced"):
                await resume(checkpoint)
        elif trouble == "refused":
            server.faults.add(Fault("answer", "GetObject", times=100, status=403, code="AccessDenied"))
            with pytest.raises(AccessDeniedError):
                await resume(checkpoint)
        else:
            server.hold("GetObject")
            task = asyncio.create_task(resume(checkpoint))
            await server.wait_for(lambda server: server.held_requests)
            if trouble == "cancelled":
                task.cancel()
            other._engine.known_uploads.add(checkpoint.upload_id)  # as another resumption by this driver would
            server.release("GetObject")
            with pytest.raises(asyncio.CancelledError if trouble == "cancelled" else ConfigurationError):
                await task
        assert len(tails(server)) == len(server.open_uploads) == 1
        await upload.write(CONTENT[1510:])
    assert server.objects["bucket", KEY].body == CONTENT
    assert tails(server) == []


async def test_closing_a_driver_with_a_journal_leaves_the_tail_to_the_next_process(
    server, make_driver, ticks, tmp_path
):
    recorder = make_driver(journal=tmp_path / "journal")
    recorder._clock = ticks()
    with pytest.raises(UploadSuspendedError) as caught:
        async with recorder.open_upload("bucket", KEY, durable_every=5) as upload:
            await upload.write(CONTENT[:1500])
            await ticks.pass_one()
            closing = asyncio.create_task(recorder.aclose())
            await asyncio.sleep(60)
    await closing
    assert (caught.value.checkpoint.offset, caught.value.checkpoint.tail) == (PART, 0)
    driver = make_driver()
    checkpoint = await driver.find_checkpoint("bucket", KEY)
    assert checkpoint.offset == 1500
    async with driver.open_upload("bucket", KEY, durable_every=5, resume=checkpoint) as upload:
        await upload.write(CONTENT[1500:])
    assert server.objects["bucket", KEY].body == CONTENT
    assert tails(server) == []


async def test_the_tail_is_encrypted_as_the_object_is(server, recorder, ticks):
    async with recorder.open_upload("bucket", KEY, durable_every=5, server_side_encryption="AES256") as upload:
        await upload.write(b"x")
        await ticks.pass_one()
        put = next(request for request in server.requests if request.operation == "PutObject")
        assert dict(put.headers)["x-amz-server-side-encryption"] == "AES256"


async def test_a_recording_that_closes_its_own_driver_leaves_no_tail(server, recorder, ticks):
    with pytest.raises(DriverClosedError):
        async with recorder.open_upload("bucket", KEY, durable_every=5) as upload:
            await upload.write(CONTENT[:1500])
            await ticks.pass_one()
            assert len(tails(server)) == 1
            await recorder.aclose()
            assert (server.objects, server.open_uploads) == ({}, [])
            await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"durable_every": 0}, "above 0"),
        ({"durable_every": float("nan")}, "above 0"),
        ({"durable_every": "1"}, "above 0"),
        ({"durable_every": 1, "transfer": TransferConfig(part_size=5 * PART)}, "four parts"),
        ({"durable_every": 1, "transfer": TransferConfig(part_size=PART, mechanism="stream")}, "streamed"),
        ({"resume": UploadCheckpoint("bucket", KEY, "id", PART, (), tail=3)}, "durable_every"),
    ],
)
async def test_durability_that_cannot_be_is_refused_before_any_request(server, make_driver, options, match):
    driver = make_driver(transfer=TransferConfig(part_size=PART, memory_limit=16 * PART))
    with pytest.raises(ConfigurationError, match=match):
        async with driver.open_upload("bucket", KEY, **options):
            pass
    assert server.requests == []


async def test_a_checkpoint_with_a_tail_is_refused_where_the_source_is_given(server, driver, tmp_path):
    checkpoint = UploadCheckpoint("bucket", KEY, "id", PART, (), tail=0)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(ConfigurationError, match="open_upload"):
        await driver.upload_object_via_stream(b"x", "bucket", KEY, resume=checkpoint)
    with pytest.raises(ConfigurationError, match="open_upload"):
        await driver.upload_object(tmp_path / "file", "bucket", KEY, resume=checkpoint)
    assert server.requests == []
