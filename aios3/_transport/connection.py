"""The connection that a request goes out on, which can be asked also when it is closed.

Buffers between a write and the wire hide movement: over TLS asyncio hands half a
megabyte on at a time, which a slow line takes minutes for. The kernel knows better.
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
    """Everything that is asked of a transport, answered whatever the transport's state.

    asyncio's TLS transport answers nothing more once both sides have closed it: most of its methods then raise
    AttributeError, and `abort` does nothing. Other event loops raise errors of their own. No method here raises.
    """

    __slots__ = ("_socket", "_transport")

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        """Take the transport of a connection that is open."""
        self._transport = transport
        self._socket: _Descriptor | None = _ask(lambda: transport.get_extra_info("socket"), None)

    @property
    def is_closing(self) -> bool:
        """It takes no more bytes; also if that cannot be found out."""
        return _ask(self._transport.is_closing, True)

    @property
    def unsent(self) -> int | None:
        """Bytes that were written and still wait in this process; ``None`` if the closed transport does not tell."""
        return _ask(self._transport.get_write_buffer_size, None)

    def moved(self, written: int) -> int:
        """Return a count that grows whenever a byte of the connection has moved.

        On Linux it is what the peer's kernel has acknowledged. Elsewhere it is `written`, what the caller has handed
        over, less what waits in the transport's own buffer: over TLS that moves in lots of up to half a megabyte.
        """
        acknowledged = self._acknowledged()
        return written - (self.unsent or 0) if acknowledged is None else acknowledged

    def drain_to_the_last_byte(self) -> None:
        """From now on let writers wait until nothing waits in this process."""
        is_plain = _ask(lambda: self._transport.get_extra_info("ssl_object"), None) is None
        # TLS transports pause at the limit, others above it.
        _ask(lambda: self._transport.set_write_buffer_limits(high=0 if is_plain else 1), None)

    def drain_as_usual(self) -> None:
        """From now on let writers wait only while much waits in this process."""
        _ask(self._transport.set_write_buffer_limits, None)

    def abort(self) -> None:
        """Drop the connection, and what waits in this process to be sent on it."""
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

        uvloop gives a stand-in that cannot be asked, so the descriptor is lent to a real socket.
        """
        descriptor = -1 if self._socket is None else _ask(self._socket.fileno, -1)
        try:
            return socket.socket(fileno=descriptor) if descriptor >= 0 else None
        except OSError:
            return None


def _ask(question: Callable[[], T], otherwise: T) -> T:
    """Return the answer, or `otherwise` if a closed transport has none."""
    try:
        return question()
    except Exception:  # noqa: BLE001 - AttributeError, RuntimeError, OSError: each event loop has its own
        return otherwise
