"""Lets failing assertions of the checks tell their values; writes or prints the conformance matrix if asked."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    *(f"tests.conformance.{name}" for name in ("contents", "endings", "exchange", "housekeeping", "keys", "rows"))
)

_TABLE = os.environ.get("AIOS3_CONFORMANCE_TABLE")
"""The file to write, or a hyphen to print it; nothing is done without it."""

_REPORTS: dict[str, pytest.TestReport] = {}
"""By test, the report of its call, or of its clean-up if that failed."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what the matrix is made of."""
    if _TABLE and (report.when == "call" or (report.when == "teardown" and report.failed)):
        _REPORTS[report.nodeid] = report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write or print the matrix of all checks that this process ran or was told of."""
    from tests.conformance.matrix import make_matrix, result_of  # its assertions are not rewritten before

    found = [result_of(report.user_properties, report.outcome) for report in _REPORTS.values()]
    results = [result for result in found if result is not None]
    if not results:
        return
    matrix = make_matrix(results, datetime.now(UTC).date())
    if _TABLE == "-":
        terminalreporter.write(f"\n{matrix}")
    else:
        Path(str(_TABLE)).write_text(matrix, encoding="utf-8")
