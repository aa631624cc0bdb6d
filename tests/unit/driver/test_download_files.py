"""Objects on their way back, into a file."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest

from aios3 import ObjectNotFoundError, TransferConfig, TransportError
from aios3.testing import Fault
from tests.unit.concurrency.test_named_files import largest_file

CONTENT = bytes(range(256)) * 40
KEY = "a//b ü"


@pytest.fixture(params=[len(CONTENT), 700], ids=["multipart", "single"])
async def stored(request, server, driver):
    """An object, and its content; the requests that made it are forgotten."""
    content = CONTENT[: request.param]
    await driver.upload_object_via_stream(content, "bucket", KEY, content_type="text/x", metadata={"name": "é"})
    server.requests.clear()
    return content


@pytest.fixture
async def large(server, make_driver):
    """8 MB, more than any buffer on the way holds; no connection is left from their upload."""
    content = os.urandom(8_000_000)
    async with make_driver(transfer=TransferConfig()) as uploader:
        await uploader.upload_object_via_stream(content, "bucket", "large")
    await server.wait_for(lambda server: server.open_connections == 0)
    server.requests.clear()
    return content


def operations(server) -> list[str]:
    return [request.operation for request in server.requests]


async def test_a_file_holds_the_bytes_and_nothing_else_is_there(server, driver, stored, tmp_path):
    """The answer describes what was downloaded; path-likes and strings are taken."""
    found = await driver.download_object("bucket", KEY, tmp_path / "file")
    assert (found.bucket, found.key, found.size) == ("bucket", KEY, len(stored))
    assert (found.content_type, found.metadata) == ("text/x", {"name": "é"})
    assert found.etag == server.objects["bucket", KEY].etag.strip('"')
    await driver.download_object("bucket", KEY, str(tmp_path / "second"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": stored, "second": stored}
    assert operations(server) == ["GetObject"] * 2


async def test_a_large_and_an_empty_object(driver, large, tmp_path):
    """More than one write, and none."""
    await driver.upload_object_via_stream(b"", "bucket", "empty")
    await driver.download_object("bucket", "large", tmp_path / "large")
    await driver.download_object("bucket", "empty", tmp_path / "empty")
    assert (tmp_path / "large").read_bytes() == large
    assert (tmp_path / "empty").read_bytes() == b""


async def test_an_existing_file_is_not_replaced(server, driver, stored, tmp_path):
    """No request is made; also if it is a link to nothing."""
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError, match=name):
            await driver.download_object("bucket", KEY, tmp_path / name)
    assert server.requests == []
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


async def test_a_file_that_comes_meanwhile_is_not_replaced(server, driver, stored, tmp_path):
    """Whoever made it keeps it."""
    server.hold("GetObject")
    task = asyncio.create_task(driver.download_object("bucket", KEY, tmp_path / "file"))
    await server.wait_for(lambda server: server.held_requests)
    (tmp_path / "file").write_bytes(b"mine")
    server.release("GetObject")
    with pytest.raises(FileExistsError, match="file"):
        await task
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"mine"}


async def test_a_file_is_overwritten_if_asked(driver, stored, tmp_path):
    """At once: whoever has it open keeps the old one."""
    (tmp_path / "file").write_bytes(b"old")
    with (tmp_path / "file").open("rb") as old:
        await driver.download_object("bucket", KEY, tmp_path / "file", overwrite=True)
        assert old.read() == b"old"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": stored}


async def test_an_overwriting_download_that_fails_leaves_the_old_file(server, driver, stored, tmp_path):
    """All or nothing, here too."""
    (tmp_path / "file").write_bytes(b"old")
    server.faults.add(Fault("drop_mid_answer", "GetObject", times=1000))
    with pytest.raises(TransportError):
        await driver.download_object("bucket", KEY, tmp_path / "file", overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"old"}


@pytest.mark.parametrize(("path", "error"), [("missing/file", FileNotFoundError), ("file/x", NotADirectoryError)])
@pytest.mark.parametrize("overwrite", [False, True])
async def test_a_place_that_takes_no_file_is_told_as_it_is(server, driver, stored, tmp_path, path, error, overwrite):
    """The system's own error, before any request."""
    (tmp_path / "file").touch()
    with pytest.raises(error):
        await driver.download_object("bucket", KEY, tmp_path / path, overwrite=overwrite)
    assert server.requests == []


async def test_a_directory_is_never_replaced(server, driver, stored, tmp_path):
    """Not even with `overwrite`."""
    with pytest.raises(FileExistsError):
        await driver.download_object("bucket", KEY, tmp_path)
    with pytest.raises(IsADirectoryError):
        await driver.download_object("bucket", KEY, tmp_path, overwrite=True)
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []


async def test_a_missing_object_leaves_no_file(driver, tmp_path):
    """Not even a hidden one."""
    with pytest.raises(ObjectNotFoundError):
        await driver.download_object("bucket", "missing", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


async def test_a_file_is_whole_although_the_download_broke_off(server, driver, large, tmp_path):
    """It goes on where it was."""
    server.faults.add(Fault("drop_mid_answer", "GetObject", times=3))
    await driver.download_object("bucket", "large", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == large
    assert len(server.requests) == 4


@pytest.mark.parametrize("cancellations", [1, 3])
async def test_a_cancelled_download_leaves_no_file(server, driver, large, tmp_path, cancellations):
    """However often, and at whatever it waits for."""
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    server.faults.add(Fault("stall_before", "GetObject", nth=2))
    task = asyncio.create_task(driver.download_object("bucket", "large", tmp_path / "file"))
    await server.wait_for(lambda server: len(server.requests) == 2)
    assert [path.name.startswith(".aios3-") for path in tmp_path.iterdir()] == [True]
    for _ in range(cancellations):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(tmp_path.iterdir()) == []
    await server.wait_for(lambda server: server.open_connections == 0)


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_a_download_cancelled_at_any_moment_leaves_all_or_nothing(driver, stored, tmp_path, turns):
    """The file is whole or not there, and nothing is beside it."""
    task = asyncio.create_task(driver.download_object("bucket", KEY, tmp_path / "file"))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] in ([], [stored])


async def test_many_downloads_to_one_path_do_not_disturb_each_other(driver, stored, tmp_path):
    """One makes the file, the others are told."""
    calls = [driver.download_object("bucket", KEY, tmp_path / "file") for _ in range(8)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(outcome, FileExistsError) for outcome in outcomes) == 7
    calls = [driver.download_object("bucket", KEY, tmp_path / "file", overwrite=True) for _ in range(8)]
    assert {found.size for found in await asyncio.gather(*calls)} == {len(stored)}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": stored}


async def test_errors_of_the_disk_tell_the_callers_path(driver, stored, tmp_path):
    """Not the name that the file has until it is whole; number and type are the system's."""
    with pytest.raises(FileNotFoundError) as caught:
        await driver.download_object("bucket", KEY, tmp_path / "missing" / "file")
    assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / "missing" / "file"), None)
    with largest_file(100), pytest.raises(OSError, match="too large") as full:
        await driver.download_object("bucket", KEY, str(tmp_path / "file"))
    assert (full.value.errno, full.value.filename) == (errno.EFBIG, str(tmp_path / "file"))
    assert list(tmp_path.iterdir()) == []


async def test_a_source_that_cannot_be_read_is_named(driver):
    """The system names no file once it is open."""
    with pytest.raises(OSError, match="Input/output error: '/proc/self/mem'"):
        await driver.upload_object("/proc/self/mem", "bucket", "key")
