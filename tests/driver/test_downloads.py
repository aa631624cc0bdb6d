"""Objects on their way back: as a stream, and into a file."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing

import pytest

from aios3 import (
    ConfigurationError,
    ContainerNotFoundError,
    IntegrityError,
    ObjectNotFoundError,
    ResponseError,
    RetryPolicy,
    StorageError,
    ThrottledError,
    TransferConfig,
    TransportError,
)
from aios3.testing import Fault

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


async def read(driver, key=KEY, **options) -> bytes:
    return b"".join([chunk async for chunk in driver.download_object_as_stream("bucket", key, **options)])


def operations(server) -> list[str]:
    return [request.operation for request in server.requests]


def ranges(server) -> list[tuple[str | None, str | None]]:
    return [(request.header("Range"), request.header("If-Match")) for request in server.requests]


# as a stream


@pytest.mark.parametrize("chunk_size", [1, 100, 256 * 1024])
async def test_a_download_gives_the_bytes_in_order(driver, server, stored, chunk_size):
    """In chunks of at most the size that was asked for, by one request."""
    chunks = [c async for c in driver.download_object_as_stream("bucket", KEY, chunk_size=chunk_size)]
    assert b"".join(chunks) == stored
    assert max(map(len, chunks)) <= chunk_size
    assert min(map(len, chunks)) > 0
    assert operations(server) == ["GetObject"]


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (5, 600), (None, 7), (690, None), (0, None), (699, 700), (5, 10**9), (None, 10**9)]
)
async def test_a_range_is_what_a_slice_is(driver, stored, start, end):
    """``end`` is exclusive, and may be beyond the end."""
    assert await read(driver, start=start, end=end) == stored[start:end]


@pytest.mark.parametrize("at", [0, 5, 10**9])
async def test_an_empty_range_only_looks_whether_the_object_exists(driver, server, stored, at):
    """HTTP cannot ask for nothing."""
    assert await read(driver, start=at, end=at) == b""
    assert operations(server) == ["HeadObject"]
    with pytest.raises(ObjectNotFoundError):
        await read(driver, "missing", start=at, end=at)


@pytest.mark.parametrize("start", [0, 1])
async def test_a_range_of_an_object_that_ends_before_it(driver, stored, start):
    """It is an error with the store's own code, not silence."""
    with pytest.raises(ResponseError, match="InvalidRange") as caught:
        await read(driver, start=len(stored) + start)
    assert (caught.value.status, caught.value.code) == (416, "InvalidRange")


@pytest.mark.parametrize(("start", "end"), [(None, None), (None, 10), (0, 10), (0, None)])
async def test_an_empty_object_can_be_read(driver, start, end):
    """No chunks, no error, although a store has no range of nothing."""
    await driver.upload_object_via_stream(b"", "bucket", "empty")
    assert await read(driver, "empty", start=start, end=end) == b""
    with pytest.raises(ResponseError, match="InvalidRange"):
        await read(driver, "empty", start=1)


@pytest.mark.parametrize(
    ("start", "end"), [(-1, None), (5, 2), (None, -3), ("1", None), (1.5, 2), (True, 5), (0, False)]
)
async def test_a_range_that_cannot_be_is_refused(server, driver, start, end):
    """Before any request: HTTP would read it as something else."""
    with pytest.raises(ConfigurationError):
        await read(driver, start=start, end=end)
    assert server.requests == []


@pytest.mark.parametrize("chunk_size", [0, -1, 1.5, "1", None, True])
async def test_a_chunk_size_that_cannot_be_is_refused(server, driver, chunk_size):
    """Zero must not look like an empty object, nor a negative one fill the memory."""
    with pytest.raises(ConfigurationError, match="chunk_size"):
        await read(driver, chunk_size=chunk_size)
    assert server.requests == []


@pytest.mark.parametrize(("bucket", "key"), [("a/b", "key"), ("bucket", ""), ("bucket", "\ud800")])
async def test_what_cannot_be_a_name_is_refused(server, driver, tmp_path, bucket, key):
    """Before any request or file."""
    with pytest.raises(ConfigurationError):
        await anext(driver.download_object_as_stream(bucket, key))
    with pytest.raises(ConfigurationError):
        await driver.download_object(bucket, key, tmp_path / "file")
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []


async def test_missing_objects_and_buckets_are_told_apart(driver):
    """The answer has a body."""
    with pytest.raises(ObjectNotFoundError) as caught:
        await read(driver, "missing")
    assert (caught.value.bucket, caught.value.key, caught.value.code) == ("bucket", "missing", "NoSuchKey")
    with pytest.raises(ContainerNotFoundError):
        await anext(driver.download_object_as_stream("missing", "key"))


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "answer"])
async def test_the_start_is_repeated(server, driver, stored, kind):
    """Nothing of the failures shows."""
    server.faults.add(Fault(kind, "GetObject", times=3))
    assert await read(driver) == stored
    assert len(server.requests) == 4


async def test_a_start_that_never_succeeds_is_an_error(server, driver, stored):
    """Of the class that says why, after as many attempts as the policy has."""
    server.faults.add(Fault("answer", "GetObject", times=100))
    with pytest.raises(ThrottledError):
        await read(driver)
    assert len(server.requests) == RetryPolicy().max_attempts


async def test_a_download_that_breaks_off_goes_on_where_it_was(server, driver, stored):
    """By a range of what is missing, on the condition that it is still the same object."""
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    assert await read(driver, chunk_size=10) == stored
    half, size, etag = len(stored) // 2, len(stored), server.objects["bucket", KEY].etag
    assert ranges(server) == [(None, None), (f"bytes={half}-{size - 1}", etag)]


async def test_a_range_that_breaks_off_goes_on_to_its_own_end(server, driver, stored):
    """Neither before its start nor beyond its end."""
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    assert await read(driver, start=100, end=300) == stored[100:300]
    assert [wanted for wanted, _ in ranges(server)] == ["bytes=100-299", "bytes=200-299"]


@pytest.mark.parametrize("etag", ['"another"', None], ids=["other bytes", "gone"])
async def test_two_versions_are_never_mixed(server, driver, stored, etag):
    """The object is replaced, or deleted, while it is read: an error, and no byte of another version."""
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    got = b""
    objects = server.objects
    chunks = driver.download_object_as_stream("bucket", KEY, chunk_size=100)
    got += await anext(chunks)
    if etag is None:
        del objects["bucket", KEY]
    else:
        await driver.upload_object_via_stream(b"?" * len(stored), "bucket", KEY)
    with pytest.raises(ObjectNotFoundError if etag is None else IntegrityError):
        async for chunk in chunks:
            got += chunk
    assert stored.startswith(got)


async def test_a_download_that_breaks_off_for_ever_is_an_error(server, driver, stored):
    """What came is right, but it never looks like all; and the number of requests is bounded."""
    server.faults.add(Fault("drop_mid_answer", "GetObject", times=1000))
    got = bytearray()
    with pytest.raises(TransportError, match="GetObject: the answer broke off") as caught:  # noqa: PT012
        async for chunk in driver.download_object_as_stream("bucket", KEY, chunk_size=10):
            got += chunk
    assert bytes(got) == stored[:-1], "each answer halves what is missing, and half of one byte is none"
    assert caught.value.__notes__ == [f"aios3: gave up at offset {len(got)}"]
    assert len(server.requests) < 30


async def test_without_retries_the_first_break_is_the_end(server, make_driver, stored):
    """``max_attempts=1`` means it."""
    driver = make_driver(retry=RetryPolicy(max_attempts=1))
    server.faults.add(Fault("drop_mid_answer", "GetObject", times=1000))
    with pytest.raises(TransportError, match="broke off"):
        await read(driver)
    assert len(server.requests) == 1


async def test_the_retry_budget_bounds_the_breaks_of_all_downloads(server, make_driver, stored):
    """It is the driver's, and a break takes from it like any failure."""
    driver = make_driver(retry=RetryPolicy(budget=10, base_delay=0))
    server.faults.add(Fault("drop_mid_answer", "GetObject", times=1000))
    with pytest.raises(TransportError):
        await read(driver)
    assert len(server.requests) <= 4


@pytest.mark.parametrize("way", ["aclose", "break", "aclosing"])
async def test_leaving_early_frees_the_connection(server, driver, large, way):
    """At once when it is closed; a ``break`` hands it to the garbage collector."""
    chunks = driver.download_object_as_stream("bucket", "large", chunk_size=1000)
    if way == "aclose":
        await anext(chunks)
        await chunks.aclose()
    elif way == "aclosing":
        async with aclosing(chunks):
            assert await anext(chunks)
    else:
        async for _chunk in chunks:
            break
        del chunks
        await asyncio.sleep(0)
    await server.wait_for(lambda server: server.open_connections == 0)
    await driver.get_object("bucket", "large")


async def test_a_cancelled_download_frees_the_connection(server, driver, large):
    """And is cancelled, nothing else."""
    server.faults.add(Fault("stall_after", "GetObject"))
    task = asyncio.create_task(read(driver, "large"))
    await server.wait_for(lambda server: server.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.wait_for(lambda server: server.open_connections == 0)


async def test_closing_the_driver_ends_a_download_that_waits(server, driver, large):
    """With an error, not with a short object."""
    server.faults.add(Fault("stall_before", "GetObject", nth=2))
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    task = asyncio.create_task(read(driver, "large"))
    await server.wait_for(lambda server: len(server.requests) == 2)
    await driver.aclose()
    with pytest.raises(StorageError):
        await task


# into a file


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
