"""HTTPS servers on loopback that stand for hosts of any name, and record every request that reaches them."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from aios3 import Credentials, Provider, S3StorageDriver
from tests.conftest import TlsContexts
from tests.support.wire import OK, Peer, Wire, answer

KEYS = Credentials("AKIAEXAMPLE", "secret")
_ETAG = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 0\r\n\r\n'


@dataclass(frozen=True)
class Recorded:
    """One request."""

    method: str
    host: str
    target: str
    region: str
    """Region that the signature names; empty without one."""

    @property
    def place(self) -> tuple[str, str]:
        """Host, and target without its query."""
        return self.host, self.target.partition("?")[0]


class RecordingStore:
    """Takes every PUT, and answers every other request with an empty success."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.wire = Wire(self._serve, context)
        self.requests: list[Recorded] = []

    async def _serve(self, peer: Peer) -> None:
        while True:
            head = (await peer.read_head()).decode()
            method, target, _ = head.split(" ", 2)
            fields = dict(re.findall(r"(?m)^([A-Za-z0-9-]+): *(.*?)\r$", head))
            fields = {name.lower(): value for name, value in fields.items()}
            await peer.read_body(int(fields.get("content-length", 0)))
            scope = re.search(r"Credential=[^/]+/[0-9]+/([^/]+)/", fields.get("authorization", ""))
            self.requests.append(Recorded(method, fields["host"], target, scope[1] if scope else ""))
            if method == "GET":
                peer.send(answer(200, b"<ListAllMyBucketsResult/>"))
            else:
                peer.send(_ETAG if method == "PUT" else OK)


class _Hosts(AbstractResolver):
    def __init__(self, ports: dict[str, int], default: int) -> None:
        self._ports = ports
        self._default = default

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        port = self._ports.get(host, self._default)
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Do nothing: the resolver holds nothing."""


class Hosts:
    """All hosts of the world: one store, and others at hosts of their own."""

    def __init__(self, tls: TlsContexts, stack: AsyncExitStack) -> None:
        self._tls = tls
        self._stack = stack
        self._ports: dict[str, int] = {}
        self.store = RecordingStore(tls.server)
        self.client_context = ssl.create_default_context()
        tls.authority.configure_trust(self.client_context)
        self.client_context.check_hostname = False  # the certificate is of localhost

    async def add(self, host: str) -> RecordingStore:
        """Let another store stand for one host."""
        store = RecordingStore(self._tls.server)
        await self._stack.enter_async_context(store.wire)
        self._ports[host] = store.wire.port
        return store

    async def driver(self, provider: Provider | str, **options: Any) -> S3StorageDriver:
        """Make a driver that finds these hosts; it is closed after the test."""
        connector = aiohttp.TCPConnector(resolver=_Hosts(self._ports, self.store.wire.port))
        session = await self._stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        driver = S3StorageDriver(
            provider, **{"credentials": KEYS, "session": session, "ssl_context": self.client_context, **options}
        )
        return await self._stack.enter_async_context(driver)


@asynccontextmanager
async def all_hosts(tls: TlsContexts) -> AsyncIterator[Hosts]:
    """Run the store that stands for every host."""
    async with AsyncExitStack() as stack:
        hosts = Hosts(tls, stack)
        await stack.enter_async_context(hosts.store.wire)
        yield hosts
