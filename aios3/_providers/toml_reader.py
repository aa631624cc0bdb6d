"""Reader of ``providers.toml``, the table of facts about each kind of store."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["ROWS", "Row", "read_rows"]

_UNITS: Final[Mapping[str, int | timedelta]] = {
    "B": 1,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "hours": timedelta(hours=1),
    "days": timedelta(days=1),
}
_QUANTITIES: Final = frozenset(
    {
        "max_copy_size",
        "min_part_size",
        "max_part_size",
        "recommended_part_size",
        "max_object_size",
        "reorder_buffer",
        "aborts_uploads_after",
    }
)
"""Fields whose value is a number with a unit, or ``"never"``."""


class Row(NamedTuple):
    """One kind of store."""

    name: str
    facts: Mapping[str, Any]
    """Fields of `aios3.providers.Provider` and their values."""
    sources: Mapping[str, str]
    """Source of every field of `facts`."""


def read_rows(text: str) -> tuple[Row, ...]:
    """Read a table of providers.

    Raises:
        ValueError: the text is not TOML, a fact has no source, a provider names a field twice, or a unit is unknown.
    """
    return tuple(_row(name, statements) for name, statements in tomllib.loads(text).items())


def _row(name: str, statements: list[dict[str, Any]]) -> Row:
    facts: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for statement in statements:
        source = statement.pop("source", None)
        if statement and not source:
            raise ValueError(f"{name}: {', '.join(statement)}: no source is named")
        if repeated := facts.keys() & statement.keys():
            raise ValueError(f"{name}: {', '.join(sorted(repeated))}: named twice")
        facts.update({field: _value(field, value) for field, value in statement.items()})
        sources.update(dict.fromkeys(statement, source))
    return Row(name, facts, sources)


def _value(field: str, value: Any) -> Any:
    if field in _QUANTITIES:
        return _quantity(value)
    if field in ("endpoint_variants", "access_points"):
        return tuple((_switches(variant), pattern) for variant, pattern in value.items())
    if field == "partitions":
        return tuple((start, each["domain"], frozenset(each.get("lacks", ()))) for start, each in value.items())
    if isinstance(value, list):
        return tuple(value) if field == "endpoint_aliases" else frozenset(value)
    return value


def _switches(variant: str) -> frozenset[str]:
    return frozenset() if variant == "usual" else frozenset(variant.split("_"))


def _quantity(text: str) -> int | timedelta | None:
    """Parse ``"5 GiB"`` as bytes, ``"7 days"`` as a time, and ``"never"`` as ``None``."""
    if text == "never":
        return None
    number, _, unit = text.partition(" ")
    if unit not in _UNITS:
        raise ValueError(f"{text!r} has none of the units {', '.join(_UNITS)}")
    return int(number) * _UNITS[unit]


ROWS: Final = read_rows(Path(__file__).with_name("providers.toml").read_text("utf-8"))
