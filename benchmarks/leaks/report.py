"""Turns what was seen into the Markdown page and into JSON."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final, TypeAlias

from benchmarks.leaks.cells import Cell
from benchmarks.leaks.verdicts import Observation, is_spotless, judge
from benchmarks.leaks.ways import WAYS

__all__ = ["Results", "as_json", "as_markdown", "cell_text"]

Results: TypeAlias = Mapping[Cell, Observation]

_NONE: Final = "-"
"""Where there is nothing to count."""
_PAGE: Final = Path(__file__).with_name("page.md")
_DISTRIBUTIONS: Final = ("aios3-upload", "aioboto3", "aiobotocore", "aiohttp-s3-client", "obstore", "aiohttp", "anyio")


def cell_text(cell: Cell, seen: Observation) -> str:
    """Return a cell: open uploads / tasks / sockets / object, in bold unless all is as it should be."""
    if not seen.is_possible:
        return _NONE
    if not seen.looks:
        return "**not reached**"
    uploads = _change([look.open_uploads for look in seen.looks])
    tasks = _change([look.tasks for look in seen.looks])
    sockets = "?" if seen.sockets is None else str(seen.sockets)
    text = f"{uploads} / {tasks} / {sockets} / {judge(WAYS[cell.way], seen)}"
    return text if is_spotless(WAYS[cell.way], seen) else f"**{text}**"


def as_markdown(results: Results, versions: Mapping[str, str], seconds: float) -> str:
    """Return the page. ``versions`` are the stores', ``seconds`` what the run took."""
    tables = [f"### {store} {version}\n\n{_store_table(results, store)}" for store, version in versions.items()]
    text = _PAGE.read_text(encoding="utf-8").format(
        facts=_facts(len(results), seconds),
        partial=_partial(results),
        overview=_overview(results),
        tables="\n\n".join(tables),
    )
    return text.rstrip() + "\n"


def as_json(results: Results) -> list[dict[str, Any]]:
    """Return all that was seen, one entry a cell."""
    return [
        {"store": cell.store, "way": cell.way, "client": cell.client, "cell": cell_text(cell, seen), **seen.as_json()}
        for cell, seen in results.items()
    ]


def _change(values: list[int | None]) -> str:
    texts = [_NONE if value is None else str(value) for value in values]
    return " → ".join(dict.fromkeys(texts))


def _store_table(results: Results, store: str) -> str:
    def show(way: str, client: str) -> str:
        cell = Cell(store, way, client)
        return cell_text(cell, results[cell])

    return _table(results, show)


def _overview(results: Results) -> str:
    """Return the table of how many stores something was left on."""

    def show(way: str, client: str) -> str:
        cells = {cell: seen for cell, seen in results.items() if (cell.way, cell.client) == (way, client)}
        possible = [seen for seen in cells.values() if seen.is_possible]
        spotted = sum(not is_spotless(WAYS[way], seen) for seen in possible)
        if not possible:
            return _NONE
        return f"**{spotted} of {len(possible)}**" if spotted else "0"

    return _table(results, show)


def _table(results: Results, show: Callable[[str, str], str]) -> str:
    clients = list(dict.fromkeys(cell.client for cell in results))
    lines = [_row("the upload ends by", *clients), _row(*("---" for _ in range(len(clients) + 1)))]
    ways = dict.fromkeys(cell.way for cell in results)
    lines += [_row(WAYS[way].title, *(show(way, client) for client in clients)) for way in ways]
    return "\n".join(lines)


def _partial(results: Results) -> str:
    cells = [cell for cell, seen in results.items() if any(look.stored == "other" for look in seen.looks)]
    if not cells:
        return "No cell of this run found a part of the source, or other bytes, at a key."
    named = dict.fromkeys(cell.client for cell in cells)
    return f"In {len(cells)} cells a key held other bytes than the source's: {', '.join(named)}."


def _row(*texts: str) -> str:
    return "| " + " | ".join(texts) + " |"


def _facts(cells: int, seconds: float) -> str:
    versions = ", ".join(f"{name} {_version(name)}" for name in _DISTRIBUTIONS)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{datetime.now(UTC):%Y-%m-%d}, {cells} cells in {seconds:.0f} s; {python}, {platform.system()}; {versions}."


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "(not installed)"
