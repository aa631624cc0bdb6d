"""The life of a driver: made anywhere, opened by its first call, closed for good."""

from __future__ import annotations

import asyncio
import builtins
import os
import socket

import pytest

from aios3 import (
    AmazonS3StorageDriver,
    ConfigurationError,
    Credentials,
    DriverClosedError,
    GoogleStorageDriver,
    Provider,
    RetryPolicy,
    S3StorageDriver,
    StorageError,
    Timeouts,
    TransferConfig,
    TransportError,
)
from aios3._driver import base

KEYS = Credentials("AKIAEXAMPLE", "s3cret-s3cret")
SOURCE = [b"x" * 1000] * 10


async def endless(began: asyncio.Event | None = None):
    """A source that gives three parts and then waits for ever."""
    yield bytes(3 * 1024 + 1)
    if began is not None:
        began.set()
    await asyncio.Event().wait()


@pytest.mark.parametrize("driver_class", [S3StorageDriver, AmazonS3StorageDriver, GoogleStorageDriver])
def test_making_a_driver_needs_no_loop_and_does_no_io(driver_class, monkeypatch):
    """No file is opened and no socket made: drivers are made at import time, in any thread."""

    def refuse(*args, **kwargs):
        raise AssertionError("I/O while a driver is made")

    driver_class()  # what measures the coverage of a module opens its file once
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "open", refuse)
        patch.setattr(socket, "socket", refuse)
        driver_class()
        driver_class(endpoint_url="https://localhost", region="eu-west-1", credentials=KEYS)


@pytest.mark.parametrize(
    ("driver_class", "name"),
    [(S3StorageDriver, "generic"), (AmazonS3StorageDriver, "aws"), (GoogleStorageDriver, "google")],
)
def test_each_class_presets_its_provider_and_nothing_else(driver_class, name):
    """The provider shows, the credentials do not; another provider can be given to each."""
    assert repr(driver_class(credentials=KEYS)) == f"<{driver_class.__name__} for {name}>"
    own = Provider("own")
    assert repr(driver_class(own, credentials=KEYS)) == f"<{driver_class.__name__} for own>"
    assert repr(driver_class(provider="minio")) == f"<{driver_class.__name__} for minio>"


def test_what_does_not_suit_the_provider_is_told_at_once():
    """Making the driver is early enough to learn it."""
    with pytest.raises(ConfigurationError, match="unknown provider 'azure'; known are: .*aws"):
        S3StorageDriver("azure")
    with pytest.raises(ConfigurationError, match=r"part_size is 1024 bytes, but aws takes parts of 5242880 to"):
        S3StorageDriver("aws", transfer=TransferConfig(part_size=1024))


def test_an_endpoint_that_cannot_be_is_told_at_once():
    """What is asked of the driver is never passed over; off is never wrong."""
    with pytest.raises(ConfigurationError, match="'google' has no endpoint for use_dualstack=True .*it has: none"):
        GoogleStorageDriver(use_dualstack=True)
    with pytest.raises(ConfigurationError, match="'aws' has no endpoint for use_accelerate=True with use_fips=True"):
        AmazonS3StorageDriver(use_fips=True, use_accelerate=True)
    with pytest.raises(ConfigurationError, match="endpoint_url= already says .*use_fips=True"):
        AmazonS3StorageDriver(endpoint_url="https://localhost", use_fips=True)
    GoogleStorageDriver(endpoint_url="https://localhost", use_dualstack=False, use_fips=False, use_accelerate=False)
    with pytest.raises(TypeError, match="use_fips"):
        AmazonS3StorageDriver(use_fips="true")


@pytest.mark.parametrize("driver_class", [S3StorageDriver, AmazonS3StorageDriver, GoogleStorageDriver])
def test_an_unknown_option_is_a_type_error(driver_class):
    """A misspelt option is not swallowed."""
    with pytest.raises(TypeError, match="endpoint"):
        driver_class(endpoint="https://localhost")


async def test_the_block_gives_the_driver_and_closes_it(server, make_driver):
    """Afterwards every call says that it is closed."""
    async with make_driver() as driver:
        await driver.upload_object_via_stream(b"x", "bucket", "key")
        assert server.open_connections == 1
    await server.wait_for(lambda server: server.open_connections == 0)
    for call in (
        lambda: driver.upload_object_via_stream(b"x", "bucket", "key"),
        lambda: driver.get_container("bucket"),
        lambda: anext(driver.iterate_multipart_uploads("bucket")),
        lambda: driver.open_upload("bucket", "key").__aenter__(),
    ):
        with pytest.raises(DriverClosedError, match="the driver is closed"):
            await call()


async def test_closing_twice_or_unused_is_harmless(driver, make_driver):
    """Also at the same time, and for a driver that was never used."""
    await make_driver().aclose()
    await driver.upload_object_via_stream(b"x", "bucket", "key")
    await asyncio.gather(driver.aclose(), driver.aclose())
    await driver.aclose()


def test_a_second_event_loop_is_refused():
    """Locks and connections belong to one loop; the message says what to do."""
    driver = S3StorageDriver(
        endpoint_url="http://127.0.0.1:9", region="us-east-1", credentials=KEYS, retry=RetryPolicy(max_attempts=1)
    )
    with asyncio.Runner() as first, asyncio.Runner() as second:
        with pytest.raises(TransportError):
            first.run(driver.get_container("bucket"))
        with pytest.raises(ConfigurationError, match="another event loop; make one driver per loop"):
            second.run(driver.get_container("bucket"))
        first.run(driver.aclose())


async def test_many_first_calls_open_the_driver_once(server, make_driver, monkeypatch):
    """Settings are loaded once, however many calls come before they are."""
    loaded = 0
    load = base.load_settings

    async def count(*args, **options):
        nonlocal loaded
        loaded += 1
        await asyncio.sleep(0)
        return await load(*args, **options)

    monkeypatch.setattr(base, "load_settings", count)
    driver = make_driver()
    await asyncio.gather(*(driver.upload_object_via_stream(b"x", "bucket", f"{number}") for number in range(10)))
    assert loaded == 1


async def test_a_failed_opening_can_be_tried_again(server, make_driver, monkeypatch):
    """What was missing may be there the next time."""
    driver = make_driver(credentials=None)
    with pytest.raises(ConfigurationError, match="no credentials were found"):
        await driver.get_container("bucket")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.credentials.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.credentials.secret_access_key)
    await driver.get_container("bucket")


async def test_a_cancelled_first_call_leaves_the_driver_usable(server, make_driver, monkeypatch):
    """Nothing is half open."""
    load = base.load_settings
    hang = asyncio.Event()

    async def slow(*args, **options):
        await hang.wait()
        return await load(*args, **options)

    monkeypatch.setattr(base, "load_settings", slow)
    driver = make_driver()
    first = asyncio.create_task(driver.get_container("bucket"))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    hang.set()
    await driver.get_container("bucket")


async def test_closing_while_opening(server, make_driver, monkeypatch):
    """The call that opened it learns of it, and no connection is made or left."""
    load = base.load_settings
    hang = asyncio.Event()

    async def slow(*args, **options):
        await hang.wait()
        return await load(*args, **options)

    monkeypatch.setattr(base, "load_settings", slow)
    driver = make_driver()
    calls = [asyncio.create_task(driver.upload_object_via_stream(b"x", "bucket", "key")) for _ in range(3)]
    await asyncio.sleep(0)
    await driver.aclose()
    hang.set()
    for call in calls:
        with pytest.raises(DriverClosedError, match="closed"):
            await call
    assert server.requests == []


async def test_an_opening_that_fails_after_the_closing_is_no_failure_of_its_own(make_driver, monkeypatch):
    """What closing ends, or what was missing anyway, matters no more; it is the cause."""

    async def fail(*args, **options):
        await driver.aclose()
        raise ConfigurationError("no credentials were found")

    monkeypatch.setattr(base, "load_settings", fail)
    driver = make_driver()
    with pytest.raises(DriverClosedError, match="closed while it was opening") as caught:
        await driver.get_container("bucket")
    assert isinstance(caught.value.__cause__, ConfigurationError)


async def test_a_fork_is_refused(driver, monkeypatch):
    """Closing it there, too; where it was opened it goes on. (`tests/robustness/test_processes.py` really forks.)"""
    await driver.get_container("bucket")
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        for call in (driver.get_container("bucket"), driver.aclose()):
            with pytest.raises(ConfigurationError, match="Make one driver in each process"):
                await call
    await driver.get_container("bucket")


async def test_closing_aborts_every_upload_that_runs(server, driver):
    """Their callers get a `StorageError` that says why; when `aclose` returns nothing is open."""
    server.hold("UploadPart")
    uploads = [
        asyncio.create_task(driver.upload_object_via_stream(endless(), "bucket", f"key {number}"))
        for number in range(5)
    ]
    await server.wait_for(lambda server: sum(len(r.target) > 0 for r in server.requests) >= 10)
    await driver.aclose()
    assert server.open_uploads == []
    assert server.objects == {}
    for upload in uploads:
        with pytest.raises(DriverClosedError, match="the driver was closed while this upload was running"):
            await upload
    assert server.requests_in_progress == 0


async def test_closing_stops_an_upload_whose_source_waits(server, driver):
    """The source is closed, and what was stored of it is aborted."""
    began = asyncio.Event()
    source = endless(began)
    upload = asyncio.create_task(driver.upload_object_via_stream(source, "bucket", "key"))
    await began.wait()
    await driver.aclose()
    with pytest.raises(DriverClosedError, match="the driver was closed") as caught:
        await upload
    assert server.open_uploads == []
    assert "it was aborted" in "".join(caught.value.__notes__)
    with pytest.raises(StopAsyncIteration):
        await anext(source)


async def test_closing_stops_a_small_upload_too(server, driver):
    """One that has sent nothing yet is stopped all the same."""
    began = asyncio.Event()

    async def source():
        yield b"x"
        began.set()
        await asyncio.Event().wait()

    upload = asyncio.create_task(driver.upload_object_via_stream(source(), "bucket", "key"))
    await began.wait()
    await driver.aclose()
    with pytest.raises(DriverClosedError, match="the driver was closed"):
        await upload
    assert server.requests == []


async def test_closing_inside_an_uploads_own_block(server, driver):
    """Whoever closes the driver in the middle of their own upload does not wait for themselves."""
    with pytest.raises(DriverClosedError, match="the driver was closed"):
        async with driver.open_upload("bucket", "key") as upload:
            await upload.write(bytes(5000))
            await driver.aclose()
            assert server.open_uploads == []
            await upload.write(bytes(5000))
    assert server.open_uploads == []
    assert server.objects == {}


async def test_closing_when_an_uploads_caller_is_busy_elsewhere(server, make_driver):
    """An upload whose block does not come back is aborted in its stead, after the cleanup timeout."""
    driver = make_driver(timeouts=Timeouts(cleanup=0.05))
    is_open = asyncio.Event()
    finish = asyncio.Event()

    async def stubborn():
        async with driver.open_upload("bucket", "key") as upload:
            await upload.write(bytes(5000))
            is_open.set()
            while not finish.is_set():
                try:
                    await finish.wait()
                except asyncio.CancelledError:
                    continue

    task = asyncio.create_task(stubborn())
    await is_open.wait()
    await driver.aclose()
    assert server.open_uploads == []
    finish.set()
    with pytest.raises(StorageError):
        await task
    assert server.objects == {}


def test_closing_in_another_loop_is_refused():
    """What it owns belongs to the loop of its first call."""
    driver = S3StorageDriver(endpoint_url="http://127.0.0.1:1", region="us-east-1", credentials=KEYS)

    async def use():
        await driver._open()

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(use())
        with pytest.raises(ConfigurationError, match="another event loop"):
            asyncio.run(driver.aclose())
        loop.run_until_complete(driver.aclose())
    finally:
        loop.close()


@pytest.mark.parametrize("grace", [-1, float("nan")])
async def test_a_grace_is_a_number_of_seconds(driver, grace):
    """Nothing is closed by one that is not."""
    with pytest.raises(ConfigurationError, match="grace"):
        await driver.aclose(grace=grace)
    await driver.upload_object_via_stream(b"x", "bucket", "key")


async def test_a_cancellation_ends_the_grace(server, driver):
    """The uploads are aborted at once, everything is closed, and then the cancellation is raised."""
    go_on = asyncio.Event()

    async def source():
        yield bytes(3 * 1024)
        await go_on.wait()

    upload = asyncio.create_task(driver.upload_object_via_stream(source(), "bucket", "key"))
    await server.wait_for(lambda s: s.open_uploads and s.open_uploads[0].parts)
    closing = asyncio.create_task(driver.aclose(grace=3600))
    for _ in range(3):
        await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    with pytest.raises(DriverClosedError, match="closed"):
        await upload
    assert server.open_uploads == []
    assert driver._engine is None
