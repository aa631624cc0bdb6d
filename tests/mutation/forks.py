"""The quick way: ``python -m tests.mutation.forks LAYER [MODULE ...]``, the same mutants against the same tests.

The tests are read once, and a child is forked for every mutant, which is several times as fast. Some modules have
the tests of others beside their own, see `_BESIDE`. A row is printed for every module.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import gc
import os
import resource
import shutil
import signal
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
_LONGEST: Final = 30
"""Seconds of work for all tests of one mutant; longer is taken for killed."""
_PATIENCE: Final = 120
"""Seconds until a mutant that makes a test wait for ever is ended from here, where the test's own timeout cannot."""

_BESIDE: Final = {
    "client": ("regions",),
    "limiter": ("throttling_stores",),
    "part_sender": ("uploader", "session"),
    "upload_tasks": ("uploader", "session"),
    "uploader": ("session",),
    "xml_bodies": ("bucket_operations",),
}
"""Whose tests run beside the module's own, because they are what its promises are about."""


class Forks:
    """A plugin for pytest that runs the collected tests once for every mutant, and stops at the first that fails."""

    def __init__(self, module: str, names: list[str]) -> None:
        """Take the full name of the module, and the names of its mutants."""
        self._module = module
        self._names = names
        self.survivors: list[str] = []
        self.timeouts = 0
        self.is_sound = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run them, first without a mutant."""
        gc.collect()
        gc.freeze()  # or every child would copy all that was read
        self.is_sound = self._passes(session, "")
        for name in self._names if self.is_sound else ():
            if self._passes(session, f"{self._module}.{name}"):
                self.survivors.append(name)
        return True

    def _passes(self, session: pytest.Session, mutant: str) -> bool:
        child = os.fork()
        if child == 0:
            _run_tests(session, mutant)
        signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
        signal.alarm(_PATIENCE)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        signal.alarm(0)
        self.timeouts += status < 0
        return status == 0


def _run_tests(session: pytest.Session, mutant: str) -> None:
    os.environ["MUTANT_UNDER_TEST"] = mutant
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(nothing, descriptor)
    resource.setrlimit(resource.RLIMIT_CPU, (_LONGEST, _LONGEST))
    code = 1
    try:
        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                break
        else:
            code = 0
    finally:
        os._exit(code)


def differences(code: str, names: list[str]) -> list[str]:
    """Return what each of these mutants changes, out of the file that holds them all."""
    sources = {
        node.name: ast.unparse(node)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "__mutmut_" in node.name
    }
    return [f"# {name}\n{_difference(sources, name)}\n" for name in names]


def _difference(sources: dict[str, str], name: str) -> str:
    original = sources[name.rpartition("_")[0] + "_orig"].splitlines()[1:]
    lines = difflib.unified_diff(original, sources[name].splitlines()[1:], n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _survivors(report: Path) -> set[str]:
    return {line.removeprefix("# ") for line in report.read_text().splitlines() if line.startswith("# ")}


def run(layer: str, module: str, *, again: bool = False) -> None:
    """Run a module's mutants, or those that survived before, and print its row; what survives is written to a file."""
    from mutmut.mutation.file_mutation import mutate_file_contents

    place = ROOT / "build" / "mutation" / "forks" / layer / module
    shutil.rmtree(place, ignore_errors=True)
    for name in ("aios3", "tests"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    settings = (ROOT / "pyproject.toml").read_text() + '\n[tool.mutmut]\nsource_paths = ["aios3"]\n'
    (place / "pyproject.toml").write_text(settings)
    os.chdir(place)
    target = place / "aios3" / layer / f"{module}.py"
    mutated = mutate_file_contents(str(target), target.read_text())
    target.write_text(mutated.code)
    sys.path.insert(0, str(place))
    report = place.parent / f"{module}-survivors.txt"
    before = _survivors(report) if again else mutated.mutant_names
    names = [name for name in mutated.mutant_names if name in before]
    forks = Forks(f"aios3.{layer}.{module}", names)
    tests = [f"tests/{layer.removeprefix('_')}/test_{name}.py" for name in (module, *_BESIDE.get(module, ()))]
    options = [
        "-q",
        "--tb=no",
        "-p",
        "tests.mutation.quick",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--timeout=6",
        *tests,
    ]
    pytest.main(options, plugins=[forks])
    report.write_text("\n".join(differences(mutated.code, forks.survivors)))
    alive, every = len(forks.survivors), len(mutated.mutant_names)
    score = f"{100 * (1 - alive / max(every, 1)):.1f} %" if forks.is_sound else "the tests fail without any"
    print(
        f"| {module} | {every} | {every - alive} | {forks.timeouts} | {alive} | {score} |", file=sys.stderr, flush=True
    )


def main() -> None:
    """Run every module in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.forks", description=__doc__)
    parser.add_argument("layer", choices=("_protocol", "_upload"))
    parser.add_argument("modules", nargs="*", help="without their .py; all of the layer if none is named")
    parser.add_argument("--again", action="store_true", help="only what survived before; the modules are unchanged")
    options = parser.parse_args()
    found = sorted(path.stem for path in (ROOT / "aios3" / options.layer).glob("[!_]*.py"))
    print(
        "| module | mutants | killed | by timeout | survived | score |\n| --- | --: | --: | --: | --: | --: |",
        flush=True,
    )
    for module in options.modules or found:
        child = os.fork()
        if child == 0:
            os.nice(15)
            run(options.layer, module, again=options.again)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
