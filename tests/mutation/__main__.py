"""Mutation testing: ``python -m tests.mutation FILE [FILE ...]``, for example ``aios3/_protocol/policies/retry.py``.

mutmut makes the mutants of a module. The test files of the module have to kill them, and what survives is given to the
tests of its layer and of the driver. All are read once, and a child is forked for every mutant. A row is printed for
each module, and ``build/mutation`` gets the survivors.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import gc
import os
import re
import resource
import shutil
import signal
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
BUILD: Final = ROOT / "build" / "mutation"
_LONGEST: Final = 30
"""Seconds of work for all tests of one mutant; longer is taken for killed."""
_LONGEST_ABOVE: Final = 240
"""The same for the tests of the layer and of the driver."""
_LEFT_OUT: Final = frozenset(
    {
        "test_architecture.py",
        "conformance",
        "fuzz",
        "mutation",
        "project",
        "robustness",
        "simulation",
        "soak",
        "stores",
        "testing",
    }
)
"""Folders whose tests take too long to run for every mutant, or are about something else."""
_PATIENCE: Final = 4
"""Wall-clock seconds for each second of work. Then the runner kills the child, whose test may wait without end."""


class Forks:
    """A plugin for pytest that runs the collected tests once for every mutant, and stops at the first that fails."""

    def __init__(self, module: str, names: list[str], longest: int = _LONGEST) -> None:
        """Take the full name of the module, the names of its mutants, and the seconds of work for each."""
        self._longest = longest
        self._module = module
        self.names = names
        self.survivors: list[str] = []
        self.timeouts = 0
        self.is_sound = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run them, first without a mutant."""
        gc.collect()
        gc.freeze()  # or every child would copy all that was read
        self.is_sound = self._passes(session, "")
        for name in self.names if self.is_sound else ():
            if self._passes(session, f"{self._module}.{name}"):
                self.survivors.append(name)
        return True

    def _passes(self, session: pytest.Session, mutant: str) -> bool:
        child = os.fork()
        if child == 0:
            _run_tests(session, mutant, self._longest)
        signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
        signal.alarm(_PATIENCE * self._longest)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        signal.alarm(0)
        self.timeouts += status < 0
        return status == 0


def _run_tests(session: pytest.Session, mutant: str, longest: int) -> None:
    os.environ["MUTANT_UNDER_TEST"] = mutant
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(nothing, descriptor)
    resource.setrlimit(resource.RLIMIT_CPU, (longest, longest))
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


def tests_of(module: str) -> list[str]:
    """Return the test files of `module`: first those that bear its name, then those that import it; no slow ones."""
    package, _, name = module.rpartition(".")
    wanted = re.compile(rf"{re.escape(module)}\b|from {re.escape(package)} import [^\n]*\b{name}\b")
    return [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "tests").rglob("test_*.py"), key=lambda path: (path.stem != f"test_{name}", path))
        if not _LEFT_OUT & {*path.relative_to(ROOT).parts}
        and (path.stem == f"test_{name}" or wanted.search(path.read_text()))
    ]


def tests_above(module: str) -> list[str]:
    """Return the folders of tests that see `module` from above: those of its layer, and those of the driver."""
    layer = module.split(".")[1].removeprefix("_")
    return [folder for folder in (f"tests/unit/{layer}", "tests/behaviour") if (ROOT / folder).is_dir()]


def run(file: Path, *, again: bool, only_own: bool) -> None:
    """Run a module's mutants, or those that survived before, and print its row; what survives is written to a file."""
    from mutmut.mutation.file_mutation import mutate_file_contents

    module = ".".join(file.with_suffix("").parts)
    place = BUILD / module
    shutil.rmtree(place, ignore_errors=True)
    for name in ("aios3", "tests"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    settings = (ROOT / "pyproject.toml").read_text() + '\n[tool.mutmut]\nsource_paths = ["aios3"]\n'
    (place / "pyproject.toml").write_text(settings)
    os.chdir(place)
    target = place / file
    mutated = mutate_file_contents(str(target), target.read_text())
    target.write_text(mutated.code)
    sys.path.insert(0, str(place))
    report = BUILD / f"{module}-survivors.txt"
    before = _survivors(report) if again else mutated.mutant_names
    forks = Forks(module, [name for name in mutated.mutant_names if name in before])
    plugins = ("tests.mutation.quick", "no:cacheprovider", "no:xdist")
    options = ["-q", "--tb=no", "--timeout=6", *(f"-p{plugin}" for plugin in plugins)]
    if own := tests_of(module):
        pytest.main([*options, *own], plugins=[forks])
    if not own or (forks.survivors and not only_own):
        forks = Forks(module, forks.survivors if own else forks.names, _LONGEST_ABOVE)
        pytest.main([*options, "--timeout=60", *tests_above(module)], plugins=[forks])
    report.write_text("\n".join(differences(mutated.code, forks.survivors)))
    alive, every = len(forks.survivors), len(before)
    score = f"{100 * (1 - alive / max(every, 1)):.1f} %" if forks.is_sound else "the tests fail without any"
    print(
        f"| {module} | {every} | {every - alive} | {forks.timeouts} | {alive} | {score} |", file=sys.stderr, flush=True
    )


def main() -> None:
    """Run every module in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="modules or folders below aios3")
    parser.add_argument("--again", action="store_true", help="only what survived before; the modules are unchanged")
    parser.add_argument("--own", action="store_true", help="only the modules' own test files, which is quick")
    options = parser.parse_args()
    print(
        "| module | mutants | killed | by timeout | survived | score |\n| --- | --: | --: | --: | --: | --: |",
        flush=True,
    )
    for named in options.files:
        for file in sorted(named.rglob("[!_]*.py")) if named.is_dir() else [named]:
            child = os.fork()
            if child == 0:
                os.nice(15)
                run(file, again=options.again, only_own=options.own)
                os._exit(0)
            os.waitpid(child, 0)


if __name__ == "__main__":
    main()
