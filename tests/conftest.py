"""What all tests share: an isolated environment, guards against leaks and blocking calls, a store."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import os
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import coverage
import pytest
import trustme
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

from aios3 import PROVIDERS, Provider, RetryPolicy, S3StorageDriver, TransferConfig
from aios3.testing import S3Server

# A shared machine may stand still for a moment, and a run that passed must pass again.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("steady")

pytest_plugins = ["aios3.testing.pytest_plugin"]

EAGER_TASKS = os.environ.get("AIOS3_EAGER_TASKS") == "1"
"""Tasks run until they first wait as soon as they are made, as since Python 3.12 programs may have it."""

# A shell starts background commands with SIGINT ignored, and nohup ignores SIGHUP. The programs that tests interrupt
# would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

PART = 1024
"""Bytes of a part in the small store: a source of a few KiB is a multipart upload."""


@pytest.fixture(autouse=True)
def _isolated_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hide the machine's AWS variables and its shared files from every test."""
    for name in [name for name in os.environ if name.upper().startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # or a driver without credentials would ask the network
    home = tmp_path_factory.getbasetemp() / "empty-home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))


@pytest.fixture(scope="session", autouse=True)
def _no_blocking_calls() -> Iterator[None]:
    """Raise on a blocking call that the library makes on a running event loop.

    The server for tests is not looked at: its sockets are all non-blocking, but it may start processes.
    """
    with blockbuster_ctx("aios3", excluded_modules=["aios3.testing"]) as blocking:
        acquire = blocking.functions["threading.Lock.acquire"].deactivate()
        may_block = acquire.can_block_predicate
        acquire.can_block_predicate = lambda lock, *args: lock is _lock_of_coverage() or may_block(lock, *args)
        acquire.activate()
        yield


def _lock_of_coverage() -> object | None:
    """Return what guards the measured lines: the tracer of any thread takes it while code runs. `None` without one."""
    measurement = coverage.Coverage.current()
    return getattr(getattr(measurement, "_collector", None), "data_lock", None)


@pytest.fixture(autouse=True)
def _no_task_left(request: pytest.FixtureRequest) -> None:
    """Fail an asynchronous test after which a task is left, once all its other fixtures are gone."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_task_guard")


@pytest.fixture
async def _task_guard() -> AsyncIterator[None]:
    if EAGER_TASKS:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    assert not left, f"tasks were left: {left}"


class LoopClock:
    """Moves the event loop's time forward, so that timers fire without anybody waiting."""

    def __init__(self, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
        self._offset = 0.0
        self._time = loop.time
        monkeypatch.setattr(loop, "time", lambda: self._time() + self._offset)

    def stop(self) -> None:
        """Let no time pass except by `advance`, so no limit ends early because the machine is busy."""
        now = self._time()
        self._time = lambda: now

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, then let everything run that has become due."""
        self._offset += seconds
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def loop_clock(monkeypatch: pytest.MonkeyPatch) -> LoopClock:
    """The running loop's clock, under the test's control."""
    return LoopClock(asyncio.get_running_loop(), monkeypatch)


@dataclass(frozen=True)
class TlsContexts:
    """Both sides of a certificate for ``localhost`` of an authority made for the test."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    """Trusts the authority."""
    authority: trustme.CA


@pytest.fixture(scope="session")
def tls() -> TlsContexts:
    """TLS contexts for a server on localhost and for a client that trusts it."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return TlsContexts(server, client, authority)


@pytest.fixture
def small_provider() -> Provider:
    """`generic`, but parts may be as small as `PART`, so that multipart uploads need few bytes."""
    return dataclasses.replace(PROVIDERS["generic"], min_part_size=PART)


@pytest.fixture
async def server(small_provider: Provider) -> AsyncIterator[S3Server]:
    """A store with one bucket, ``"bucket"``, that takes small parts."""
    async with S3Server(small_provider) as running:
        yield running


MakeDriver = Callable[..., S3StorageDriver]


@pytest.fixture
async def make_driver(server: S3Server) -> AsyncIterator[MakeDriver]:
    """Make drivers on `server` that never wait between attempts; they are closed after the test."""
    async with AsyncExitStack() as stack:

        def make(
            driver_class: type[S3StorageDriver] = S3StorageDriver, *, on: S3Server = server, **options: Any
        ) -> S3StorageDriver:
            defaults: dict[str, Any] = {
                "provider": on.store.provider,
                "endpoint_url": on.endpoint_url,
                "region": on.region,
                "credentials": on.credentials,
                "retry": RetryPolicy(base_delay=0, throttle_base_delay=0),
                "transfer": TransferConfig(part_size=PART, concurrency=4),
            }
            driver = driver_class(**(defaults | options))
            stack.push_async_callback(driver.aclose)
            return driver

        yield make


@pytest.fixture
async def driver(make_driver: MakeDriver) -> S3StorageDriver:
    """A driver on `server`: parts of `PART` bytes, four at once, no waiting."""
    return make_driver()
