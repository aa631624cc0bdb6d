"""Uploads hold what they may hold, ask for what they may ask for, and none waits for ever."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from aios3 import ConfigurationError, TransferConfig, UploadSuspendedError

PART = 1024


class Counted:
    """A source of `total` bytes in chunks of `chunk`; counts what was taken of it."""

    def __init__(self, total: int, chunk: int = 100) -> None:
        self.left = total
        self.chunk = chunk
        self.taken = 0

    def __aiter__(self):
        return self

    async def __anext__(self) -> bytes:
        if not self.left:
            raise StopAsyncIteration
        size = min(self.chunk, self.left)
        self.left -= size
        self.taken += size
        return bytes(size)


class CountedReader:
    """The same as something to read from."""

    def __init__(self, total: int) -> None:
        self.left = total
        self.taken = 0

    async def read(self, count: int) -> bytes:
        size = min(count, self.left)
        self.left -= size
        self.taken += size
        return bytes(size)


async def turns(count: int = 300) -> None:
    """Let everything run that can."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("concurrency", [1, 2, 5])
async def test_a_source_is_not_read_ahead(server, make_driver, concurrency):
    """While the store answers no part, at most ``concurrency + 1`` parts have been taken from the source."""
    server.hold("UploadPart")
    driver = make_driver(transfer=TransferConfig(part_size=PART, concurrency=concurrency))
    source = Counted(100 * PART)
    upload = asyncio.create_task(driver.upload_object_via_stream(source, "bucket", "key"))
    await server.wait_for(lambda server: server.max_parts_in_progress == concurrency)
    await turns()
    assert source.taken <= (concurrency + 1) * PART + source.chunk
    assert source.taken > concurrency * PART
    server.release("UploadPart")
    await upload
    assert server.max_parts_in_progress == concurrency


async def test_an_adaptive_upload_begins_small_and_takes_more(server, make_driver):
    """Eight parts, and no source byte for more than the ninth; more, while nothing but their number holds them up."""
    server.hold("UploadPart")
    driver = make_driver(transfer=TransferConfig(part_size=PART, concurrency="auto"))
    source = Counted(100 * PART)
    upload = asyncio.create_task(driver.upload_object_via_stream(source, "bucket", "key"))
    await server.wait_for(lambda server: server.max_parts_in_progress == 8)
    await turns()
    assert (server.max_parts_in_progress, source.taken <= 9 * PART + source.chunk) == (8, True)
    server.release("UploadPart")
    receipt = await upload
    assert (receipt.size, len(receipt.parts)) == (100 * PART, 100)
    assert 8 <= server.max_parts_in_progress <= 32


async def test_an_adaptive_upload_keeps_to_what_the_store_can_hold(server, make_driver):
    """A store that takes few parts before their turn gets few, whatever more would yield."""
    server.hold("UploadPart")
    few = dataclasses.replace(server.store.provider, reorder_buffer=2 * PART)
    driver = make_driver(provider=few, transfer=TransferConfig(part_size=PART, concurrency="auto"))
    upload = asyncio.create_task(driver.upload_object_via_stream(Counted(20 * PART), "bucket", "key"))
    await server.wait_for(lambda server: server.max_parts_in_progress == 2)
    await turns()
    server.release("UploadPart")
    await upload
    assert server.max_parts_in_progress == 2


async def test_a_reader_is_not_read_ahead(server, make_driver):
    """Readers are asked for no more than there is room for."""
    server.hold("UploadPart")
    driver = make_driver(transfer=TransferConfig(part_size=PART, concurrency=2))
    reader = CountedReader(100 * PART)
    upload = asyncio.create_task(driver.upload_object_via_stream(reader, "bucket", "key"))
    await server.wait_for(lambda server: server.max_parts_in_progress == 2)
    await turns()
    assert reader.taken <= 3 * PART + 64 * 1024  # one look beyond the first part
    server.release("UploadPart")
    await upload


async def test_a_source_is_read_no_further_than_may_be_held_while_the_upload_is_created(server, driver):
    """Four parts that wait to be sent, and one that fills."""
    server.hold("CreateMultipartUpload")
    source = Counted(100 * PART)
    upload = asyncio.create_task(driver.upload_object_via_stream(source, "bucket", "key"))
    await server.wait_for(lambda server: server.requests_in_progress)
    await turns()
    assert source.taken <= 5 * PART + source.chunk
    server.release("CreateMultipartUpload")
    await upload


async def test_a_writer_waits_while_the_store_does_not_answer(server, driver):
    """`write` is the backpressure: it returns only when the bytes are accepted."""
    server.hold("UploadPart")
    accepted = 0

    async def write():
        nonlocal accepted
        async with driver.open_upload("bucket", "key") as upload:
            for _ in range(100):
                await upload.write(bytes(PART))
                accepted += 1

    task = asyncio.create_task(write())
    await server.wait_for(lambda server: server.max_parts_in_progress == 4)
    await turns()
    assert accepted <= 5
    server.release("UploadPart")
    await task
    assert server.objects["bucket", "key"].size == 100 * PART


async def test_hundreds_of_uploads_finish_at_a_limit_of_one_part(server, make_driver):
    """No deadlock at any limit: whoever is first in line gets what it needs to finish a part."""
    driver = make_driver(transfer=TransferConfig(part_size=PART, concurrency=4, memory_limit=PART))
    receipts = await asyncio.gather(
        *(driver.upload_object_via_stream(Counted(3 * PART + 7), "bucket", f"key {number}") for number in range(200))
    )
    assert [receipt.size for receipt in receipts] == [3 * PART + 7] * 200
    assert len(server.objects) == 200
    assert server.max_parts_in_progress == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_all_uploads_together_keep_the_limit(server, make_driver, limit):
    """Bytes taken from the sources and not yet acknowledged exceed it by no more than a chunk each."""
    transfer = TransferConfig(part_size=PART, concurrency=4, memory_limit=limit * PART, spill_directory=None)
    driver = make_driver(transfer=transfer)
    sources = [Counted(5 * PART + number) for number in range(20)]
    stored = [0] * 20
    most = 0

    def note(number):
        def on_progress(progress):
            nonlocal most
            stored[number] = progress.bytes_stored
            most = max(most, sum(source.taken for source in sources) - sum(stored))

        return on_progress

    await asyncio.gather(
        *(
            driver.upload_object_via_stream(source, "bucket", f"{number}", on_progress=note(number))
            for number, source in enumerate(sources)
        )
    )
    assert most <= limit * PART + 20 * 100
    assert most > 0


async def test_a_stalled_producer_does_not_stop_the_others(server, make_driver):
    """What waits for its client holds only what it delivered."""
    driver = make_driver(transfer=TransferConfig(part_size=PART, concurrency=4, memory_limit=4 * PART))
    never = asyncio.Event()

    async def stalled():
        yield bytes(10)
        await never.wait()

    waiting = [
        asyncio.create_task(driver.upload_object_via_stream(stalled(), "bucket", f"slow {number}"))
        for number in range(3)
    ]
    await turns()
    receipts = await asyncio.gather(
        *(driver.upload_object_via_stream(Counted(10 * PART), "bucket", f"{number}") for number in range(10))
    )
    assert len(receipts) == 10
    never.set()
    await asyncio.gather(*waiting)


async def test_a_calls_own_memory_limit_cannot_lift_the_drivers(server, make_driver):
    """The driver's limit is for all."""
    driver = make_driver(transfer=TransferConfig(part_size=PART, concurrency=8, memory_limit=2 * PART))
    own = TransferConfig(part_size=PART, concurrency=8, memory_limit=100 * PART)
    await driver.upload_object_via_stream(Counted(20 * PART), "bucket", "key", transfer=own)
    assert server.max_parts_in_progress <= 2


async def test_memory_comes_back_after_failures(server, make_driver):
    """Uploads that fail half-way leave the whole limit to the next ones."""
    driver = make_driver(transfer=TransferConfig(part_size=PART, concurrency=4, memory_limit=2 * PART))

    async def broken():
        yield bytes(PART + 500)
        raise ValueError("broken")

    for _ in range(20):
        with pytest.raises(ValueError, match="broken"):
            await driver.upload_object_via_stream(broken(), "bucket", "key")
    await driver.upload_object_via_stream(Counted(20 * PART), "bucket", "key")
    assert server.objects["bucket", "key"].size == 20 * PART


def spilling(directory, parts=8, **options):
    return TransferConfig(
        **{"part_size": PART, "concurrency": 4, "memory_limit": parts * PART, "spill_directory": directory} | options
    )


@pytest.mark.parametrize("spills", [True, False])
async def test_a_fast_client_waits_for_slow_ones_unless_parts_are_spilled(server, make_driver, tmp_path, spills):
    """Their half-filled parts hold all memory; the disk lets it by."""
    driver = make_driver(transfer=spilling(tmp_path if spills else None))
    go_on = asyncio.Event()

    async def slow():
        yield bytes(PART - 1)
        await go_on.wait()
        yield bytes(PART)

    stalled = [
        asyncio.create_task(driver.upload_object_via_stream(slow(), "bucket", f"slow {number}")) for number in range(8)
    ]
    await turns()
    fast = asyncio.create_task(driver.upload_object_via_stream(Counted(20 * PART + 7), "bucket", "fast"))
    if spills:
        assert (await fast).size == 20 * PART + 7
        assert not any(task.done() for task in stalled)
    else:
        await turns(2000)
        assert not fast.done()
    go_on.set()
    receipts = await asyncio.gather(fast, *stalled)
    assert {receipt.size for receipt in receipts} == {20 * PART + 7, 2 * PART - 1}


@pytest.mark.parametrize("path", ["missing", "file"])
async def test_a_directory_that_takes_no_files_is_told_when_the_driver_opens(server, make_driver, tmp_path, path):
    """Before anything is sent."""
    (tmp_path / "file").write_bytes(b"")
    driver = make_driver(transfer=spilling(tmp_path / path))
    with pytest.raises(ConfigurationError, match=f"no file can be made in spill_directory '.*{path}'"):
        await driver.upload_object_via_stream(b"abc", "bucket", "key")
    assert server.requests == []


async def test_a_call_cannot_switch_spilling_on(server, make_driver, tmp_path):
    """It is the driver's, like the memory; and a part must fit into what is left of that."""
    driver = make_driver()
    await driver.upload_object_via_stream(Counted(PART), "bucket", "key", transfer=spilling(tmp_path / "missing"))
    assert driver._engine.spill.directory is None
    driver = make_driver(transfer=spilling(tmp_path))
    for mechanism in ("multipart", "stream"):
        large = TransferConfig(part_size=8 * PART + 1, mechanism=mechanism)
        with pytest.raises(ConfigurationError, match=f"the driver may hold only {8 * PART} "):
            await driver.upload_object_via_stream(Counted(PART), "bucket", "key", transfer=large)


async def test_an_upload_with_larger_parts_than_are_spilled_can_be_resumed(server, make_driver, tmp_path):
    """The checkpoint's part size rules, and its parts stay in memory."""
    checkpoint = None
    async with make_driver(transfer=TransferConfig(part_size=3 * PART), journal=tmp_path / "journal") as driver:

        async def source():
            yield bytes(4 * PART)
            await asyncio.Event().wait()

        task = asyncio.create_task(driver.upload_object_via_stream(source(), "bucket", "key"))
        await server.wait_for(lambda server: any(upload.parts for upload in server.open_uploads))
        await turns()
        closing = asyncio.create_task(driver.aclose())
        with pytest.raises(UploadSuspendedError) as caught:
            await task
        await closing
        checkpoint = caught.value.checkpoint
    driver = make_driver(transfer=spilling(tmp_path))
    receipt = await driver.upload_object_via_stream(Counted(PART), "bucket", "key", resume=checkpoint)
    assert receipt.size == 4 * PART
