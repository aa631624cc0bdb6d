"""Store in this process: connections of aiohttp that send nothing, and give the response when a request is complete."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

__all__ = ["connect_to_memory"]

_DOCUMENTS: Final = {
    b"POST": b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
    b"POST with an id": b'<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>',
}


def connect_to_memory(connector: aiohttp.BaseConnector) -> None:
    """Let `connector` open connections of this kind."""
    sizes: Counter[bytes] = Counter()

    async def create(*_: Any) -> ResponseHandler:
        protocol = ResponseHandler(asyncio.get_running_loop())
        protocol.connection_made(_Connection(protocol, sizes))
        return protocol

    connector._create_connection = create  # type: ignore[method-assign]


class _Connection(asyncio.Transport):
    """Counts the bytes of one request after the other, and keeps none."""

    def __init__(self, protocol: ResponseHandler, sizes: Counter[bytes]) -> None:
        super().__init__()
        self._protocol = protocol
        self._sizes = sizes
        """Bytes of each object, which HEAD shows: those of all its PUTs since it was created."""
        self._head = b""
        self._length = self._missing = 0
        """Bytes of the body that have not come, once the head has."""
        self._is_closed = False

    def write(self, data: Any) -> None:
        """Take bytes of a request."""
        if self._head:
            self._missing -= len(data)
        else:
            self._head, _, begun = bytes(data).partition(b"\r\n\r\n")
            length = self._head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            self._length = int(length or 0)
            self._missing = self._length - len(begun)
        if self._missing == 0:
            asyncio.get_running_loop().call_soon(self._protocol.data_received, self._response())
            self._head = b""

    def _response(self) -> bytes:
        method, target, _ = self._head.split(b" ", 2)
        kind = b"POST with an id" if method == b"POST" and b"uploadId=" in target else method
        document = _DOCUMENTS.get(kind, b"")
        path, _, query = target.partition(b"?")
        if query.startswith(b"uploads") or (method == b"PUT" and not query):
            self._sizes[path] = 0
        self._sizes[path] += self._length if method == b"PUT" else 0
        length = self._sizes[path] if method == b"HEAD" else len(document)
        return b'HTTP/1.1 200 OK\r\nETag: "e-1"\r\nContent-Length: %d\r\n\r\n%s' % (length, document)

    def writelines(self, list_of_data: Any) -> None:
        """Take several pieces at once."""
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        """Return whether the connection was closed."""
        return self._is_closed

    def close(self) -> None:
        """Take no further request."""
        if not self._is_closed:
            self._is_closed = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close

    def get_write_buffer_size(self) -> int:
        """Return 0, because nothing waits."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing, because nothing waits."""

    def pause_reading(self) -> None:
        """Do nothing: the next request comes after the response."""

    def resume_reading(self) -> None:
        """Do nothing: the next request comes after the response."""
