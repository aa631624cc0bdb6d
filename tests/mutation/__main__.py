"""Mutants of `_protocol` and `_upload`: ``python -m tests.mutation LAYER [MODULE ...]``, see ``docs/mutation.md``.

Every module is mutated alone, in a copy below ``build/mutation``, and its own test file has to kill the mutants.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .results import Result, print_head, print_row, read_results

ROOT: Final = Path(__file__).parents[2]
BUILD: Final = ROOT / "build" / "mutation"
LAYERS: Final = ("_protocol", "_upload")

_CONFIGURATION: Final = """
[tool.mutmut]
source_paths = ["aios3"]
only_mutate = ["aios3/{layer}/{module}.py"]
pytest_add_cli_args = ["-p", "tests.mutation.quick", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=6"]
pytest_add_cli_args_test_selection = ["{tests}"]
process_isolation = "forkserver"
timeout_multiplier = 5.0
timeout_constant = 4.0
use_setproctitle = false
track_dependencies = false
use_git_change_detection = false
"""


def run(layer: str, module: str, processes: int) -> list[Result]:
    """Run every mutant of a module.

    Raises:
        subprocess.CalledProcessError: the tests fail without any mutant, or the tool does.
    """
    place = BUILD / layer / module
    shutil.rmtree(place, ignore_errors=True)
    for name in ("aios3", "tests"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    tests = f"tests/{layer.removeprefix('_')}/test_{module}.py"
    configuration = _CONFIGURATION.format(layer=layer, module=module, tests=tests)
    (place / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + configuration)
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(processes)]
    with (place / "log").open("w") as log:
        subprocess.run(command, cwd=place, check=True, stdout=log, stderr=log, preexec_fn=lambda: os.nice(15))
    return read_results(place)


def _modules_of(layer: str, chosen: Sequence[str]) -> list[str]:
    return list(chosen) or sorted(path.stem for path in (ROOT / "aios3" / layer).glob("[!_]*.py"))


def main() -> None:
    """Run, print a table, and write the differences of all that survived next to the log."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("layer", choices=LAYERS)
    parser.add_argument("modules", nargs="*", help="without their .py; all of the layer if none is named")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    every: list[Result] = []
    print_head()
    for module in _modules_of(options.layer, options.modules):
        try:
            results = run(options.layer, module, options.processes)
        except subprocess.CalledProcessError:
            print(
                f"| {module} | failed, see {(BUILD / options.layer / module / 'log').relative_to(ROOT)} |", flush=True
            )
            continue
        print_row(module, results)
        report = BUILD / options.layer / f"{module}-survivors.txt"
        report.write_text("\n".join(result.difference for result in results if result.is_alive))
        every += results
    print_row("all", every)


if __name__ == "__main__":
    main()
