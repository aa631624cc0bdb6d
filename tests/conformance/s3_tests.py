"""Trial of the store for tests by Ceph's s3-tests: ``python -m tests.conformance.s3_tests CHECKOUT``.

Ceph's tests are no part of this project. Their interpreter (``--python``) needs boto3, pytest and what their
requirements.txt names. The groups are chosen by the names of the tests.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from aios3.testing import S3Server
from tests.conformance.s3_tests_scope import GROUPS, OUT_OF_SCOPE

__all__ = ["Result", "group_of", "main", "make_table", "read_report", "reason_of"]

_FILES: Final = ("s3tests/functional/test_s3.py", "s3tests_boto3/functional/test_s3.py")
"""Place of the tests today, and before 2025."""

_USERS: Final = ("s3 main", "s3 alt", "s3 tenant", "iam", "iam root", "iam alt root")
"""Sections of the configuration. The store has one account, so all of them get its keys."""


@dataclass(frozen=True, slots=True)
class Result:
    """Outcome of one of Ceph's tests."""

    name: str
    outcome: str
    """``"passed"``, ``"failed"`` or ``"skipped"``."""
    detail: str = ""
    """First line of the failure."""

    @property
    def reason(self) -> str | None:
        """Reason why a failure is out of scope; ``None`` if it is not, or if there is no failure."""
        return reason_of(self.name) if self.outcome != "passed" else None


def group_of(name: str) -> str | None:
    """Return the group of a test, the first whose pattern is in the name; ``None`` if no group has it."""
    return next((group for group, pattern in GROUPS.items() if re.search(pattern, name)), None)


def reason_of(name: str) -> str | None:
    """Return why the store for tests does not do what a test asks; ``None`` if it should."""
    return next((reason for reason, pattern in OUT_OF_SCOPE.items() if re.search(pattern, name)), None)


def main(arguments: list[str] | None = None) -> int:
    """Run the groups, print the table, and return 1 if a test in scope has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.s3_tests", description=__doc__)
    parser.add_argument("checkout", type=Path, help="folder of a checkout of ceph/s3-tests")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has boto3 and pytest")
    parser.add_argument("--group", action="append", choices=list(GROUPS), help="group to run (default: all)")
    given = parser.parse_args(arguments)
    checkout = given.checkout.resolve()
    tests = next((name for name in _FILES if (checkout / name).exists()), None)
    if tests is None:
        parser.error(f"{checkout} has neither {' nor '.join(_FILES)}")
    with S3Server(buckets=()) as server, tempfile.TemporaryDirectory() as folder:
        runner = [given.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--runxfail", "-W", "ignore"]
        results = _run(runner, checkout, tests, given.group or list(GROUPS), server, Path(folder))
        errors = server.protocol_errors
    print(make_table(results))
    for error in errors:
        print(f"protocol error: {error}")
    return int(not results or any(each.outcome == "failed" and not each.reason for each in results))


def _run(
    runner: list[str], checkout: Path, tests: str, groups: list[str], server: S3Server, folder: Path
) -> list[Result]:
    config, report = folder / "s3tests.conf", folder / "report.xml"
    config.write_text(_configuration(server), encoding="utf-8")
    environment = {**os.environ, "S3TEST_CONF": str(config), "BOTO_DISABLE_CRT": "true"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    environment.pop("PYTHONPATH", None)  # this project's packages are not for Ceph's interpreter
    listed = subprocess.run(
        [*runner, "--collect-only", tests], cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    ids = [line for line in listed.stdout.splitlines() if "::" in line and group_of(_name(line)) in groups]
    command = [*runner, "--tb=line", f"--junitxml={report}", *ids]
    subprocess.run(command, cwd=checkout, env=environment, stdout=sys.stderr, check=False)
    return read_report(report.read_text(encoding="utf-8"))


def _name(node_id: str) -> str:
    return node_id.rpartition("::")[2].partition("[")[0]


def _configuration(server: S3Server) -> str:
    host, _, port = server.endpoint_url.removeprefix("http://").partition(":")
    keys = server.credentials
    fields = {
        "access_key": keys.access_key_id,
        "secret_key": keys.secret_access_key,
        "display_name": "owner",
        "user_id": "owner",
        "email": "owner@example.org",
        "tenant": "tenant",
        "api_name": "default",
    }
    sections = {"DEFAULT": {"host": host, "port": port, "is_secure": "False", "ssl_verify": "False"}}
    sections["fixtures"] = {"bucket prefix": "test-{random}-"}
    sections |= dict.fromkeys(_USERS, fields)
    return "\n".join(
        f"[{section}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
        for section, values in sections.items()
    )


def read_report(report: str) -> list[Result]:
    """Read the outcome of each test from a JUnit report. An error outside the test counts as its failure."""
    results: dict[str, Result] = {}
    for case in ET.fromstring(report).iter("testcase"):
        name, children = _name(case.get("name", "")), {child.tag: child for child in case}
        bad = next((children[tag] for tag in ("failure", "error") if tag in children), None)
        if bad is not None:
            results[name] = Result(name, "failed", (bad.get("message") or "").partition("\n")[0])
        else:
            results.setdefault(name, Result(name, "skipped" if "skipped" in children else "passed"))
    return list(results.values())


def make_table(results: Iterable[Result]) -> str:
    """Return a Markdown table by group, the tests out of scope by reason, and the failures."""
    counts: Counter[tuple[str, str]] = Counter()
    out: dict[str, list[str]] = {}
    failed = []
    for each in results:
        group = group_of(each.name) or "other"
        reason = each.reason
        kind = each.outcome if reason is None else "out of scope"
        counts[group, kind] += 1
        if reason is not None:
            out.setdefault(reason, []).append(each.name)
        elif each.outcome != "passed":
            failed.append(f"- `{each.name}` {each.outcome}: {each.detail}")
    parts = [_counts(counts), *(f"\n{reason}\n{_listed(names)}" for reason, names in sorted(out.items()))]
    return "\n".join([*parts, *(["", "Failed or skipped:", *failed] if failed else [])])


def _counts(counts: Mapping[tuple[str, str], int]) -> str:
    kinds = ("passed", "out of scope", "failed", "skipped")
    groups = [group for group in (*GROUPS, "other") if any(group == counted for counted, _ in counts)]
    rows = [[group, *(counts.get((group, kind), 0) for kind in kinds)] for group in groups]
    rows.append(["total", *(sum(n for (_, counted), n in counts.items() if counted == kind) for kind in kinds)])
    lines = [f"| group | {' | '.join(kinds)} |", "| --- |" + " --: |" * len(kinds)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def _listed(names: list[str]) -> str:
    return "\n".join(f"- `{name}`" for name in sorted(names))


if __name__ == "__main__":
    sys.exit(main())
