"""How many bytes of a connection have reached the other side.

Buffers between a write and the wire hide movement: over TLS asyncio hands half a
megabyte on at a time, which a slow line takes minutes for. The kernel knows better.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import Final

__all__ = ["bytes_moved"]

_BYTES_ACKED: Final = 120
"""Offset of ``tcpi_bytes_acked`` in Linux's ``struct tcp_info``, since Linux 4.1 (linux/tcp.h)."""


def bytes_moved(transport: asyncio.WriteTransport, written: int) -> int:
    """Return a count that grows whenever a byte of the connection has moved.

    On Linux it is what the peer's kernel has acknowledged. Elsewhere it is `written`, what the caller has handed
    over, less what waits in the transport's own buffer: over TLS that moves in lots of up to half a megabyte.
    """
    acknowledged = _acknowledged(transport)
    return written - transport.get_write_buffer_size() if acknowledged is None else acknowledged


def _acknowledged(transport: asyncio.WriteTransport) -> int | None:
    if sys.platform != "linux":  # pragma: no cover - decided by the platform
        return None
    endpoint = transport.get_extra_info("socket")
    if endpoint is None or endpoint.fileno() < 0:
        return None
    # uvloop gives a stand-in that cannot be asked, so the descriptor is lent to a real socket and taken back.
    try:
        real = socket.socket(fileno=endpoint.fileno())
    except OSError:
        return None
    try:
        info = real.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8)
    except OSError:
        return None
    finally:
        real.detach()
    return None if len(info) < _BYTES_ACKED + 8 else int(struct.unpack_from("=Q", info, _BYTES_ACKED)[0])
