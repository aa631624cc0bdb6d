"""The tests of the sdist against an installed wheel: one row of the table of supported versions.

``python -m tests.project.wheel.suite dist/*.whl dist/*.tar.gz --python python3.12 tests/unit/upload tests/unit/client``

The tests run from an unpacked sdist without the package in it, so nothing but the wheel can be imported.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from tests.project.wheel.environments import (
    NEWEST,
    OLDEST,
    PRE_RELEASES,
    Environments,
    extras_of,
    group,
    oldest,
    run,
)

__all__ = ["run_suite"]

ROOT: Final = Path(__file__).parents[3]
SHOWN: Final = ("aiohttp", "aiofiles", "xmltodict", "pytest")
LOCATION: Final = "import aios3, pathlib; print(pathlib.Path(aios3.__file__).resolve())"


def run_suite(wheel: Path, sdist: Path, python: str, releases: str, tests: list[str]) -> str:
    """Run `tests`, and return a row of the table.

    Raises:
        AssertionError: the package that the tests would import is not the wheel's.
    """
    with tempfile.TemporaryDirectory() as folder:
        environments = Environments(python, Path(folder))
        extras = [
            extra for extra in extras_of(ROOT) if extra != "testing"
        ]  # the tools of the tests want a newer pytest
        wanted = [f"{wheel}[{','.join(extras)}]", *group(ROOT, "test"), *group(ROOT, "demo")]
        installed = environments.make("suite", *wanted, releases=releases, pins=oldest(ROOT, *extras))
        place = unpack(sdist, Path(folder))
        found = Path(run(installed, "-c", LOCATION, cwd=place).strip())
        assert found.is_relative_to(Path(folder).resolve() / "suite"), found
        report = Path(folder) / "report.xml"
        subprocess.run(
            [installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *tests],
            cwd=place,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )
        versions = run(
            installed, "-c", f"from importlib.metadata import version; print(*map(version, {SHOWN!r}), sep=', ')"
        )
        return f"| {environments.version} | {releases}: {versions.strip()} | {_scope(tests)} | {_outcome(report)} |"


def unpack(sdist: Path, folder: Path) -> Path:
    """Unpack a source distribution without its package, and return its folder."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (place,) = folder.glob("aios3_upload-*")
    shutil.rmtree(place / "aios3")
    return place


def _scope(tests: list[str]) -> str:
    return f"{len(tests)} paths" if len(tests) > 3 else ", ".join(f"`{path}`" for path in tests)


def _outcome(report: Path) -> str:
    suite = ET.parse(report).getroot().find("testsuite")
    assert suite is not None
    count, failed, skipped = (
        int(suite.get("tests", 0)),
        int(suite.get("failures", 0)) + int(suite.get("errors", 0)),
        int(suite.get("skipped", 0)),
    )
    return f"{count - failed - skipped} passed, {failed} failed, {skipped} skipped"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("sdist", type=Path)
    parser.add_argument("--python", default="python3", help="command of the interpreter")
    parser.add_argument("--releases", choices=(NEWEST, OLDEST, PRE_RELEASES), default=NEWEST)
    parser.add_argument("tests", nargs="+")
    chosen = parser.parse_args()
    print(run_suite(chosen.wheel.resolve(), chosen.sdist.resolve(), chosen.python, chosen.releases, chosen.tests))


if __name__ == "__main__":
    main()
