"""How the plan of an upload grows with its size: ``python -m benchmarks.plan [--output NAME]``.

By calculation, in seconds: nothing is sent and no byte is copied. The tables go
to standard output, and with ``--output`` into a file beside their figures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Final, TypeAlias

from aios3.providers import PROVIDERS
from benchmarks.bookkeeping import Bookkeeping, keep_books
from benchmarks.job import GIB, KIB, MIB
from benchmarks.layouts import CONCURRENCY, Layout, Refused, lay_out
from benchmarks.machine import facts

__all__ = ["as_markdown", "main"]

Cells: TypeAlias = tuple[str, ...]

_RESULTS: Final = Path(__file__).with_name("results")
_TIB: Final = 1024 * GIB
_PROVIDERS: Final = ("generic", "aws", "google", "cloudflare")
_ASKED_AGAIN: Final = tuple(name for name in _PROVIDERS if not PROVIDERS[name].complete_etag_is_final)
_SIZES: Final = (MIB, 5 * MIB, 64 * MIB, GIB, 5 * GIB, 50_000 * MIB, _TIB, 5 * _TIB, 50_000 * GIB, 50 * _TIB)
"""50,000 are 10,000 parts of 5: 48.83 of the next unit."""
_COUNTS: Final = (2, 10, 100, 1_000, 10_000)
_TITLES: Final = ("part_size", "memory_limit", "parts", "first", "largest", "last", "held", "requests")

_PREFACE: Final = f"""\
With the plan, the cutter and the record of parts of aios3 itself, driven with sizes alone; nothing was sent.
{CONCURRENCY} parts are in flight.

- `part_size` and `memory_limit` are the defaults or, where these refuse the source or it would outgrow them, the least
  of their doublings that take it to its end: first more memory, then larger parts.
- `held` are source bytes in memory, at most: ({CONCURRENCY} + 1) x the largest part, but no more than `memory_limit`
  (then fewer parts are in flight) or than there are.
- `requests` are Create, the parts and Complete, or one PutObject for what fits into one part; none is repeated. Where
  it is not known that Complete tells the final ETag ({", ".join(_ASKED_AGAIN)}) a HEAD comes after it, at any size.
- Keeping count: `cut` says how long the part is, `record` notes its answer (in groups of {CONCURRENCY}, each from its
  end), `commit` checks that all are there and writes the body of Complete. The first two are spread over the upload,
  `commit` is done at once. In CPU time; tasks, requests and bytes are not in it.
"""


def main() -> None:
    """Calculate, print, and save what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=__doc__)
    parser.add_argument("--output", metavar="NAME", help="write results/NAME.json and results/NAME.md")
    options = parser.parse_args()
    asked = product(_PROVIDERS, _SIZES, (False, True))
    layouts = [lay_out(PROVIDERS[name], size, is_declared=is_declared) for name, size, is_declared in asked]
    books = [keep_books(count) for count in _COUNTS]
    notes = facts()
    text = "\n".join(f"- {fact}" for fact in notes) + "\n\n" + as_markdown(layouts, books)
    print(text, end="")
    if options.output:
        kept = {"facts": notes, "layouts": [*map(asdict, layouts)], "books": [*map(asdict, books)]}
        path = _RESULTS / f"{options.output}.json"
        path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
        title = f"# Growth of the plan\n\nWritten by `python -m benchmarks.plan {' '.join(sys.argv[1:])}`.\n\n"
        path.with_suffix(".md").write_text(f"{title}{_PREFACE}\n{text}")


def as_markdown(layouts: Sequence[Layout | Refused], books: Sequence[Bookkeeping]) -> str:
    """Return a table of layouts, one row for all that are alike, and one of what keeping count costs."""
    return "\n".join(["## Parts", "", *_layout_table(layouts), "", "## Keeping count", "", *_book_table(books)]) + "\n"


def _layout_table(layouts: Sequence[Layout | Refused]) -> Iterator[str]:
    yield f"| {' | '.join(('size', 'length', 'provider', *_TITLES))} |"
    yield "|---:|---|---|" + "---:|" * len(_TITLES)
    for (size, providers, cells), lengths in _alike(layouts).items():
        length = "either" if len(lengths) > 1 else lengths[0]
        yield f"| {' | '.join((_bytes(size), length, providers, *cells))} |"


def _alike(layouts: Sequence[Layout | Refused]) -> dict[tuple[int, str, Cells], list[str]]:
    """Join providers that cut a source in the same way, then lengths that make no difference."""
    providers: dict[tuple[int, str, Cells], list[str]] = {}
    for entry in sorted(layouts, key=lambda entry: (entry.size, entry.is_declared)):
        length = "declared" if entry.is_declared else "unknown"
        providers.setdefault((entry.size, length, _cells(entry)), []).append(entry.provider)
    lengths: dict[tuple[int, str, Cells], list[str]] = {}
    for (size, length, cells), names in providers.items():
        lengths.setdefault((size, ", ".join(names), cells), []).append(length)
    return lengths


def _cells(entry: Layout | Refused) -> Cells:
    if isinstance(entry, Refused):
        return f"at most {_bytes(entry.most)}", *[""] * (len(_TITLES) - 1)
    options = _bytes(entry.part_size), _bytes(entry.memory_limit)
    parts = _bytes(entry.first), _bytes(entry.largest), _bytes(entry.last)
    return *options, f"{entry.parts:,}", *parts, _bytes(entry.held), f"{entry.requests:,}"


def _book_table(books: Sequence[Bookkeeping]) -> Iterator[str]:
    each = "cut, µs a part | record, µs a part | commit, µs a part"
    yield f"| parts | {each} | together, ms | kept, bytes a part | body of Complete |"
    yield "|" + "---:|" * 7
    for entry in books:
        steps = entry.cut_seconds, entry.record_seconds, entry.commit_seconds
        each = " | ".join(f"{seconds / entry.parts * 1e6:.2f}" for seconds in steps)
        kept = f"{entry.kept_bytes / entry.parts:.0f}"
        yield f"| {entry.parts:,} | {each} | {sum(steps) * 1e3:.2f} | {kept} | {_bytes(entry.body_bytes)} |"


def _bytes(count: int) -> str:
    for name, unit in (("TiB", _TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count} bytes"


if __name__ == "__main__":
    main()
