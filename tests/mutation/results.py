"""What became of every mutant, read from what mutmut leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Result", "print_head", "print_row", "read_results"]

_SURVIVED: Final = 0
_UNTESTED: Final = (33, 5, None)
_TIMEOUTS: Final = (24, 36, -24, 152, 255)


@dataclass(frozen=True, slots=True)
class Result:
    """One mutant."""

    name: str
    code: int | None
    """What pytest's process ended with; ``None`` if it was not run."""
    difference: str
    """From the original, for those that no test noticed."""

    @property
    def is_alive(self) -> bool:
        """No test noticed it."""
        return _is_alive(self.code)


def _is_alive(code: int | None) -> bool:
    return code == _SURVIVED or code in _UNTESTED


def read_results(place: Path) -> list[Result]:
    """Read the results of a finished run in this folder."""
    return [
        Result(name, code, _difference(place, name) if _is_alive(code) else "")
        for file in (place / "mutants" / "aios3").rglob("*.meta")
        for name, code in json.loads(file.read_text())["exit_code_by_key"].items()
    ]


def _difference(place: Path, name: str) -> str:
    tool = Path(sys.executable).with_name("mutmut")
    shown = subprocess.run([tool, "show", name], cwd=place, check=True, capture_output=True, text=True).stdout
    return "\n".join(line for line in shown.splitlines() if not line.startswith(("---", "+++")))


def print_head() -> None:
    """Print the head of the table."""
    print("| module | mutants | killed | by timeout | survived | untested | score |")
    print("| --- | --: | --: | --: | --: | --: | --: |", flush=True)


def print_row(module: str, results: Sequence[Result]) -> None:
    """Print one line of it."""
    alive = sum(result.is_alive for result in results)
    untested = sum(result.code in _UNTESTED for result in results)
    timeouts = sum(result.code in _TIMEOUTS for result in results)
    score = 100 * (1 - alive / max(len(results), 1))
    counts = (len(results), len(results) - alive, timeouts, alive - untested, untested)
    print(f"| {module} | {' | '.join(map(str, counts))} | {score:.1f} % |", flush=True)
