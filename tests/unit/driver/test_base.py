"""The life of a driver: made anywhere, opened by its first call, closed for good; and what it connects with."""

from __future__ import annotations

import asyncio
import builtins
import os
import socket
from types import SimpleNamespace

import aiohttp
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
from aios3.testing import S3Server
from tests.support.driver_scenes import Waiting
from tests.support.fakes import turns

KEYS = Credentials("AKIAEXAMPLE", "s3cret-s3cret")


@pytest.mark.parametrize("driver_class", [S3StorageDriver, AmazonS3StorageDriver, GoogleStorageDriver])
def test_making_a_driver_needs_no_loop_and_does_no_io(driver_class, monkeypatch):
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
    assert repr(driver_class(credentials=KEYS)) == f"<{driver_class.__name__} for {name}>"
    own = Provider("own")
    assert repr(driver_class(own, credentials=KEYS)) == f"<{driver_class.__name__} for own>"
    assert repr(driver_class(provider="minio")) == f"<{driver_class.__name__} for minio>"


@pytest.mark.parametrize(
    ("provider", "options", "words"),
    [
        ("azure", {}, "unknown provider 'azure'; known are: .*aws"),
        (
            "aws",
            {"transfer": TransferConfig(part_size=1024)},
            "part_size is 1024 bytes, but aws takes parts of 5242880",
        ),
        ("google", {"use_dualstack": True}, "'google' has no endpoint for use_dualstack=True .*it has: none"),
        ("aws", {"use_fips": True, "use_accelerate": True}, "no endpoint for use_accelerate=True with use_fips=True"),
        ("aws", {"endpoint_url": "https://x", "use_fips": True}, "endpoint_url= already says .*use_fips=True"),
    ],
)
def test_options_that_the_provider_cannot_have_are_refused_at_once(provider, options, words):
    with pytest.raises(ConfigurationError, match=words):
        S3StorageDriver(provider, **options)


def test_endpoint_variants_are_booleans_and_false_is_always_allowed():
    S3StorageDriver("google", endpoint_url="https://x", use_dualstack=False, use_fips=False, use_accelerate=False)
    with pytest.raises(TypeError, match="use_fips"):
        AmazonS3StorageDriver(use_fips="true")


async def test_every_call_after_the_block_says_that_the_driver_is_closed(server, make_driver):
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
    await make_driver().aclose()
    await driver.upload_object_via_stream(b"x", "bucket", "key")
    await asyncio.gather(driver.aclose(), driver.aclose())
    await driver.aclose()


def test_a_second_event_loop_is_refused():
    driver = S3StorageDriver(
        endpoint_url="http://127.0.0.1:9", region="us-east-1", credentials=KEYS, retry=RetryPolicy(max_attempts=1)
    )
    with asyncio.Runner() as first, asyncio.Runner() as second:
        with pytest.raises(TransportError):
            first.run(driver.get_container("bucket"))
        for call in (driver.get_container("bucket"), driver.aclose()):
            with pytest.raises(ConfigurationError, match="another event loop; make one driver per loop"):
                second.run(call)
        first.run(driver.aclose())


@pytest.fixture
def loading(monkeypatch):
    """Hold the loading of settings until its gate opens, and count it."""
    load, held = base.load_settings, SimpleNamespace(gate=asyncio.Event(), count=0)

    async def slow(*args, **options):
        held.count += 1
        await held.gate.wait()
        return await load(*args, **options)

    monkeypatch.setattr(base, "load_settings", slow)
    return held


async def test_first_calls_load_the_settings_once_although_one_is_cancelled(make_driver, loading):
    driver = make_driver()
    calls = [asyncio.create_task(driver.upload_object_via_stream(b"x", "bucket", f"{n}")) for n in range(10)]
    await turns()
    calls[0].cancel()
    loading.gate.set()
    first, *others = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(first, asyncio.CancelledError)
    assert all(receipt.size == 1 for receipt in others)
    assert loading.count == 2  # the one whose caller was cancelled, and another


async def test_the_call_after_a_failed_opening_opens_again(server, make_driver, monkeypatch):
    driver = make_driver(credentials=None)
    with pytest.raises(ConfigurationError, match="no credentials were found"):
        await driver.get_container("bucket")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.credentials.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.credentials.secret_access_key)
    await driver.get_container("bucket")


async def test_a_call_whose_driver_is_closed_while_opening_raises_and_sends_nothing(server, make_driver, loading):
    driver = make_driver()
    calls = [asyncio.create_task(driver.upload_object_via_stream(b"x", "bucket", "key")) for _ in range(3)]
    await turns()
    await driver.aclose()
    loading.gate.set()
    for call in calls:
        with pytest.raises(DriverClosedError, match="closed"):
            await call
    assert server.requests == []


async def test_a_failed_opening_of_a_closed_driver_is_the_cause_of_a_driver_closed_error(make_driver, monkeypatch):
    async def fail(*args, **options):
        await driver.aclose()
        raise ConfigurationError("no credentials were found")

    monkeypatch.setattr(base, "load_settings", fail)
    driver = make_driver()
    with pytest.raises(DriverClosedError, match="closed while it was opening") as caught:
        await driver.get_container("bucket")
    assert isinstance(caught.value.__cause__, ConfigurationError)


async def test_a_fork_is_refused(driver, monkeypatch):
    await driver.get_container("bucket")
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        for call in (driver.get_container("bucket"), driver.aclose()):
            with pytest.raises(ConfigurationError, match="Make one driver in each process"):
                await call
    await driver.get_container("bucket")


async def test_closing_aborts_every_running_upload_and_closes_its_source(server, driver):
    async def endless():
        yield bytes(3 * 1024 + 1)
        await asyncio.Event().wait()

    server.hold("UploadPart")
    sources = [endless() for _ in range(5)]
    uploads = [
        asyncio.create_task(driver.upload_object_via_stream(source, "bucket", f"key {number}"))
        for number, source in enumerate(sources)
    ]
    await server.wait_for(lambda server: len(server.requests) >= 10)
    await driver.aclose()
    assert (server.open_uploads, server.objects, server.requests_in_progress) == ([], {}, 0)
    for upload, source in zip(uploads, sources, strict=True):
        with pytest.raises(DriverClosedError, match="the driver was closed while this upload was running") as caught:
            await upload
        assert "it was aborted" in "".join(caught.value.__notes__)
        with pytest.raises(StopAsyncIteration):
            await anext(source)


async def test_closing_inside_an_uploads_own_block_aborts_it(server, driver):
    with pytest.raises(DriverClosedError, match="the driver was closed"):
        async with driver.open_upload("bucket", "key") as upload:
            await upload.write(bytes(5000))
            await driver.aclose()
            assert server.open_uploads == []
            await upload.write(bytes(5000))
    assert server.open_uploads == []
    assert server.objects == {}


async def test_closing_aborts_an_upload_whose_block_does_not_return(server, make_driver):
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


@pytest.mark.parametrize("grace", [-1, float("nan")])
async def test_a_grace_that_is_no_number_of_seconds_closes_nothing(driver, grace):
    with pytest.raises(ConfigurationError, match="grace"):
        await driver.aclose(grace=grace)
    await driver.upload_object_via_stream(b"x", "bucket", "key")


async def test_a_cancellation_ends_the_grace(server, driver):
    upload = asyncio.create_task(driver.upload_object_via_stream(Waiting(bytes(3 * 1024)), "bucket", "key"))
    await server.wait_for(lambda s: s.open_uploads and s.open_uploads[0].parts)
    closing = asyncio.create_task(driver.aclose(grace=3600))
    await turns(3)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    with pytest.raises(DriverClosedError, match="closed"):
        await upload
    assert server.open_uploads == []
    assert driver._engine is None


async def test_an_injected_session_is_used_and_left_open(server, make_driver):
    async with aiohttp.ClientSession(headers={"User-Agent": "mine"}) as session:
        async with make_driver(session=session) as driver:
            await driver.upload_object_via_stream([b"x" * 1000] * 10, "bucket", "key")
        assert not session.closed
    assert {request.header("User-Agent") for request in server.requests} == {"mine"}
    assert server.objects["bucket", "key"].body == b"x" * 10_000


async def test_over_https_with_a_context_of_ones_own(make_driver, tls):
    async with S3Server("generic", ssl_context=tls.server) as server:
        driver = make_driver(on=server, transfer=TransferConfig(), ssl_context=tls.client)
        await driver.upload_object_via_stream(b"x" * 100, "bucket", "key")
        assert server.requests[0].header("x-amz-content-sha256") == "UNSIGNED-PAYLOAD"
        signed = make_driver(on=server, transfer=TransferConfig(payload_signing="sha256"), ssl_context=tls.client)
        await signed.upload_object_via_stream(b"x" * 100, "bucket", "key")
        assert len(server.requests[1].header("x-amz-content-sha256") or "") == 64


async def test_the_ca_bundle_of_the_environment_is_trusted(make_driver, tls, monkeypatch, tmp_path):
    """AWS_CA_BUNDLE, read off the loop."""
    bundle = tmp_path / "ca.pem"
    tls.authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    async with S3Server("generic", ssl_context=tls.server) as server:
        driver = make_driver(on=server, transfer=TransferConfig())
        await driver.upload_object_via_stream(b"x", "bucket", "key")
        assert server.objects["bucket", "key"].body == b"x"
