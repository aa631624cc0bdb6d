"""What figures belong to: date, revision, machine, and the load that was on it."""

from __future__ import annotations

import os
import platform
import shutil
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["facts"]


def facts() -> list[str]:
    """Return the lines that stand above the tables."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC{_revision()}; load average at the start {load}",
        f"{os.cpu_count()} cores, {_processor()}, {_memory_gib():.0f} GiB; {platform.system()} {platform.release()}",
        f"{platform.python_implementation()} {platform.python_version()}, {ssl.OPENSSL_VERSION}",
    ]


def _revision() -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return f", revision {answer.stdout.strip()}" if answer.returncode == 0 else ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
