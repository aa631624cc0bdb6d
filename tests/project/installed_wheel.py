"""Installs a wheel into clean environments, the core alone and with each extra, and imports what must be there.

python -m tests.project.installed_wheel dist/aios3_upload-0.1.0-py3-none-any.whl
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CORE: Final = (
    "aios3",
    "aios3.credential_providers",
    "aios3.directories",
    "aios3.observing",
    "aios3.testing",
    "aios3.web",
)
OF_EXTRA: Final = {
    "cli": ("aios3.cli",),
    "fsspec": ("aios3.fsspec",),
    "otel": ("aios3.otel",),
    "testing": ("aios3.testing.pytest_plugin",),
}
"""Modules that an extra adds; each other extra is needed by functions of the core's modules."""
ISOLATED: Final = "-I"
"""The option of Python that keeps the checkout and PYTHONPATH out, so that the installed package is imported."""


def main(wheel: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for extra in (None, *extras):
        with tempfile.TemporaryDirectory() as folder:
            python = install(Path(wheel).resolve(), extra, Path(folder))
            modules = (*CORE, *OF_EXTRA.get(extra or "", ()))
            run(python, ISOLATED, "-W", "error", "-c", f"import {', '.join(modules)}")
            print(f"{'core' if extra is None else extra}: {len(modules)} modules can be imported")
            if extra is None:
                print(figures(python))


def install(wheel: Path, extra: str | None, folder: Path) -> str:
    """Make an environment with the wheel, and return its interpreter."""
    run(sys.executable, "-m", "venv", str(folder))
    python = str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    run(python, "-m", "pip", "install", "--quiet", "--quiet", f"{wheel}[{extra}]" if extra else str(wheel))
    return python


def figures(python: str) -> str:
    """Return the size of the installed package, and the best of five times to import it beside aiohttp alone."""
    size = (
        "import aios3, pathlib; print(sum(f.stat().st_size for f in pathlib.Path(aios3.__file__).parent.rglob('*.py')))"
    )
    timed = "import time; a = time.perf_counter(); import {}; print(time.perf_counter() - a)"
    best = {
        name: min(float(run(python, ISOLATED, "-c", timed.format(name))) for _ in range(5))
        for name in ("aiohttp", "aios3")
    }
    milliseconds = ", ".join(f"import {name} {seconds * 1000:.0f} ms" for name, seconds in best.items())
    return f"sources installed: {int(run(python, ISOLATED, '-c', size)) / 1024:.0f} KiB; {milliseconds}"


def run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(*sys.argv[1:])
