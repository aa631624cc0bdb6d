"""Interim responses of one request: where a new upload is, and how far it has come, before the response."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from aios3._upload.shared.progress import ProgressCallback
from aios3.models import UploadProgress
from aios3.web._requests.bodies import INTERIM, Scope, Send

from .messages import Dialect, Limits

__all__ = ["Interim"]

_STATUS: Final = 104
_INTERVAL: Final = 1.0
"""Least seconds between two reports of progress, because some clients limit the interim responses of a request."""


class Interim:
    """Interim responses to one client, if its protocol has them and the server can send them. Else nothing is sent."""

    def __init__(self, scope: Scope, send: Send, dialect: Dialect) -> None:
        """Take the request; nothing is sent."""
        self._send = send
        self._dialect = dialect
        self._is_able = INTERIM in (scope.get("extensions") or {})
        self._offset = -1
        self._next = 0.0

    @property
    def is_announced(self) -> bool:
        """The client knows the URL of its upload from an interim response."""
        return self._offset >= 0

    async def created(self, location: str, limits: Limits) -> None:
        """Report the URL of a new upload."""
        await self._report(0, location, limits)

    async def reached(self, offset: int) -> None:
        """Report that the store has all bytes up to `offset`, unless the client knows it or has just had a report."""
        if offset > self._offset and asyncio.get_running_loop().time() >= self._next:
            await self._report(offset, None, None)

    async def _report(self, offset: int, location: str | None, limits: Limits | None) -> None:
        headers = self._dialect.announced(offset, location, limits) if self._is_able else None
        if headers is None:
            return
        self._offset = offset
        self._next = asyncio.get_running_loop().time() + _INTERVAL
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        with suppress(OSError):  # the client has vanished, which the body shows next
            await self._send({"type": INTERIM, "status": _STATUS, "headers": raw})

    def from_offset(self, start: int) -> ProgressCallback:
        """Return the progress callback for parts that begin at offset `start`."""

        async def report(progress: UploadProgress) -> None:
            if progress.bytes_durable:
                await self.reached(start + progress.bytes_durable)

        return report
