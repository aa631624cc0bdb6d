"""The endpoints that the checks run against, and how a check reaches the one it was given."""

from __future__ import annotations

import os
import secrets
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from aios3 import AmazonS3StorageDriver, Credentials, GoogleStorageDriver, Provider, S3StorageDriver, TransferConfig
from aios3.options import MIB
from tests.stores.stores import STORES, RunningStore

PART = 5 * MIB
"""Bytes of a part in every check: the least that strict stores take for one that is not the last."""

BUCKET = "conformance"

DRIVERS: Mapping[str, type[S3StorageDriver]] = {"aws": AmazonS3StorageDriver, "google": GoogleStorageDriver}
"""By provider, the class that is named after it."""

CONFIGURED = "configured"
"""The name of the endpoint that the environment gives."""

_ENVIRONMENT = dict(os.environ)
"""As it was before the tests' isolation from the machine removed the AWS variables."""

Middleware = Callable[
    [aiohttp.ClientRequest, Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]],
    Awaitable[aiohttp.ClientResponse],
]


def _new_prefix() -> str:
    return f"check-{secrets.token_hex(6)}/"


@dataclass(eq=False)
class Endpoint:
    """One endpoint, for one check."""

    name: str
    """What the table of known limits calls it."""
    provider: str
    endpoint_url: str | None
    """``None`` where the provider knows it."""
    credentials: Credentials
    region: str | None
    bucket: str
    """Exists, and is shared by all checks."""
    version: str = "unknown"
    """Of the server program."""
    may_create_buckets: bool = True
    list_files: Callable[[], set[str]] | None = None
    """Returns ``bucket/key`` of all that is stored, by another way than S3's; ``None`` where there is none."""
    ssl_context: ssl.SSLContext | None = None
    record: Provider | None = None
    """What the driver is told instead of the provider's name."""
    bucket_suffix: str = ""
    """What the name of every bucket has to end in."""
    prefix: str = field(default_factory=_new_prefix)
    """Of this check's keys, and of no other's."""
    used_keys: set[str] = field(default_factory=set)
    """To be removed where the bucket lives on."""

    def key(self, name: str) -> str:
        """Return a key that is this check's own."""
        self.used_keys.add(self.prefix + name)
        return self.prefix + name

    def bucket_name(self, name: str) -> str:
        """Return a name that a bucket can have there."""
        return name + self.bucket_suffix

    def driver(self, **options: Any) -> S3StorageDriver:
        """Make a driver for the endpoint; options come before what the endpoint says.

        It is of the class that is named after the provider, if there is one. Its parts are of `PART` bytes, whatever
        the provider recommends.
        """
        usual = {
            "endpoint_url": self.endpoint_url,
            "region": self.region,
            "credentials": self.credentials,
            "transfer": TransferConfig(part_size=PART),
            "ssl_context": self.ssl_context,
        }
        named = DRIVERS.get(self.provider)
        told = self.record or (None if named else self.provider)
        return (named or S3StorageDriver)(told, **{**usual, **options})

    async def tidy(self) -> None:
        """Remove what the check has left."""
        async with self.driver() as driver:
            for key in self.used_keys:
                await driver.delete_object(self.bucket, key)


def meddling_session(middleware: Middleware) -> aiohttp.ClientSession:
    """Make a session that shows every request to `middleware`, which may change it."""
    return aiohttp.ClientSession(middlewares=(middleware,), cookie_jar=aiohttp.DummyCookieJar())


class RealStores:
    """Starts the servers that others wrote when a check first asks for one, and stops them at the end of the run."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._known: dict[str, Endpoint] = {}

    def __enter__(self) -> RealStores:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    async def endpoint(self, name: str) -> Endpoint:
        """Return the store of that name, or the endpoint that the environment configures, for a new check."""
        if name not in self._known:
            self._known[name] = await self._make(name)
        return replace(self._known[name], prefix=_new_prefix(), used_keys=set())

    async def _make(self, name: str) -> Endpoint:
        if name == CONFIGURED:
            endpoint = _configured_endpoint()
        else:
            endpoint = _store_endpoint(self._stack.enter_context(STORES[name]()))
        if endpoint.may_create_buckets:
            async with endpoint.driver() as driver:
                await driver.create_container(endpoint.bucket)
        return endpoint


def _store_endpoint(store: RunningStore) -> Endpoint:
    return Endpoint(
        name=store.name,
        provider=store.provider,
        endpoint_url=store.endpoint_url,
        credentials=store.credentials,
        region=store.region,
        bucket=BUCKET,
        version=store.version,
        list_files=(lambda: _files_below(store.directory / "buckets")) if store.name == "rclone" else None,
    )


def _files_below(directory: Path) -> set[str]:
    return {os.path.relpath(path, directory) for path in directory.rglob("*") if path.is_file()}


def is_configured() -> bool:
    """Return whether the environment names an endpoint to check."""
    return bool(_ENVIRONMENT.get("AIOS3_TEST_ENDPOINT_URL"))


def _configured_endpoint() -> Endpoint:
    """Describe the endpoint of ``AIOS3_TEST_ENDPOINT_URL``.

    ``AIOS3_TEST_PROVIDER`` says what it is (else ``generic``), ``AIOS3_TEST_BUCKET`` a bucket to use (else one is
    created, and stays), the usual AWS variables the credentials and the region.
    """
    get = _ENVIRONMENT.get
    bucket = get("AIOS3_TEST_BUCKET")
    return Endpoint(
        name=CONFIGURED,
        provider=get("AIOS3_TEST_PROVIDER", "generic"),
        endpoint_url=_ENVIRONMENT["AIOS3_TEST_ENDPOINT_URL"],
        credentials=Credentials(
            _ENVIRONMENT["AWS_ACCESS_KEY_ID"], _ENVIRONMENT["AWS_SECRET_ACCESS_KEY"], get("AWS_SESSION_TOKEN")
        ),
        region=get("AWS_REGION") or get("AWS_DEFAULT_REGION"),
        bucket=bucket or f"aios3-{BUCKET}-{secrets.token_hex(4)}",
        may_create_buckets=bucket is None,
    )
