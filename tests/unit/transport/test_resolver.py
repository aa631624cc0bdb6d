"""Host names are looked up in threads that are given, not in those of the event loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aios3._transport.resolver import Resolver

FOUND: dict[str, list[tuple[Any, ...]]] = {
    "both.test": [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 443, 0, 0)),
    ],
    "link.test": [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 443, 0, 3))],
}


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the threads in which the system was asked."""
    names: list[str] = []

    def ask(host: str, port: int, **options: Any) -> list[tuple[Any, ...]]:
        names.append(threading.current_thread().name)
        if host not in FOUND:
            raise socket.gaierror(socket.EAI_NONAME, "no such host")
        return FOUND[host]

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    return names


@pytest.mark.parametrize(
    ("host", "addresses"), [("both.test", ["192.0.2.1", "2001:db8::1"]), ("link.test", ["fe80::1%3"])]
)
async def test_addresses_are_the_systems(threads: list[str], host: str, addresses: list[str]) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1, thread_name_prefix="callers"))
    with ThreadPoolExecutor(1, thread_name_prefix="ours") as ours:
        resolver = Resolver(ours)
        found = await resolver.resolve(host, 443, socket.AF_UNSPEC)
        await resolver.close()
    assert [one["host"] for one in found] == addresses
    assert {(one["hostname"], one["port"]) for one in found} == {(host, 443)}
    assert threads == ["ours_0"]


async def test_a_host_that_is_not_there_is_an_os_error(threads: list[str]) -> None:
    """As aiohttp expects it."""
    with ThreadPoolExecutor(1) as ours, pytest.raises(OSError, match="no such host"):
        await Resolver(ours).resolve("nowhere.test", 443)
