"""A mocked HTTP client that keeps what it was asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import aioresponses


@dataclass(frozen=True)
class Call:
    """One request as it was handed to the HTTP client."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class Recorder(aioresponses.aioresponses):
    """Keeps what was asked, with URLs as they were given and bodies as they were then."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.most_parts = 0
        self._parts = 0
        self.overlap: asyncio.Event | None = None
        """If given, a part is answered only once another one has been sent."""

    async def _wait_for_another(self) -> None:
        assert self.overlap is not None
        if self._parts == 2:
            self.overlap.set()
        await self.overlap.wait()

    async def _request_mock(self, orig_self: Any, method: str, url: Any, *args: Any, **kwargs: Any) -> Any:
        body = b"" if kwargs.get("data") is None else b"".join(kwargs["data"]._value)
        self.calls.append(Call(method, str(url), dict(kwargs["headers"]), body))
        kwargs["data"] = body  # the mock makes deep copies of all arguments
        self._parts += method == "PUT"
        self.most_parts = max(self.most_parts, self._parts)
        try:
            if method == "PUT" and self.overlap is not None:
                await self._wait_for_another()
            return await super()._request_mock(orig_self, method, url, *args, **kwargs)
        finally:
            self._parts -= method == "PUT"

    def lines(self) -> list[str]:
        """Return method and URL of each call."""
        return [f"{call.method} {call.url}" for call in self.calls]
