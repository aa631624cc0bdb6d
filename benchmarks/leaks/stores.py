"""The stores: three programs that others wrote and the test server, each with a proxy before it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

import aios3
from aios3.testing import S3Server
from benchmarks.leaks.clients.target import Target
from benchmarks.leaks.fault_proxy import FaultProxy
from benchmarks.leaks.lister import Lister
from benchmarks.leaks.server_thread import enter_in, loop_in_thread
from tests.stores.stores import STORES as PROGRAMS

__all__ = ["STORE_NAMES", "Store", "running_store"]

_BUCKET: Final = "leaks"
_TEST_SERVER: Final = "S3Server"
STORE_NAMES: Final = (_TEST_SERVER, *PROGRAMS)


@dataclass(frozen=True, slots=True)
class Store:
    """A store that listens now."""

    name: str
    version: str
    direct: Target
    proxied: Target
    lister: Lister


@contextmanager
def running_store(name: str) -> Generator[Store]:
    """Run a store, its proxy, and a bucket in it, for the length of the block."""
    with ExitStack() as stack:
        loop = stack.enter_context(loop_in_thread())
        version, target = _start(name, loop, stack)
        url = urlsplit(target.endpoint_url)
        proxy = stack.enter_context(enter_in(loop, FaultProxy(url.hostname or "", url.port or 0)))
        lister = Lister(target)
        lister.create_bucket()
        yield Store(name, version, target, replace(target, endpoint_url=proxy.endpoint_url), lister)


def _start(name: str, loop: asyncio.AbstractEventLoop, stack: ExitStack) -> tuple[str, Target]:
    if name == _TEST_SERVER:
        server = stack.enter_context(enter_in(loop, S3Server()))
        keys = server.credentials
        url, region, provider, version = server.endpoint_url, server.region, "generic", aios3.__version__
    else:
        store = stack.enter_context(PROGRAMS[name]())
        keys = store.credentials
        url, region, provider, version = store.endpoint_url, store.region, store.provider, store.version
    return version, Target(url, keys.access_key_id, keys.secret_access_key, region, _BUCKET, provider)
