"""Pages of listings."""

from __future__ import annotations

import pytest

from aios3.testing.store.pages import group


@pytest.mark.parametrize(
    ("prefix", "delimiter", "expected"),
    [
        ("", None, ["a", "b/1", "b/1", "b/2", "c"]),
        ("", "/", ["a", "b/*", "c"]),
        ("b/", "/", ["a", "b/1", "b/1", "b/2", "c"]),
        ("", "b/1", ["a", "b/1*", "b/2", "c"]),
    ],
)
def test_each_common_prefix_stands_once_and_each_item_stays(prefix: str, delimiter: str | None, expected: list[str]):
    items = [("a", 1), ("b/1", 2), ("b/1", 3), ("b/2", 4), ("c", 5)]
    entries = group(items, prefix, delimiter)
    assert [f"{key}*" if item is None else key for key, item in entries] == expected
