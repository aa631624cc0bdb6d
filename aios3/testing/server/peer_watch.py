"""Detection of a client that closes a connection while the server does not read."""

from __future__ import annotations

import asyncio
import contextlib
import select
import sys
from collections.abc import Callable

__all__ = ["PeerWatch"]


class PeerWatch:
    """Watches sockets that are not read, and reports when the other side closes one.

    An event loop reports the end of a connection only to a reader of all bytes before it. The kernel of Linux reports
    the end apart from the data. On other platforms `is_possible` is false.
    """

    is_possible = sys.platform == "linux"

    def __init__(self) -> None:
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._poll: select.epoll | None = None

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` once, when the other side of the socket has closed or reset it."""
        if self._poll is None:
            self._poll = select.epoll()
            asyncio.get_running_loop().add_reader(self._poll.fileno(), self._look)
        self._poll.register(fd, select.EPOLLRDHUP | select.EPOLLONESHOT)
        self._callbacks[fd] = callback

    def forget(self, fd: int) -> None:
        """Stop watching a socket."""
        if self._callbacks.pop(fd, None) and self._poll:
            # Some event loops have closed the socket by now, which unregisters it.
            with contextlib.suppress(OSError):
                self._poll.unregister(fd)

    def close(self) -> None:
        """Stop watching every socket. A second call does nothing."""
        if self._poll:
            asyncio.get_running_loop().remove_reader(self._poll.fileno())
            self._poll.close()
        self._poll = None
        self._callbacks.clear()

    def _look(self) -> None:
        assert self._poll
        for fd, _ in self._poll.poll(0):
            self._callbacks[fd]()
