"""Deletion of many objects: every key is deleted or named."""

from __future__ import annotations

import asyncio
import dataclasses
import logging

import pytest

from aios3 import (
    AccessDeniedError,
    ConfigurationError,
    ContainerNotFoundError,
    DeletionFailure,
    DeletionResult,
    RetryPolicy,
    TransportError,
)
from aios3.testing import Fault, S3Server

ODD_KEYS = [
    "a&b<c>",
    "ü/ё/猫",
    "a//b",
    "a/../b",
    ".",
    "+ %20",
    '"',
    " a",
    "a ",
    "a\x01b",
    "a\nb",
    "a\rb",
    "\t",
    "\ufffe",
]


async def fill(server, driver, keys) -> None:
    await driver.upload_object_via_stream(b"data", "bucket", "template")
    found = server.objects.pop(("bucket", "template"))
    server.objects.update((("bucket", key), found) for key in keys)
    server.requests.clear()


async def one_by_one(keys):
    for key in keys:
        yield key


def sent(server, operation: str) -> list:
    return [request for request in server.requests if request.operation == operation]


class Stream:
    """Async iterator that is no generator."""

    def __init__(self, keys):
        self._keys = iter(keys)

    def __aiter__(self):
        return self

    async def __anext__(self):
        for key in self._keys:
            return key
        raise StopAsyncIteration


@pytest.mark.parametrize("make", [list, one_by_one, Stream, iter], ids=["list", "generator", "stream", "iterator"])
async def test_many_keys_are_deleted_a_thousand_in_a_request(server, driver, make):
    keys = [f"key {number}" for number in range(2500)]
    await fill(server, driver, ["kept", *keys])
    assert await driver.delete_objects("bucket", make(keys)) == DeletionResult(2500, ())
    assert list(server.objects) == [("bucket", "kept")]
    assert [request.body.count(b"<Object>") for request in server.requests] == [1000, 1000, 500]


async def test_keys_of_every_kind_are_deleted_exactly(server, driver):
    """Those that XML cannot hold have requests of their own."""
    await fill(server, driver, ODD_KEYS)
    assert await driver.delete_objects("bucket", ODD_KEYS) == DeletionResult(len(ODD_KEYS), ())
    assert not server.objects
    assert len(sent(server, "DeleteObjects")) == 1
    assert {request.key for request in sent(server, "DeleteObject")} == set(ODD_KEYS[7:])


async def test_missing_and_repeated_keys_are_no_error(server, driver):
    await fill(server, driver, ["a"])
    assert await driver.delete_objects("bucket", ["a", "a", "missing"]) == DeletionResult(2, ())
    assert await driver.delete_objects("bucket", []) == DeletionResult(0, ())
    assert len(server.requests) == 1


async def test_failure_is_named_and_logged(server, driver, caplog):
    await fill(server, driver, ["a", "b", "c"])
    server.store.undeletable.add(("bucket", "b"))
    with caplog.at_level(logging.WARNING, "aios3"):
        result = await driver.delete_objects("bucket", ["a", "b", "c"])
    assert result == DeletionResult(2, (DeletionFailure("b", None, "AccessDenied", "Access Denied"),))
    assert "'b'" in caplog.text


async def test_failure_of_a_request_of_its_own_is_named(server, driver):
    await fill(server, driver, ["a\x01", "b\x01"])
    server.faults.add(Fault("answer", "DeleteObject", status=403, code="AccessDenied"))
    result = await driver.delete_objects("bucket", ["a\x01", "b\x01"])
    assert (result.deleted, [(failure.key, failure.code) for failure in result.failures]) == (
        1,
        [("a\x01", "AccessDenied")],
    )


def report(*entries: str) -> bytes:
    return f"<DeleteResult>{''.join(entries)}</DeleteResult>".encode()


@pytest.mark.parametrize(
    "entry", ["", "<Error><Key>a</Key><Code>InternalError</Code></Error>", "<Deleted><Key>other</Key></Deleted>"]
)
async def test_key_without_a_lasting_report_has_a_request_of_its_own(server, driver, entry):
    """A store that leaves keys out has perhaps deleted nothing."""
    await fill(server, driver, ["a", "b"])
    body = report("<Deleted><Key>b</Key></Deleted>", entry)
    server.faults.add(Fault("garbage_200", "DeleteObjects", body=body))
    assert await driver.delete_objects("bucket", ["a", "b"]) == DeletionResult(2, ())
    assert [request.key for request in sent(server, "DeleteObject")] == ["a"]


@pytest.mark.parametrize(
    ("status", "code", "count"), [(501, "NotImplemented", 1001), (405, "MethodNotAllowed", 3), (501, "Other", 3)]
)
async def test_store_that_deletes_only_single_objects_is_asked_for_each(server, driver, status, code, count):
    keys = [f"key{number}" for number in range(count)]
    await fill(server, driver, keys)
    server.faults.add(Fault("answer", "DeleteObjects", status=status, code=code, times=99))
    assert await driver.delete_objects("bucket", keys) == DeletionResult(count, ())
    assert not server.objects
    assert len(sent(server, "DeleteObjects")) == 1


async def test_single_deletions_are_bounded_and_end_with_the_call(server, driver):
    await fill(server, driver, [f"a\x01{number}" for number in range(40)])
    server.hold("DeleteObject")
    deleting = asyncio.create_task(driver.delete_objects("bucket", [f"a\x01{number}" for number in range(40)]))
    await server.wait_for(lambda server: len(server.held_requests) == 16)
    deleting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deleting
    await server.wait_for(lambda server: server.requests_in_progress == 0)
    assert len(server.objects) == 40


async def test_cancellation_that_comes_with_a_failure_is_raised(server, driver):
    """`asyncio.TaskGroup` loses it before Python 3.13."""
    server.faults.add(Fault("answer", "DeleteObject", status=404, code="NoSuchBucket"))
    deleting = asyncio.create_task(driver.delete_objects("bucket", ["a\x01"]))
    while not (single := [task for task in asyncio.all_tasks() if "delete objects" in task.get_name()]):
        await asyncio.sleep(0)
    single[0].add_done_callback(lambda _: deleting.cancel())
    with pytest.raises(asyncio.CancelledError):
        await deleting


@pytest.mark.parametrize("takes_md5", [True, False])
async def test_list_of_keys_has_a_digest_that_the_store_takes(make_driver, small_provider, takes_md5):
    provider = dataclasses.replace(small_provider, content_md5=takes_md5)
    async with S3Server(provider) as server:
        driver = make_driver(on=server)
        await fill(server, driver, ["a"])
        assert (await driver.delete_objects("bucket", ["a"])).deleted == 1
        (request,) = server.requests
        assert (request.header("Content-MD5") is None) == (not takes_md5)
        assert (request.header("x-amz-checksum-crc32") is None) == takes_md5


async def test_versions_are_removed_for_good(make_driver, small_provider):
    async with S3Server(small_provider, versioned_buckets=["bucket"]) as server:
        driver = make_driver(on=server)
        for data in (b"1", b"2"):
            await driver.upload_object_via_stream(data, "bucket", "key")
        await driver.delete_object("bucket", "key")
        assert await driver.delete_objects("bucket", driver.iterate_object_versions("bucket")) == DeletionResult(3, ())
        assert [version async for version in driver.iterate_object_versions("bucket")] == []


async def test_refused_request_is_raised_with_what_was_done_before(server, make_driver):
    driver = make_driver(retry=RetryPolicy(max_attempts=1))
    keys = [f"key{number}" for number in range(1500)]
    await fill(server, driver, keys)
    server.faults.add(Fault("answer", "DeleteObjects", nth=2, status=403, code="AccessDenied"))
    with pytest.raises(AccessDeniedError) as caught:
        await driver.delete_objects("bucket", keys)
    assert "1000 objects of bucket had been deleted" in caught.value.__notes__[0]
    with pytest.raises(ContainerNotFoundError):
        await driver.delete_objects("missing", ["a"])
    with pytest.raises(ContainerNotFoundError):
        await driver.delete_objects("missing", ["a\x01"])
    server.faults.add(Fault("drop_before", "DeleteObject", times=99))
    with pytest.raises(TransportError):
        await driver.delete_objects("bucket", ["a\x01"])


async def test_lost_response_is_repeated(server, driver):
    await fill(server, driver, ["a"])
    server.faults.add(Fault("drop_after", "DeleteObjects"))
    server.faults.add(Fault("garbage_200", "DeleteObjects", nth=2, body=b"<html>"))
    assert await driver.delete_objects("bucket", ["a"]) == DeletionResult(1, ())


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("key", TypeError),
        (b"key", TypeError),
        (5, TypeError),
        ([5], TypeError),
        ([b"key"], TypeError),
        ([""], ConfigurationError),
        (["\ud800"], ConfigurationError),
        (["x" * 1025], ConfigurationError),
    ],
)
async def test_invalid_keys_are_refused(server, driver, keys, error):
    with pytest.raises(error):
        await driver.delete_objects("bucket", keys)
    assert not server.requests


async def test_version_of_another_bucket_or_provider_is_refused(make_driver, small_provider):
    async with S3Server(small_provider, versioned_buckets=["bucket"], buckets=["bucket", "other"]) as server:
        driver = make_driver(on=server)
        await driver.upload_object_via_stream(b"1", "bucket", "key")
        (version,) = [version async for version in driver.iterate_object_versions("bucket")]
        with pytest.raises(ConfigurationError, match="of the bucket bucket"):
            await driver.delete_objects("other", [version])
        none = make_driver(on=server, provider=dataclasses.replace(small_provider, versions=False))
        with pytest.raises(ConfigurationError, match="keeps no versions"):
            await none.delete_objects("bucket", [version])


async def test_async_generator_is_closed_however_the_call_ends(server, driver):
    closed = []

    async def keys():
        try:
            while True:
                yield "a" if not closed else ""
                yield 5
        finally:
            closed.append(True)

    with pytest.raises(TypeError):
        await driver.delete_objects("bucket", keys())
    assert closed == [True]


async def test_error_of_the_iterable_is_raised_unchanged(server, driver):
    error = ValueError("of the caller")

    async def keys():
        yield "a"
        raise error

    with pytest.raises(ValueError, match="of the caller") as caught:
        await driver.delete_objects("bucket", keys())
    assert caught.value is error
