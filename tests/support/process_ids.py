"""Processes by their id."""

from __future__ import annotations

import os
from pathlib import Path


def is_alive(process_id: int) -> bool:
    """Return whether a process is there: one that has ended is, until its parent has waited for it."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def is_running(process_id: int) -> bool:
    """Return whether a process runs: one that has ended does not, although its parent has not waited for it."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
