"""Gauges of a process and its drivers at one moment. Linux only."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from aios3 import S3StorageDriver
from aios3.options import MIB

__all__ = ["Gauges", "growth", "let_memory_go", "print_gauges", "read_gauges", "resident"]

_MOST_BLOCKS: Final = 1.1
"""Factor by which caches and lazy imports may increase the number of objects."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Gauges:
    """Row of the table of gauges."""

    moment: str
    finished: int
    """Number of uploads that have ended so far."""
    running: int
    """Number of uploads that the drivers know."""
    held: int
    """Bytes granted by the drivers' memory budgets."""
    tasks: int
    files: int
    sockets: int
    """Number of open files that are sockets."""
    threads: int
    blocks: int
    """Number of memory blocks of Python's own allocator. A leak of objects shows here."""
    in_use: int
    """Allocated bytes of the C allocator, or 0 if it does not report them. A leak of buffers shows here."""
    rss: int
    """Resident bytes, including free memory that the allocator keeps."""
    store_rss: int
    """Resident bytes of the store's processes."""
    open_uploads: int
    """Number of open uploads in the store's listing."""


def read_gauges(
    moment: str, finished: int, drivers: Iterable[S3StorageDriver], store: Sequence[int], open_uploads: int
) -> Gauges:
    """Read the gauges of this process, the drivers, and the store's processes."""
    engines = [driver._engine for driver in drivers if driver._engine is not None]
    files = _open_files()
    return Gauges(
        moment=moment,
        finished=finished,
        running=sum(len(engine.running) for engine in engines),
        held=sum(engine.memory.used for engine in engines),
        tasks=len(asyncio.all_tasks()),
        files=len(files),
        sockets=sum(file.startswith("socket:") for file in files),
        threads=threading.active_count(),
        blocks=sys.getallocatedblocks(),
        in_use=_in_use(),
        rss=resident(os.getpid()),
        store_rss=sum(resident(process) for process in store),
        open_uploads=open_uploads,
    )


def resident(process: int) -> int:
    """Return the resident bytes of a process, or 0 if it has ended."""
    with suppress(FileNotFoundError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    return 0


def let_memory_go() -> None:
    """Collect garbage, and return free memory of the allocator to the system."""
    gc.collect()
    with suppress(OSError, AttributeError):  # not the GNU C library
        ctypes.CDLL(None).malloc_trim(0)


def growth(rests: Sequence[Gauges], allowed: int, allowed_rss: int) -> list[str]:
    """Return the gauges that grew between the first moment of rest, after the warm-up, and the last.

    Args:
        rests: gauges of every moment of rest, in order.
        allowed: bytes by which the memory in use may grow.
        allowed_rss: bytes by which the resident memory may grow, which has holes that the allocator keeps.
    """
    first, last = rests[0], rests[-1]
    found = [
        f"{name} grew from {getattr(first, name)} to {getattr(last, name)}"
        for name in ("tasks", "files", "sockets")
        if getattr(last, name) > getattr(first, name)
    ]
    for rest in rests:
        found += [
            f"{name} is {getattr(rest, name)} at {rest.moment}, and not 0"
            for name in ("running", "held", "open_uploads")
            if getattr(rest, name)
        ]
    if last.blocks > first.blocks * _MOST_BLOCKS:
        found.append(f"objects grew: {first.blocks} to {last.blocks} blocks")
    for name, most in (("in_use", allowed), ("rss", allowed_rss)):
        before, after = getattr(first, name), getattr(last, name)
        if after > before + most:
            found.append(f"{name} grew from {before / MIB:.1f} to {after / MIB:.1f} MiB")
    return found


class _MallocInfo(ctypes.Structure):
    """Result of mallinfo2 of the GNU C library."""

    _names = ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keep"]
    _fields_ = [(name, ctypes.c_size_t) for name in _names]


def _in_use() -> int:
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except (OSError, AttributeError):  # another C library
        return 0
    mallinfo.restype = _MallocInfo
    info = mallinfo()
    return int(info.uordblks) + int(info.hblkhd)


_IN_MIB: Final = ("held", "in_use", "rss", "store_rss")


def print_gauges(gauges: Gauges | None) -> None:
    """Print one row, or the head of the table for ``None``."""
    names = [entry.name for entry in fields(Gauges)]
    if gauges is None:
        print("| " + " | ".join(f"{name} MiB" if name in _IN_MIB else name for name in names) + " |")
        print("| --- |" + " --: |" * (len(names) - 1), flush=True)
        return
    cells = [getattr(gauges, name) / MIB if name in _IN_MIB else getattr(gauges, name) for name in names]
    print(
        "| " + " | ".join(f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells) + " |", flush=True
    )


def _open_files() -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the descriptor of the directory itself
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return found
