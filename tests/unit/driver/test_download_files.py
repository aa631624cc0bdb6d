"""Objects on their way back, into a file."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest

from aios3 import ObjectNotFoundError, TransportError
from aios3.testing import Fault
from tests.support.driver_scenes import KEY, files, operations
from tests.unit.concurrency.test_named_files import largest_file


async def test_a_downloaded_file_holds_the_bytes_and_nothing_is_beside_it(server, driver, stored, tmp_path):
    found = await driver.download_object("bucket", KEY, tmp_path / "file")
    assert (found.bucket, found.key, found.size) == ("bucket", KEY, len(stored))
    assert (found.content_type, found.metadata) == ("text/x", {"name": "é", "plain": "x"})
    assert found.etag == server.objects["bucket", KEY].etag.strip('"')
    await driver.download_object("bucket", KEY, str(tmp_path / "second"))
    assert files(tmp_path) == {"file": stored, "second": stored}
    assert operations(server) == ["GetObject"] * 2


async def test_a_file_is_whole_although_the_download_broke_off(server, driver, large, tmp_path):
    await driver.upload_object_via_stream(b"", "bucket", "empty")
    server.faults.add(Fault("drop_mid_answer", "GetObject", times=3))
    await driver.download_object("bucket", "large", tmp_path / "large")
    await driver.download_object("bucket", "empty", tmp_path / "empty")
    assert files(tmp_path) == {"large": large, "empty": b""}
    assert operations(server).count("GetObject") == 5


async def test_an_existing_file_is_not_replaced(server, driver, stored, tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError, match=name):
            await driver.download_object("bucket", KEY, tmp_path / name)
    assert server.requests == []
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


async def test_a_file_that_appears_during_the_download_is_not_replaced(server, driver, stored, tmp_path):
    server.hold("GetObject")
    task = asyncio.create_task(driver.download_object("bucket", KEY, tmp_path / "file"))
    await server.wait_for(lambda server: server.held_requests)
    (tmp_path / "file").write_bytes(b"mine")
    server.release("GetObject")
    with pytest.raises(FileExistsError, match="file"):
        await task
    assert files(tmp_path) == {"file": b"mine"}


async def test_a_file_is_overwritten_if_asked(driver, stored, tmp_path):
    """At once: whoever has it open keeps the old one."""
    (tmp_path / "file").write_bytes(b"old")
    with (tmp_path / "file").open("rb") as old:
        await driver.download_object("bucket", KEY, tmp_path / "file", overwrite=True)
        assert old.read() == b"old"
    assert files(tmp_path) == {"file": stored}


@pytest.mark.parametrize(("key", "error"), [(KEY, TransportError), ("missing", ObjectNotFoundError)])
async def test_a_failed_download_leaves_the_old_file_or_none(server, driver, stored, tmp_path, key, error):
    if key == KEY:
        server.faults.add(Fault("drop_mid_answer", "GetObject", times=1000))
    for before in ({}, {"file": b"old"}):
        for name, content in before.items():
            (tmp_path / name).write_bytes(content)
        with pytest.raises(error):
            await driver.download_object("bucket", key, tmp_path / "file", overwrite=True)
        assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("path", "overwrite", "error"),
    [
        ("missing/file", False, FileNotFoundError),
        ("missing/file", True, FileNotFoundError),
        ("file/x", False, NotADirectoryError),
        ("file/x", True, NotADirectoryError),
        (".", False, FileExistsError),
        (".", True, IsADirectoryError),
    ],
)
async def test_a_path_that_takes_no_file_is_the_systems_own_error(
    server, driver, stored, tmp_path, path, overwrite, error
):
    (tmp_path / "file").touch()
    with pytest.raises(error):
        await driver.download_object("bucket", KEY, tmp_path / path, overwrite=overwrite)
    assert server.requests == []
    assert files(tmp_path) == {"file": b""}


@pytest.mark.parametrize("cancellations", [1, 3])
async def test_a_cancelled_download_leaves_no_file(server, driver, large, tmp_path, cancellations):
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
    task = asyncio.create_task(driver.download_object("bucket", KEY, tmp_path / "file"))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] in ([], [stored])


async def test_many_downloads_to_one_path_do_not_disturb_each_other(driver, stored, tmp_path):
    calls = [driver.download_object("bucket", KEY, tmp_path / "file") for _ in range(8)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(outcome, FileExistsError) for outcome in outcomes) == 7
    calls = [driver.download_object("bucket", KEY, tmp_path / "file", overwrite=True) for _ in range(8)]
    assert {found.size for found in await asyncio.gather(*calls)} == {len(stored)}
    assert files(tmp_path) == {"file": stored}


async def test_errors_of_the_disk_name_the_callers_path(driver, stored, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        await driver.download_object("bucket", KEY, tmp_path / "missing" / "file")
    assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / "missing" / "file"), None)
    with largest_file(100), pytest.raises(OSError, match="too large") as full:
        await driver.download_object("bucket", KEY, str(tmp_path / "file"))
    assert (full.value.errno, full.value.filename) == (errno.EFBIG, str(tmp_path / "file"))
    assert list(tmp_path.iterdir()) == []


async def test_a_source_that_cannot_be_read_is_named(driver):
    with pytest.raises(OSError, match="Input/output error: '/proc/self/mem'"):
        await driver.upload_object("/proc/self/mem", "bucket", "key")
