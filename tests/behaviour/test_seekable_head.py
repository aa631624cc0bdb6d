"""Uploads whose first bytes may be overwritten until the end, by coroutines and by blocking code in threads."""

from __future__ import annotations

import asyncio
import io
import random
import wave
import zipfile

import pytest

from aios3 import (
    AccessDeniedError,
    ConfigurationError,
    DriverClosedError,
    SizeMismatchError,
    StorageError,
    TransferConfig,
)
from aios3.testing import Fault

PART = 1024
HEAD = 2 * PART


def frames(file, count=200):
    """Write a sound, whose header is corrected at the end."""
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        for number in range(count):
            sound.writeframes(bytes([number]) * 100)


def archive(file):
    """Write an archive, whose entries are corrected as they end."""
    with zipfile.ZipFile(file, "w") as files:
        for number in range(3):
            files.writestr(zipfile.ZipInfo(f"{number}"), bytes([number]) * 400)


@pytest.mark.parametrize("seed", range(8))
async def test_writes_in_any_order_make_the_same_object_as_a_file(server, driver, seed):
    chance, file = random.Random(seed), io.BytesIO()
    async with driver.open_upload("bucket", "key", seekable_head=HEAD) as upload:
        for _ in range(chance.choice([3, 30])):
            end = file.seek(0, io.SEEK_END)
            position = chance.choice([end, chance.randint(0, min(end, HEAD))])
            length = chance.randint(0, 700)
            if position < end and end > HEAD:
                length = min(length, HEAD - position)
            file.seek(position)
            assert await upload.seek(position) == position
            data = chance.randbytes(length)
            file.write(data)
            await upload.write(data)
            assert upload.tell() == file.tell()
    assert server.objects["bucket", "key"].body == file.getvalue()
    assert upload.receipt.size == len(file.getvalue())
    assert driver._engine.memory.used == driver._engine.memory.kept == 0


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, HEAD, HEAD + 1, 3 * PART, 9 * PART + 5])
async def test_an_object_of_any_size_is_exact(server, driver, size):
    """One part or less is one PutObject."""
    content = bytes(range(1, 256)) * (size // 255 + 1)
    async with driver.open_upload("bucket", "key", seekable_head=HEAD, size=size) as upload:
        await upload.write(bytes(min(size, 50)))
        await upload.seek(0)
        await upload.write_from(io.BytesIO(content[:size]))
        assert server.objects == {}
    assert server.objects["bucket", "key"].body == content[:size]
    assert [part.number for part in upload.receipt.parts] == list(range(1, -(-size // PART) + 1 if size > PART else 1))
    assert bool(upload.receipt.upload_id) is (size > PART)


@pytest.mark.parametrize(("write", "count"), [(frames, 2), (frames, 200), (archive, 0)])
async def test_blocking_writers_that_come_back_write_the_same_bytes_as_to_a_file(server, driver, write, count):
    arguments = (count,) if count else ()
    local = io.BytesIO()
    write(local, *arguments)
    async with driver.open_upload("bucket", "key", seekable_head=HEAD) as upload:
        file = upload.as_file()
        assert (file.seekable(), file.writable(), file.readable()) == (True, True, False)
        await asyncio.to_thread(write, file, *arguments)
    assert server.objects["bucket", "key"].body == local.getvalue()


async def test_an_archive_of_any_length_needs_no_head(server, driver):
    """A file that cannot seek makes `zipfile` write a stream."""
    async with driver.open_upload("bucket", "key") as upload:
        assert not upload.as_file().seekable()
        await asyncio.to_thread(archive, upload.as_file())
    with zipfile.ZipFile(io.BytesIO(server.objects["bucket", "key"].body)) as files:
        assert files.testzip() is None
        assert [len(files.read(name)) for name in files.namelist()] == [400] * 3


@pytest.mark.parametrize(
    ("head", "position"), [(HEAD, -1), (HEAD, HEAD + 1), (HEAD, 4999), (HEAD, 5001), (None, 0), (None, 4999)]
)
async def test_a_seek_elsewhere_is_refused_and_changes_nothing(server, driver, head, position):
    async with driver.open_upload("bucket", "key", seekable_head=head) as upload:
        await upload.write(b"a" * 5000)
        with pytest.raises(ConfigurationError, match=r"cannot seek to byte.*seekable_head"):
            await upload.seek(position)
        with pytest.raises(ConfigurationError, match="whence"):
            await upload.seek(0, 9)
        assert await upload.seek(0, io.SEEK_CUR) == await upload.seek(0, io.SEEK_END) == upload.tell() == 5000
        await upload.write(b"b")
    assert server.objects["bucket", "key"].body == b"a" * 5000 + b"b"


async def test_a_write_over_the_end_of_the_head_onto_other_bytes_aborts(server, driver):
    with pytest.raises(ConfigurationError, match="nothing can be overwritten"):
        async with driver.open_upload("bucket", "key", seekable_head=HEAD) as upload:
            await upload.write(bytes(HEAD + 1))
            await upload.seek(HEAD - 1)
            await upload.write(b"ab")
    assert (server.objects, server.open_uploads) == ({}, [])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"seekable_head": 0}, "above 0"),
        ({"seekable_head": 1.5}, "above 0"),
        ({"seekable_head": 5 * PART, "transfer": TransferConfig(part_size=PART)}, "memory_limit"),
        ({"seekable_head": 1, "transfer": TransferConfig(part_size=PART, mechanism="stream")}, "streamed"),
        ({"seekable_head": 1, "durable_every": 1}, "durable"),
    ],
)
async def test_a_head_that_cannot_be_is_refused_before_any_request(server, make_driver, options, match):
    driver = make_driver(transfer=TransferConfig(part_size=PART, memory_limit=16 * PART))
    with pytest.raises(ConfigurationError, match=match):
        async with driver.open_upload("bucket", "key", **options):
            pass
    assert server.requests == []


async def test_heads_hold_a_quarter_of_the_memory_together(server, make_driver):
    """One more is refused at once, because a wait could last as long as a recording."""
    driver = make_driver(transfer=TransferConfig(part_size=PART, memory_limit=16 * PART))
    async with driver.open_upload("bucket", "one", seekable_head=3 * PART) as one:
        await one.write(b"1")
        assert driver._engine.memory.used >= 3 * PART
        with pytest.raises(ConfigurationError, match="raise memory_limit"):
            async with driver.open_upload("bucket", "two", seekable_head=2 * PART):
                pass
        await driver.upload_object_via_stream([bytes(PART)] * 20, "bucket", "three")
    assert {key for _, key in server.objects} == {"one", "three"}


async def test_a_thread_that_still_writes_after_the_block_gets_an_error(server, driver):
    """So it ends, also if it was waiting for the store."""
    server.hold("UploadPart")
    with pytest.raises(KeyError):
        async with driver.open_upload("bucket", "key", seekable_head=HEAD) as upload:
            file = upload.as_file()
            writing = asyncio.create_task(asyncio.to_thread(file.write, bytes(100 * PART)))
            await server.wait_for(lambda store: any(r.operation == "UploadPart" for r in store.requests))
            raise KeyError
    with pytest.raises(StorageError, match="the upload has"):
        await writing
    for call in (lambda: file.write(b"x"), lambda: file.seek(0)):
        with pytest.raises(StorageError, match="the upload has"):
            await asyncio.to_thread(call)
    assert server.open_uploads == []


async def test_a_file_in_the_thread_of_the_loop_is_refused_and_does_not_hang(driver):
    async with driver.open_upload("bucket", "key") as upload:
        with pytest.raises(ConfigurationError, match="thread"):
            upload.as_file().write(b"x")


async def test_a_file_refuses_what_an_upload_cannot_do(driver):
    async with driver.open_upload("bucket", "key") as upload:
        file = upload.as_file()
        for call in (lambda: file.seek(0), lambda: file.read(1), lambda: file.truncate(0)):
            with pytest.raises(io.UnsupportedOperation):
                await asyncio.to_thread(call)
        assert file.tell() == 0
        file.close()
        for call in (lambda: file.write(b"x"), file.tell):
            with pytest.raises(ValueError, match="closed"):
                await asyncio.to_thread(call)


@pytest.mark.parametrize("number", [1, 3])
async def test_a_part_that_is_refused_aborts(server, driver, number):
    """In the head or behind it."""
    server.faults.add(Fault("answer", "UploadPart", number, times=100, status=403, code="AccessDenied"))
    with pytest.raises(AccessDeniedError):
        async with driver.open_upload("bucket", "key", seekable_head=HEAD) as upload:
            await upload.write(bytes(5 * PART))
    assert (server.objects, server.open_uploads) == ({}, [])


async def test_a_declared_size_counts_each_byte_once(server, driver):
    async with driver.open_upload("bucket", "key", seekable_head=HEAD, size=10) as upload:
        for _ in range(5):
            await upload.seek(0)
            await upload.write(bytes(10))
    assert upload.receipt.size == 10
    with pytest.raises(SizeMismatchError):
        async with driver.open_upload("bucket", "short", seekable_head=HEAD, size=10) as upload:
            await upload.write(bytes(9))


async def test_closing_the_driver_aborts_an_upload_with_a_head_also_with_a_journal(server, make_driver, tmp_path):
    """Its first parts were not stored, so nothing could be resumed."""
    driver = make_driver(journal=tmp_path)
    with pytest.raises(DriverClosedError) as caught:
        async with driver.open_upload("bucket", "key", seekable_head=HEAD) as upload:
            await upload.write(bytes(9 * PART))
            await driver.aclose()
            await asyncio.sleep(60)
    assert type(caught.value) is DriverClosedError
    assert server.open_uploads == []
