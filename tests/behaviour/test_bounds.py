"""Limits of memory, of parts in flight and of read-ahead, and the absence of deadlocks."""

from __future__ import annotations

import asyncio

import pytest

from aios3 import ConfigurationError, TransferConfig, UploadSuspendedError
from tests.support.fakes import turns

PART = 1024


class Counted:
    """Source of `total` bytes in chunks of `chunk`, which counts the bytes that were read."""

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
    """The same source as a reader."""

    def __init__(self, total: int) -> None:
        self.left = total
        self.taken = 0

    async def read(self, count: int) -> bytes:
        size = min(count, self.left)
        self.left -= size
        self.taken += size
        return bytes(size)


@pytest.mark.parametrize("concurrency", [1, 2, 5])
async def test_a_source_is_read_for_concurrency_plus_one_parts_at_most(server, make_driver, concurrency):
    """While no part gets a response."""
    server.hold("UploadPart")
    driver = make_driver(transfer=TransferConfig(part_size=PART, concurrency=concurrency))
    source = Counted(100 * PART)
    upload = asyncio.create_task(driver.upload_object_via_stream(source, "bucket", "key"))
    await server.wait_for(lambda server: server.max_parts_in_progress == concurrency)
    await turns(300)
    assert source.taken <= (concurrency + 1) * PART + source.chunk
    assert source.taken > concurrency * PART
    server.release("UploadPart")
    await upload
    assert server.max_parts_in_progress == concurrency


async def test_an_adaptive_upload_starts_with_eight_parts_and_takes_more(server, make_driver):
    """The source is read for at most nine parts at first. The number grows while only concurrency limits the rate."""
    server.hold("UploadPart")
    driver = make_driver(transfer=TransferConfig(part_size=PART, concurrency="auto"))
    source = Counted(100 * PART)
    upload = asyncio.create_task(driver.upload_object_via_stream(source, "bucket", "key"))
    await server.wait_for(lambda server: server.max_parts_in_progress == 8)
    await turns(300)
    assert (server.max_parts_in_progress, source.taken <= 9 * PART + source.chunk) == (8, True)
    server.release("UploadPart")
    receipt = await upload
    assert (receipt.size, len(receipt.parts)) == (100 * PART, 100)
    assert 8 <= server.max_parts_in_progress <= 32


async def test_a_reader_is_asked_for_no_more_bytes_than_memory_is_granted(server, make_driver):
    server.hold("UploadPart")
    driver = make_driver(transfer=TransferConfig(part_size=PART, concurrency=2))
    reader = CountedReader(100 * PART)
    upload = asyncio.create_task(driver.upload_object_via_stream(reader, "bucket", "key"))
    await server.wait_for(lambda server: server.max_parts_in_progress == 2)
    await turns(300)
    assert reader.taken <= 3 * PART + 64 * 1024  # one look beyond the first part
    server.release("UploadPart")
    await upload


async def test_a_source_is_read_for_five_parts_while_create_is_in_flight(server, driver):
    """Four parts wait, and one is being filled."""
    server.hold("CreateMultipartUpload")
    source = Counted(100 * PART)
    upload = asyncio.create_task(driver.upload_object_via_stream(source, "bucket", "key"))
    await server.wait_for(lambda server: server.requests_in_progress)
    await turns(300)
    assert source.taken <= 5 * PART + source.chunk
    server.release("CreateMultipartUpload")
    await upload


async def test_a_writer_waits_while_no_part_gets_a_response(server, driver):
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
    await turns(300)
    assert accepted <= 5
    server.release("UploadPart")
    await task
    assert server.objects["bucket", "key"].size == 100 * PART


async def test_hundreds_of_uploads_finish_at_a_limit_of_one_part(server, make_driver):
    """No limit causes a deadlock: the first waiter gets the memory to finish a part."""
    driver = make_driver(transfer=TransferConfig(part_size=PART, concurrency=4, memory_limit=PART))
    receipts = await asyncio.gather(
        *(driver.upload_object_via_stream(Counted(PART + 7), "bucket", f"key {number}") for number in range(200))
    )
    assert [receipt.size for receipt in receipts] == [PART + 7] * 200
    assert len(server.objects) == 200
    assert server.max_parts_in_progress == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_all_uploads_together_keep_the_memory_limit(server, make_driver, limit):
    """Bytes read and not yet acknowledged exceed the limit by at most a chunk per upload."""
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


async def test_a_stalled_producer_does_not_stop_other_uploads(server, make_driver):
    """It holds only the bytes that it delivered."""
    driver = make_driver(transfer=TransferConfig(part_size=PART, concurrency=4, memory_limit=4 * PART))
    go_on = asyncio.Event()

    async def stalled():
        yield bytes(10)
        await go_on.wait()

    def upload(source, key):
        return driver.upload_object_via_stream(source, "bucket", key)

    waiting = [asyncio.create_task(upload(stalled(), f"slow {number}")) for number in range(3)]
    await turns(300)
    receipts = await asyncio.gather(*(upload(Counted(10 * PART), str(number)) for number in range(10)))
    assert len(receipts) == 10
    go_on.set()
    await asyncio.gather(*waiting)


async def test_a_larger_memory_limit_of_a_call_has_no_effect(server, make_driver):
    """The limit of the driver applies to all its uploads."""
    driver = make_driver(transfer=TransferConfig(part_size=PART, concurrency=8, memory_limit=2 * PART))
    own = TransferConfig(part_size=PART, concurrency=8, memory_limit=100 * PART)
    await driver.upload_object_via_stream(Counted(20 * PART), "bucket", "key", transfer=own)
    assert server.max_parts_in_progress <= 2


async def test_memory_is_released_after_failures(server, make_driver):
    """The next uploads get the whole limit."""
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
async def test_a_fast_upload_waits_for_slow_uploads_unless_parts_spill(server, make_driver, tmp_path, spills):
    """Half-filled parts of the slow uploads hold all memory."""
    driver = make_driver(transfer=spilling(tmp_path if spills else None))
    go_on = asyncio.Event()

    async def slow():
        yield bytes(PART - 1)
        await go_on.wait()
        yield bytes(PART)

    stalled = [
        asyncio.create_task(driver.upload_object_via_stream(slow(), "bucket", f"slow {number}")) for number in range(8)
    ]
    await turns(300)
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
async def test_an_unusable_spill_directory_is_refused_before_any_request(server, make_driver, tmp_path, path):
    (tmp_path / "file").write_bytes(b"")
    driver = make_driver(transfer=spilling(tmp_path / path))
    with pytest.raises(ConfigurationError, match=f"no file can be made in spill_directory '.*{path}'"):
        await driver.upload_object_via_stream(b"abc", "bucket", "key")
    assert server.requests == []


async def test_spilling_options_of_a_call_are_ignored(server, make_driver, tmp_path):
    """Spilling belongs to the driver, like its memory. A part must fit into the memory that the driver may hold."""
    driver = make_driver()
    await driver.upload_object_via_stream(Counted(PART), "bucket", "key", transfer=spilling(tmp_path / "missing"))
    assert driver._engine.spill.directory is None
    driver = make_driver(transfer=spilling(tmp_path))
    for mechanism in ("multipart", "stream"):
        large = TransferConfig(part_size=8 * PART + 1, mechanism=mechanism)
        with pytest.raises(ConfigurationError, match=f"the driver may hold only {8 * PART} "):
            await driver.upload_object_via_stream(Counted(PART), "bucket", "key", transfer=large)


async def test_a_resume_with_parts_too_large_to_spill_keeps_them_in_memory(server, make_driver, tmp_path):
    """The part size of the checkpoint decides."""
    checkpoint = None
    async with make_driver(transfer=TransferConfig(part_size=3 * PART), journal=tmp_path / "journal") as driver:

        async def source():
            yield bytes(4 * PART)
            await asyncio.Event().wait()

        task = asyncio.create_task(driver.upload_object_via_stream(source(), "bucket", "key"))
        await server.wait_for(lambda server: any(upload.parts for upload in server.open_uploads))
        await turns(300)
        closing = asyncio.create_task(driver.aclose())
        with pytest.raises(UploadSuspendedError) as caught:
            await task
        await closing
        checkpoint = caught.value.checkpoint
    driver = make_driver(transfer=spilling(tmp_path))
    receipt = await driver.upload_object_via_stream(Counted(PART), "bucket", "key", resume=checkpoint)
    assert receipt.size == 4 * PART
