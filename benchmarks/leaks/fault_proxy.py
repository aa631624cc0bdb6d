"""A proxy on loopback that passes everything on but what a key asks it to spoil.

A key that contains the name of a `Fault` asks for it:

- ``refuse-part``: its third part is refused, every time;
- ``slow-part``: its third part reaches the store late;
- ``slow-abort``: an abort reaches the store late, whether or not the client is still there, as over a long way;
- ``lose-complete``: the store carries out its first CompleteMultipartUpload, and the answer is lost.

The Host header stays as the client signed it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["DELAY", "Fault", "FaultProxy"]

Fault: TypeAlias = Literal["refuse-part", "slow-part", "slow-abort", "lose-complete"]

DELAY: Final = 0.4
"""Seconds by which something is late, and before the refusal, so that the two parts before it are stored."""
_REFUSAL_BODY: Final = b"<Error><Code>AccessDenied</Code><Message>refused by the proxy</Message></Error>"
_REFUSAL: Final = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(_REFUSAL_BODY)
) + _REFUSAL_BODY
_LIMIT: Final = 1024 * 1024


class FaultProxy:
    """Listens inside its block, in front of one store."""

    def __init__(self, store_host: str, store_port: int) -> None:
        self._store = (store_host, store_port)
        self._lost: set[str] = set()
        # Whoever waits with a full buffer is known to no selector, and without this to nobody.
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FaultProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_LIMIT)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    @property
    def endpoint_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            store_in, store_out = await asyncio.open_connection(*self._store, limit=_LIMIT)
            try:
                with suppress(OSError, asyncio.IncompleteReadError):
                    while await self._exchange(client_in, client_out, store_in, store_out):
                        pass
            finally:
                store_out.transport.abort()
        finally:
            client_out.close()
            self._serving.discard(task)

    async def _exchange(
        self,
        client_in: asyncio.StreamReader,
        client_out: asyncio.StreamWriter,
        store_in: asyncio.StreamReader,
        store_out: asyncio.StreamWriter,
    ) -> bool:
        """Pass one request and its answer on; return whether the connection may be used again."""
        lines, headers = await _read_head(client_in)
        if "expect" in headers:  # answered here, and hidden from the store
            client_out.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            lines = [line for line in lines if not line.lower().startswith(b"expect:")]
        request = _understand(lines[0])
        body = [piece async for piece in _body(client_in, headers)]
        if request.is_late or request.is_refused:
            await asyncio.sleep(DELAY)
        if request.is_refused:
            client_out.write(_REFUSAL)
            return True
        store_out.writelines([b"\r\n".join(lines), b"\r\n\r\n", *body])
        lines, headers = await _read_head(store_in)
        if request.is_answer_lost and request.path not in self._lost:
            self._lost.add(request.path)
            client_out.transport.abort()
            return False
        client_out.writelines([b"\r\n".join(lines), b"\r\n\r\n"])
        status = lines[0].split()[1]
        if request.method != "HEAD" and status not in {b"204", b"304"}:
            client_out.writelines([piece async for piece in _body(store_in, headers, until_close=True)])
        return headers.get("connection", "").lower() != "close"


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    operation: str
    """Of the faulty ones: ``part`` (the third), ``abort``, ``complete``; or nothing."""

    @property
    def is_refused(self) -> bool:
        return self.operation == "part" and "refuse-part" in self.path

    @property
    def is_late(self) -> bool:
        return self.operation in {"part", "abort"} and f"slow-{self.operation}" in self.path

    @property
    def is_answer_lost(self) -> bool:
        return self.operation == "complete" and "lose-complete" in self.path


def _understand(line: bytes) -> _Request:
    method, address, _ = line.decode().split(" ", 2)
    url = urlsplit(address)
    query = parse_qs(url.query)
    operation = ""
    if "uploadId" in query:
        third = query.get("partNumber") == ["3"]
        operation = {"PUT": "part" if third else "", "DELETE": "abort", "POST": "complete"}.get(method, "")
    return _Request(method, unquote(url.path), operation)


async def _read_head(stream: asyncio.StreamReader) -> tuple[list[bytes], dict[str, str]]:
    head = await stream.readuntil(b"\r\n\r\n")
    lines = head[:-4].split(b"\r\n")
    pairs = (line.decode("latin-1").partition(":") for line in lines[1:])
    return lines, {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(
    stream: asyncio.StreamReader, headers: dict[str, str], *, until_close: bool = False
) -> AsyncIterator[bytes]:
    """Yield a body as it is on the wire, framing included."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        size = -1
        while size:
            line = await stream.readline()
            size = int(line.split(b";")[0], 16)
            yield line + await stream.readexactly(size + 2)
    elif "content-length" in headers or not until_close:
        left = int(headers.get("content-length", "0"))
        while left and (piece := await stream.read(min(left, _LIMIT))):
            left -= len(piece)
            yield piece
        if left:
            raise asyncio.IncompleteReadError(b"", left)
    else:
        while piece := await stream.read(_LIMIT):
            yield piece
