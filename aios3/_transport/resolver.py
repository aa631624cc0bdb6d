"""Look-ups of host names in given threads, where the caller's work cannot delay them."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import Executor
from functools import partial
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

__all__ = ["Resolver"]


class Resolver(AbstractResolver):
    """Uses the system's resolver, as aiohttp's own class does in the event loop's default executor."""

    def __init__(self, threads: Executor) -> None:
        """Take the executor of the look-ups."""
        self._threads = threads

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            OSError: there are none, or no name server could be reached.
        """
        ask = partial(
            socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [
            ResolveResult(
                hostname=host,
                host=_host_of(address),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Do nothing: the threads belong to their creator."""


def _host_of(address: tuple[Any, ...]) -> str:
    """Return the host of an address; a link-local host has the number of its link."""
    scope = address[3] if len(address) == 4 else 0
    return f"{address[0]}%{scope}" if scope else str(address[0])
