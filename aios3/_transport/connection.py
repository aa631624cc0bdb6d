"""Connection of a request, which can be queried even when it is closed.

Buffers between a write and the wire hide progress. Over TLS asyncio passes on half a
megabyte at a time, which takes minutes on a slow line. The kernel counts exactly.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol, TypeVar

__all__ = ["Connection"]

_BYTES_ACKED: Final = 120
"""Offset of ``tcpi_bytes_acked`` in Linux's ``struct tcp_info``, since Linux 4.1 (linux/tcp.h)."""

T = TypeVar("T")


class _Descriptor(Protocol):
    def fileno(self) -> int: ...  # pragma: no cover - a protocol has no body


class Connection:
    """Wrapper of a transport that gives a result in every state of the transport.

    asyncio's TLS transport fails once both sides have closed it: most of its methods then raise AttributeError, and
    `abort` does nothing. Other event loops raise other errors. No method of this class raises.
    """

    __slots__ = ("_socket", "_transport")

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        """Take the transport of an open connection."""
        self._transport = transport
        self._socket: _Descriptor | None = _ask(lambda: transport.get_extra_info("socket"), None)

    @property
    def is_closing(self) -> bool:
        """Whether the connection takes no further bytes; also true if that is unknown."""
        return _ask(self._transport.is_closing, True)

    @property
    def unsent(self) -> int | None:
        """Bytes that were written and still wait in this process; ``None`` if the closed transport has no count."""
        return _ask(self._transport.get_write_buffer_size, None)

    def moved(self, written: int) -> int:
        """Return a count that grows whenever a byte of the connection has moved.

        On Linux it counts the bytes that the peer's kernel has acknowledged. Elsewhere it is `written`, the caller's
        bytes, less those in the transport's own buffer. Over TLS that count moves by up to half a megabyte at a time.
        """
        acknowledged = self._acknowledged()
        return written - (self.unsent or 0) if acknowledged is None else acknowledged

    def drain_to_the_last_byte(self) -> None:
        """Make later writers wait until no byte is left in this process."""
        is_plain = _ask(lambda: self._transport.get_extra_info("ssl_object"), None) is None
        # TLS transports pause at the limit, others above it.
        _ask(lambda: self._transport.set_write_buffer_limits(high=0 if is_plain else 1), None)

    def drain_as_usual(self) -> None:
        """Make later writers wait only while many bytes are left in this process."""
        _ask(self._transport.set_write_buffer_limits, None)

    def abort(self) -> None:
        """Drop the connection and its unsent bytes."""
        _ask(self._transport.abort, None)
        if self.unsent is None and (real := self._lend_socket()) is not None:  # then `abort` may have done nothing
            with suppress(OSError):
                real.shutdown(socket.SHUT_RDWR)
            real.detach()

    def _acknowledged(self) -> int | None:
        if sys.platform != "linux":  # pragma: no cover - decided by the platform
            return None
        real = self._lend_socket()
        if real is None:
            return None
        try:
            info = real.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8)
        except OSError:
            return None
        finally:
            real.detach()
        return None if len(info) < _BYTES_ACKED + 8 else int(struct.unpack_from("=Q", info, _BYTES_ACKED)[0])

    def _lend_socket(self) -> socket.socket | None:
        """Return a socket of the connection's descriptor, to be detached after use; ``None`` if it is closed.

        uvloop gives a substitute that cannot be queried, so the descriptor is lent to a real socket.
        """
        descriptor = -1 if self._socket is None else _ask(self._socket.fileno, -1)
        try:
            return socket.socket(fileno=descriptor) if descriptor >= 0 else None
        except OSError:
            return None


def _ask(question: Callable[[], T], otherwise: T) -> T:
    """Return the result of `question`, or `otherwise` if a closed transport has none."""
    try:
        return question()
    except Exception:  # noqa: BLE001 - AttributeError, RuntimeError, OSError: each event loop has its own
        return otherwise
