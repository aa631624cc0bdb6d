"""The matrix says what came of a run, and the committed one is of a run of these checks."""

from __future__ import annotations

import re
from datetime import date

from aios3 import PROVIDERS
from tests.conformance import contents, endings, housekeeping, keys  # noqa: F401 - importing them adds their checks
from tests.conformance.known_limits import KNOWN_LIMITS
from tests.conformance.matrix import Result, make_matrix
from tests.conformance.registry import CHECKS
from tests.stores.stores import STORES
from tests.support.places import ROOT

COMMITTED = ROOT / "docs" / "conformance.md"
DAY = date(2026, 11, 23)


def test_the_matrix_counts() -> None:
    results = [
        Result("S3Server as generic", "0.1", "generic", "a", "passed"),
        Result("S3Server as generic", "0.1", "generic", "b", "failed"),
        Result("S3Server as google", "0.1", "google", "a", "passed"),
        Result("moto", "5", "moto", "a", "passed"),
        Result("moto", "5", "moto", "b", "known limit", "it cannot"),
    ]
    lines = make_matrix(results, DAY).splitlines()
    assert "| moto | 5 | `moto` | 1 | 1 | 0 | 0 | 2026-11-23 |" in lines
    assert "| moto | `b` | it cannot |" in lines
    assert "| `generic` | `S3StorageDriver` | loopback, by path | 1 of 2 | 1 |  | 2026-11-23 |" in lines
    where = "`https://storage.googleapis.com`"
    assert f"| `google` | `GoogleStorageDriver` | {where} | 1 of 1 | 0 |  | 2026-11-23 |" in lines
    assert "| `moto` | `S3StorageDriver` | loopback, by path | not run | 0 | moto |  |" in lines


def test_the_committed_matrix_is_of_these_checks() -> None:
    text = COMMITTED.read_text(encoding="utf-8")
    stores = re.findall(r"^\| (.+) \| \S+ \| `\w+` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| \S+ \|$", text, re.MULTILINE)
    assert {name for name, *_ in stores} == set(STORES)
    for name, passed, limits, failed, not_run in stores:
        assert (int(passed) + int(limits), failed, not_run) == (len(CHECKS), "0", "0"), name
        assert int(limits) == sum(endpoint == name for endpoint, _ in KNOWN_LIMITS)
    rows = re.findall(r"^\| `(\w+)` \| `\w+` \| [^|]+ \| (\d+ of \d+|not run) \| 0 \|", text, re.MULTILINE)
    assert rows == [(name, f"{len(CHECKS)} of {len(CHECKS)}") for name in PROVIDERS]
