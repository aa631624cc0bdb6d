"""The conformance matrix: what was checked in a run, on which version of which store, and how it went, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from aios3 import PROVIDERS, S3StorageDriver
from tests.conformance.endpoints import CONFIGURED, DRIVERS
from tests.conformance.known_limits import REFUSED_KEYS
from tests.conformance.rows import address_of, region_of, server_name
from tests.stores.stores import STORES

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
    stores = {name: by_endpoint[name] for name in (*STORES, CONFIGURED) if name in by_endpoint}
    rows = {name: by_endpoint.get(server_name(name), []) for name in PROVIDERS}
    return "\n".join([_INTRODUCTION, *_stores(stores, day), "", *_limits(stores), "", *_rows(rows, stores, day), ""])


_INTRODUCTION = """\
# Conformance

The tests write this page. To write it again, run:

<!-- not executed: it takes minutes, and writes this page -->
```console
$ AIOS3_CONFORMANCE_TABLE=docs/conformance.md make test ARGS="tests/conformance -n 2 --dist=loadfile"
```

`AIOS3_CONFORMANCE_TABLE=-` prints the page instead.

The checks are in [tests/conformance](../tests/conformance). A known limit is something that a store does not do. Its
check must fail in exactly that way. So if a new version of the store can do it, the run fails.
"""


def _stores(stores: Mapping[str, list[Result]], day: date) -> list[str]:
    lines = [
        "## Stores",
        "",
        "| store | version | provider row | checks passed | known limits | failed | not run | date |",
        "| --- | --- | --- | --: | --: | --: | --: | --- |",
    ]
    for name, results in stores.items():
        counts = Counter(result.outcome for result in results)
        cells = (name, results[0].version, f"`{results[0].provider}`", *(str(counts[one]) for one in COUNTED))
        lines.append(f"| {' | '.join(cells)} | {day.isoformat()} |")
    return lines


def _limits(stores: Mapping[str, list[Result]]) -> list[str]:
    lines = ["## Known limits", "", "| store | check | why |", "| --- | --- | --- |"]
    for name, results in stores.items():
        lines.extend(
            f"| {name} | `{result.check}` | {result.reason} |" for result in results if result.outcome == "known limit"
        )
    for name, keys in REFUSED_KEYS.items():
        if name in stores:
            refused = ", ".join(sorted(keys))
            lines += [
                "",
                f"A check of a key also passes if the store refuses the key; {name} refuses these: {refused}.",
            ]
    return lines


_ABOUT_ROWS = """\
## Provider rows

The checks run once for every row of the provider table, against the test server. The server imitates the store of the
row:

- It refuses what the store is known to refuse: attributes, conditions, checksums, Content-MD5, unsigned payloads, plain
  http, another region, and credentials that are not of a session (`s3express`).
- It has the limits of the store: number and sizes of parts, size of objects, equal parts.
- It behaves like the store at CreateBucket with a region, and when it lists uploads by exact key only.

A run fails if the driver sends a checksum that the store is not known to take. It also fails if the driver addresses a
bucket in another way than the row says. The limit of parts, and whether parts may grow, is checked with small parts,
and fewer of them.

If the row has a host for its service, the run uses that host over TLS, and the name leads to the test server. Otherwise
the run uses http on loopback. Only the real service can show whether its documentation, from which a row comes, is
right.
"""


def _rows(rows: Mapping[str, list[Result]], stores: Mapping[str, list[Result]], day: date) -> list[str]:
    lines = [
        *_ABOUT_ROWS.splitlines(),
        "",
        "| row | driver | reached at | checks passed | failed | a real store | date |",
        "| --- | --- | --- | --: | --: | --- | --- |",
    ]
    real = {results[0].provider: name for name, results in stores.items() if name in STORES}
    for row, results in rows.items():
        counts = Counter(result.outcome for result in results)
        passed = f"{counts['passed']} of {len(results)}" if results else "not run"
        driver = DRIVERS.get(row, S3StorageDriver).__name__
        told = (f"`{row}`", f"`{driver}`", _place(row), passed, str(counts["failed"]), real.get(row, ""))
        lines.append(f"| {' | '.join(told)} | {day.isoformat() if results else ''} |")
    return lines


def _place(row: str) -> str:
    provider = PROVIDERS[row]
    url = address_of(provider, region_of(provider))
    if url is None:
        return "loopback, by path"
    scheme, _, host = url.partition("://")
    return f"`{scheme}://{'{bucket}.' if provider.addressing == 'virtual' and provider.endpoint else ''}{host}`"
