"""How many TCP sockets of this process lead to a port. Linux only."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["count_sockets_to"]


def count_sockets_to(port: int) -> int:
    """Return the number of this process's sockets, in whatever state, whose other end is that port."""
    inodes = {
        fields[9]
        for table in ("tcp", "tcp6")
        for fields in (line.split() for line in Path("/proc/self/net", table).read_text().splitlines()[1:])
        if int(fields[2].rpartition(":")[2], 16) == port
    }
    return sum(f"socket:[{inode}]" in _own_files() for inode in inodes)


def _own_files() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one through which the directory is read
            found.add(os.readlink(f"/proc/self/fd/{name}"))
    return found
