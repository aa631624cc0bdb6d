"""A program that uploads what it reads from its standard input: run, fed, and weighed by what the system says of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from benchmarks.source import Source

__all__ = ["Program"]

_LOOK_EVERY: Final = 0.02


class Program:
    """Runs commands of one program, ``at_once`` of them at a time.

    The CPU and the memory of its processes are counted, those of the process
    that feeds them are not.
    """

    def __init__(self, environment: Mapping[str, str], at_once: int) -> None:
        self._environment = dict(os.environ) | dict(environment)
        self._threads = ThreadPoolExecutor(max_workers=at_once)
        self._cpu = 0.0
        self._idle = 0
        self._running: dict[int, int] = {}
        self._peak = 0

    async def run_idle(self, *command: str) -> None:
        """Run a command that does nothing, so that a program which only runs is not counted as uploading."""
        await self.run(*command)
        self._cpu, self._idle, self._peak = 0.0, self._peak, 0

    async def run(self, *command: str, source: Source | None = None) -> None:
        """Run a command to its end, feeding it the source.

        Raises:
            RuntimeError: it ended badly.
        """
        reading, writing = os.pipe()
        inherited = [(os.POSIX_SPAWN_DUP2, reading, 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
        pid = os.posix_spawn(command[0], command, self._environment, file_actions=inherited)
        os.close(reading)
        watcher = asyncio.create_task(self._watch(pid))
        await self._in_thread(_feed, writing, source)
        _, status, usage = await self._in_thread(os.wait4, pid, 0)
        watcher.cancel()
        self._running.pop(pid, None)
        self._cpu += usage.ru_utime + usage.ru_stime
        if status:
            raise RuntimeError(f"{' '.join(command[:2])} ended with {os.waitstatus_to_exitcode(status)}")

    def figures(self) -> dict[str, float]:
        """Return CPU seconds of all runs, and the most memory of those that ran at once, over that of idle ones."""
        return {"cpu_seconds": self._cpu, "over_idle_bytes": self._peak}

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def _watch(self, pid: int) -> None:
        # ru_maxrss cannot be used: across exec it keeps the peak of the process that forked.
        status = Path(f"/proc/{pid}/status")
        while True:
            try:
                peaks = [int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")]
            except OSError:
                return
            self._running[pid] = max([0, *(1024 * kib - self._idle for kib in peaks)])
            self._peak = max(self._peak, sum(self._running.values()))
            await asyncio.sleep(_LOOK_EVERY)


def _feed(writing: int, source: Source | None) -> None:
    with open(writing, "wb", buffering=0) as pipe:
        for chunk in source or ():
            view = memoryview(chunk)
            while view:
                view = view[pipe.write(view) :]
