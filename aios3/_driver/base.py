"""Base of the drivers: configuration, the engine that the first call makes, and its end."""

from __future__ import annotations

import asyncio
import os
import ssl
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Final, Literal

import aiohttp

from aios3._client.client import OperationClient
from aios3._client.express_sessions import BucketSessions
from aios3._client.observing.guarded_observer import GuardedObserver, check_observer
from aios3._concurrency.caller_errors import note
from aios3._concurrency.clock import Clock
from aios3._concurrency.shielding import finish_despite_cancellation
from aios3._concurrency.threads import ThreadWork, library_threads
from aios3._config.endpoints.tls import make_ssl_context
from aios3._config.endpoints.variants import VariantSwitches, check_variant
from aios3._config.settings import load_settings
from aios3._journal.journal import Journal
from aios3._protocol.operations.directory_buckets import folder_of
from aios3._protocol.parts.part_plan import check_part_size
from aios3._protocol.policies.proxies import parse_proxy
from aios3._protocol.wire.uri import Addressing
from aios3._transport.aiohttp_transport import AiohttpTransport
from aios3._upload.memory.spill import check_directory
from aios3._upload.shared.engine import Engine
from aios3.credentials import Anonymous, Credentials, CredentialsProvider
from aios3.errors import ConfigurationError, DriverClosedError, StorageError
from aios3.observing import Observer
from aios3.options import RetryPolicy, Timeouts, TransferConfig
from aios3.providers import Provider, find_provider

from .arguments import check_type

__all__ = ["DEFAULT_TRANSFER", "DriverBase"]

DEFAULT_TRANSFER: Final = TransferConfig()


class DriverBase:
    """Configuration and engine of a driver. The first call opens it; once closed, it stays closed."""

    default_provider: ClassVar[str] = "generic"
    """Name of the provider that ``provider=None`` takes."""

    def __init__(
        self,
        provider: Provider | str | None = None,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        credentials: Credentials | CredentialsProvider | Anonymous | None = None,
        transfer: TransferConfig = DEFAULT_TRANSFER,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        session: aiohttp.ClientSession | None = None,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        addressing: Addressing | None = None,
        use_dualstack: bool | None = None,
        use_fips: bool | None = None,
        use_accelerate: bool | None = None,
        journal: str | os.PathLike[str] | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Configure the driver; see `aios3.S3StorageDriver`."""
        check_type("transfer", transfer, TransferConfig)
        check_type("retry", retry, RetryPolicy)
        check_type("timeouts", timeouts, Timeouts)
        check_type("session", session, aiohttp.ClientSession, type(None))
        check_type("ssl_context", ssl_context, ssl.SSLContext, type(None))
        check_type("proxy", proxy, str, type(None))
        check_type("trust_env", trust_env, bool)
        check_observer(observer)
        if proxy is not None:
            parse_proxy(proxy, "proxy=")
        for name, value in (
            ("use_dualstack", use_dualstack),
            ("use_fips", use_fips),
            ("use_accelerate", use_accelerate),
        ):
            check_type(name, value, bool, type(None))
        self._provider = find_provider(self.default_provider if provider is None else provider)
        if addressing not in (None, "virtual", "path", "cname"):
            raise ConfigurationError(f"addressing must be 'virtual', 'path', 'cname' or None, not {addressing!r:.80}")
        self._addressing = addressing
        self._variants = VariantSwitches(use_dualstack, use_fips, use_accelerate)
        check_variant(self._provider, self._variants, "endpoint_url=" if endpoint_url is not None else None)
        recommended = self._provider.recommended_part_size
        if transfer is DEFAULT_TRANSFER and recommended is not None:
            transfer = replace(transfer, part_size=recommended)
        check_part_size(self._provider, transfer)
        self._endpoint_url = endpoint_url
        self._region = region
        self._credentials = credentials
        self._transfer = transfer
        self._retry = retry
        self._timeouts = timeouts
        self._session = session
        self._ssl_context = ssl_context
        self._proxy = proxy
        self._trust_env = trust_env
        self._journal_directory = None if journal is None else Path(os.fsdecode(journal))
        self._journal: Journal | None = None
        self._clock = Clock()
        self._observer = None if observer is None else GuardedObserver(observer, self._clock.monotonic)
        self._opening = asyncio.Lock()
        self._closing = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        """Id of the process that runs the loop."""
        self._resources = AsyncExitStack()
        self._engine: Engine | None = None
        self._closed = asyncio.Event()
        """Set when the driver begins to close."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {self._provider.name}>"

    async def _close(self, grace: float) -> None:
        """Close the driver; see `S3StorageDriver.aclose`."""
        if not grace >= 0:
            raise ConfigurationError(f"grace must be a number of seconds that is not negative, not {grace!r}")
        self._require_own_loop()
        self._closed.set()
        closer = asyncio.current_task()
        async with self._closing:  # a second call waits until the first has closed the driver
            engine, self._engine = self._engine, None
            cancellation = None if engine is None else await self._end_uploads(engine, closer, grace)
            await self._resources.aclose()
        if cancellation is not None:
            raise cancellation

    async def _end_uploads(
        self, engine: Engine, closer: asyncio.Task[object] | None, grace: float
    ) -> BaseException | None:
        """End the running uploads, and return a cancellation or interrupt that came meanwhile; else ``None``."""
        cancellation: BaseException | None = None
        try:
            await engine.let_uploads_end(closer, seconds=grace)
        except asyncio.CancelledError as error:
            cancellation = error
        finished = await finish_despite_cancellation(
            lambda: engine.stop_uploads(closer), deadline=3 * self._timeouts.cleanup, name="aios3: close the driver"
        )
        return cancellation or finished.cancellation

    async def _open(self) -> Engine:
        """Return the engine, which the first call makes.

        Raises:
            DriverClosedError: the driver is closed, or was closed meanwhile.
        """
        if self._closed.is_set():
            raise DriverClosedError("the driver is closed")
        loop, process = asyncio.get_running_loop(), os.getpid()
        if self._engine is not None and self._loop is loop and self._process == process:
            return self._engine
        self._require_own_loop()
        self._loop, self._process = loop, process
        if self._engine is None:
            async with self._opening:
                if self._engine is None:
                    await self._start()
        if self._engine is None:
            raise DriverClosedError("the driver was closed while it was opening")
        return self._engine

    def _require_own_loop(self) -> None:
        if self._loop is not None and self._process != os.getpid():
            raise ConfigurationError(
                "the driver was opened in another process, of which this one is a fork: they would share its "
                "connections and its journal. Make one driver in each process"
            )
        if self._loop not in (None, asyncio.get_running_loop()):
            raise ConfigurationError("the driver is in use by another event loop; make one driver per loop")

    async def _start(self) -> None:
        try:
            engine = await self._make_engine()
        except BaseException as error:
            await self._resources.aclose()
            if self._closed.is_set() and isinstance(error, StorageError | OSError):
                raise DriverClosedError("the driver was closed while it was opening") from error
            raise
        if self._closed.is_set():
            await self._resources.aclose()
        else:
            self._engine = engine

    async def _make_engine(self) -> Engine:
        settings = await load_settings(
            self._provider,
            endpoint_url=self._endpoint_url,
            region=self._region,
            credentials=self._credentials,
            addressing=self._addressing,
            variants=self._variants,
            proxy=self._proxy,
            trust_env=self._trust_env,
        )
        own = settings.own_endpoints
        self._resources.push_async_callback(settings.aclose)
        is_tls = settings.endpoint.scheme == "https"
        context = self._ssl_context
        if context is None and (is_tls or self._proxy is not None or self._trust_env):  # the proxy may be https
            context = await make_ssl_context(settings.ca_bundle)
        transport = AiohttpTransport(
            timeouts=self._timeouts,
            ssl_context=context,
            session=self._session,
            threads=library_threads(),
            proxies=settings.proxies,
        )
        self._resources.push_async_callback(transport.aclose)
        client = OperationClient(
            transport=transport,
            endpoint=settings.endpoint,
            region=settings.region,
            credentials=settings.credentials,
            policy=self._retry,
            payload_signing=self._payload_signing(is_tls),
            clock=self._clock,
            observer=self._observer,
            regional_endpoint=None if own is None else own.of_region,
            region_of_host=None if own is None else own.read_region,
            data_endpoint=settings.bucket_endpoint,
            expired_key_codes=self._provider.expired_key_codes,
            unpacks_gzip=self._provider.unpacks_gzip,
            listing_prefix=folder_of if self._provider.lists_by_folder else str,
        )
        if self._provider.signing_service == "s3express":
            client.signer = sessions = BucketSessions(client)
            self._resources.push_async_callback(sessions.aclose)
        engine = Engine(client, self._provider, self._transfer, self._timeouts)
        if self._transfer.spill_directory not in ("auto", None):
            await _check_spill_directory(os.fsdecode(self._transfer.spill_directory))
        if self._journal_directory is not None:
            engine.journal = self._journal = Journal(self._journal_directory, settings.endpoint.url, self._clock)
            self._resources.push_async_callback(self._journal.aclose)
            try:
                await self._journal.open()
            except OSError as error:
                note(error, f"aios3: no journal can be kept in {str(self._journal_directory)!r}; nothing was sent")
                raise
        return engine

    def _payload_signing(self, is_tls: bool) -> Literal["sha256", "unsigned"]:
        if self._transfer.payload_signing != "auto":
            return self._transfer.payload_signing
        return "unsigned" if is_tls and not self._provider.signs_payload_over_tls else "sha256"


async def _check_spill_directory(directory: str) -> None:
    try:
        await ThreadWork().run(partial(check_directory, directory))
    except OSError as error:
        raise ConfigurationError(f"no file can be made in spill_directory {directory!r}: {error}") from error
