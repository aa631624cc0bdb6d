"""A store and a web server as processes, and what the kernel says of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .server import PROVIDER

__all__ = ["ServerProcess", "serving"]

_ROOT: Final = Path(__file__).parent.parent.parent
_TICK: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """Web server that runs."""

    pid: int
    port: int

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all its threads."""
        fields = self._file("stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    @property
    def resident_bytes(self) -> int:
        """Memory that it has now."""
        return self._figure("VmRSS")

    @property
    def peak_bytes(self) -> int:
        """Most memory that it had since `forget_peak`."""
        return self._figure("VmHWM")

    def forget_peak(self) -> None:
        """Let the peak begin at what the process has now."""
        self._file("clear_refs").write_text("5")

    def _figure(self, name: str) -> int:
        lines = self._file("status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))

    def _file(self, name: str) -> Path:
        return Path(f"/proc/{self.pid}/{name}")


@contextmanager
def serving(memory_mib: int) -> Iterator[ServerProcess]:
    """Run a store that holds objects in memory, and a web server before it."""
    with _running("aios3.testing", ["--provider", PROVIDER], {}) as store:
        variables = dict(_variable(store) for _ in range(5))
        with _running("benchmarks.web.server", ["--memory-mib", str(memory_mib)], variables) as server:
            assert server.stdout is not None
            yield ServerProcess(server.pid, int(server.stdout.readline()))


def _variable(store: subprocess.Popen[str]) -> tuple[str, str]:
    assert store.stdout is not None
    name, _, value = store.stdout.readline().strip().removeprefix("export ").partition("=")
    return name, value


@contextmanager
def _running(module: str, arguments: list[str], variables: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", module, *arguments]
    environment = {**os.environ, **variables}
    with subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)
