"""Clean environments: what an index gives for a wheel, and nothing of the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["ISOLATED", "NEWEST", "OLDEST", "PRE_RELEASES", "Environments", "extras_of", "group", "oldest", "run"]

ISOLATED: Final = "-I"
"""The option of Python that keeps the checkout and PYTHONPATH out, so that the installed package is imported."""
NEWEST: Final = "newest"
OLDEST: Final = "oldest"
PRE_RELEASES: Final = "pre-releases"


class Environments:
    """Makes environments of one interpreter below one folder. One pip of that interpreter fills them all."""

    def __init__(self, python: str, folder: Path) -> None:
        """Take the command of the interpreter."""
        self._python = python
        self._folder = folder
        self.version = run(python, "-c", "import platform; print(platform.python_version())").strip()

    def make(self, name: str, *requirements: str, releases: str = NEWEST, pins: Iterable[str] = ()) -> str:
        """Make an environment with `requirements`, and return its interpreter.

        Args:
            name: its folder.
            requirements: as pip takes them.
            releases: which releases of them are installed: `NEWEST`, `PRE_RELEASES`, or `OLDEST`, which are `pins`.
            pins: exact releases for `OLDEST`.
        """
        pip = self._interpreter("pip")
        if not Path(pip).exists():
            run(self._python, "-m", "venv", str(self._folder / "pip"))
            run(pip, "-m", "pip", "install", "--quiet", "--quiet", "--upgrade", "pip")
        run(self._python, "-m", "venv", "--without-pip", str(self._folder / name))
        python = self._interpreter(name)
        constraints = self._folder / f"{name}.txt"
        constraints.write_text("\n".join(pins if releases == OLDEST else ()), encoding="utf-8")
        options = ["--constraint", str(constraints), *(["--pre"] if releases == PRE_RELEASES else [])]
        run(pip, "-m", "pip", "--python", python, "install", "--quiet", "--quiet", *options, *requirements)
        return python

    def _interpreter(self, name: str) -> str:
        return str(self._folder / name / ("Scripts" if sys.platform == "win32" else "bin") / "python")


def settings(root: Path) -> dict[str, Any]:
    """Return the tables of ``pyproject.toml``."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def extras_of(root: Path) -> dict[str, list[str]]:
    """Return the requirements of each extra."""
    found: dict[str, list[str]] = settings(root)["project"]["optional-dependencies"]
    return found


def group(root: Path, name: str) -> list[str]:
    """Return the requirements of a dependency group."""
    found: list[str] = settings(root)["dependency-groups"][name]
    return found


def oldest(root: Path, *extras: str) -> list[str]:
    """Return pins of the oldest releases that the package and some extras allow; of two bounds the higher one."""
    wanted = [*settings(root)["project"]["dependencies"]]
    for extra in extras:
        wanted += extras_of(root)[extra]
    bounds: dict[str, str] = {}
    for requirement in wanted:
        name, _, bound = requirement.partition(">=")
        bounds[name] = max(bounds.get(name, "0"), bound, key=_number)
    return [f"{name}=={bound}" for name, bound in bounds.items()]


def _number(version: str) -> list[int]:
    return [int("".join(filter(str.isdigit, piece)) or 0) for piece in version.split(".")]


def run(*command: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Run a command, and return what it prints.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, cwd=cwd, env=os.environ | (environment or {})
    ).stdout
