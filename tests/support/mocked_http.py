"""Mocked HTTP client that records requests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import aioresponses


@dataclass(frozen=True)
class Call:
    """Request as the HTTP client got it."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class Recorder(aioresponses.aioresponses):
    """Records requests, with URLs as they were given and a copy of each body."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.most_parts = 0
        self._parts = 0
        self.overlap: asyncio.Event | None = None
        """If set, a part gets its response only after another part has been sent."""

    async def _wait_for_another(self) -> None:
        assert self.overlap is not None
        if self._parts == 2:
            self.overlap.set()
        await self.overlap.wait()

    async def _request_mock(self, orig_self: Any, method: str, url: Any, *args: Any, **kwargs: Any) -> Any:
        body = b"" if kwargs.get("data") is None else b"".join(kwargs["data"]._value)
        self.calls.append(Call(method, str(url), dict(kwargs["headers"]), body))
        kwargs["data"] = body  # because the mock makes deep copies of all arguments
        self._parts += method == "PUT"
        self.most_parts = max(self.most_parts, self._parts)
        try:
            if method == "PUT" and self.overlap is not None:
                await self._wait_for_another()
            return await super()._request_mock(orig_self, method, url, *args, **kwargs)
        finally:
            self._parts -= method == "PUT"

    def lines(self) -> list[str]:
        """Return the method and the URL of each call."""
        return [f"{call.method} {call.url}" for call in self.calls]
