"""The conformance matrix: what was checked in a run, on which version of which store, and how it went, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from aios3.testing.stores import STORES
from tests.conformance.endpoints import STANDS_FOR
from tests.conformance.known_limits import REFUSED_KEYS

__all__ = ["CONFORMANCE", "Outcome", "Result", "make_matrix", "result_of"]

CONFORMANCE = "conformance"
"""The name of the property that a test leaves in its report."""

Outcome = Literal["passed", "known limit", "failed", "not run"]
COUNTED: tuple[Outcome, ...] = ("passed", "known limit", "failed", "not run")


@dataclass(frozen=True, slots=True)
class Result:
    """How one check went on one endpoint."""

    endpoint: str
    version: str
    provider: str
    """The row of the provider table that the driver was told."""
    check: str
    outcome: Outcome
    reason: str = ""
    """Of a known limit."""


def result_of(properties: Iterable[tuple[str, object]], outcome: str) -> Result | None:
    """Return the result that a test's report tells of; ``None`` if the test is no check, or never got its endpoint."""
    found = dict(properties).get(CONFORMANCE)
    if not isinstance(found, dict):
        return None
    words: dict[str, Outcome] = {"passed": "known limit" if found["reason"] else "passed", "skipped": "not run"}
    return Result(**found, outcome=words.get(outcome, "failed"))


def make_matrix(results: Iterable[Result], day: date) -> str:
    """Return the whole document."""
    by_endpoint: dict[str, list[Result]] = {}
    for result in results:
        by_endpoint.setdefault(result.endpoint, []).append(result)
    order = [*STORES, *(name for name in by_endpoint if name not in STORES)]
    ordered = {name: by_endpoint[name] for name in order if name in by_endpoint}
    return "\n".join([_INTRODUCTION, *_stores(ordered, day), "", *_limits(ordered), "", *_rows(ordered), ""])


_INTRODUCTION = """\
# Conformance

Written by the test run itself, not by hand. To make it again:

```console
$ AIOS3_CONFORMANCE_TABLE=docs/conformance.md make test ARGS=tests/conformance
```

The checks are those of [tests/conformance](../tests/conformance). A known limit is something that a store is known not
to do: it is asserted that it fails in just that way, so the day the store does it the run fails.
"""


def _stores(ordered: Mapping[str, list[Result]], day: date) -> list[str]:
    lines = [
        "## Stores",
        "",
        "| store | version | provider row | checks passed | known limits | failed | not run | date |",
        "| --- | --- | --- | --: | --: | --: | --: | --- |",
    ]
    for name, results in ordered.items():
        counts = Counter(result.outcome for result in results)
        cells = (_title(name), results[0].version, f"`{results[0].provider}`", *(str(counts[one]) for one in COUNTED))
        lines.append(f"| {' | '.join(cells)} | {day.isoformat()} |")
    return lines


def _limits(ordered: Mapping[str, list[Result]]) -> list[str]:
    lines = ["## Known limits", "", "| store | check | why |", "| --- | --- | --- |"]
    for name, results in ordered.items():
        lines.extend(
            f"| {_title(name)} | `{result.check}` | {result.reason} |"
            for result in results
            if result.outcome == "known limit"
        )
    for name, keys in REFUSED_KEYS.items():
        if name in ordered:
            refused = ", ".join(sorted(keys))
            lines += ["", f"A check of a key also passes where the key is refused; {name} refuses these: {refused}."]
    return lines


def _rows(ordered: Mapping[str, list[Result]]) -> list[str]:
    lines = [
        "## Provider rows",
        "",
        "Every row of the provider table. The test server keeps a row's limits: its number of parts, equal parts,",
        "least part size, signing region, regions in CreateBucket, final ETags and default checksum. Rows that are",
        "alike in all of that, to the sizes that the checks send, would be the same run; so one of them is run and",
        "stands for the others. What only the service itself can show is not checked by it: host names, TLS, sessions",
        "(which `s3express` needs and aios3 does not open yet), and what was read in its documentation.",
        "",
        "| row | test server as | checks passed | a real store |",
        "| --- | --- | --: | --- |",
    ]
    real = {results[0].provider: name for name, results in ordered.items() if name in STORES}
    for row, representative in STANDS_FOR.items():
        results = ordered.get(f"S3Server as {representative}", [])
        passed = Counter(result.outcome for result in results)["passed"]
        stand_in = "itself" if row == representative else f"`{representative}` stands for it"
        lines.append(f"| `{row}` | {stand_in} | {passed} of {len(results)} | {real.get(row, '')} |")
    return lines


def _title(endpoint: str) -> str:
    return endpoint.replace("S3Server as ", "test server as ")
