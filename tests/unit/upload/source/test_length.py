"""The length of a source: refused as soon as it is wrong."""

from __future__ import annotations

import pytest

from aios3._upload.source.length import SourceLength
from aios3.errors import ObjectTooLargeError, SizeMismatchError


def test_a_source_without_bounds_is_counted() -> None:
    bounds = SourceLength(size=None, max_size=None)
    assert (bounds.count(0), bounds.count(2**50), bounds.end()) == (0, 2**50, 2**50)
    assert bounds.max_read > 2**60


@pytest.mark.parametrize(
    ("size", "max_size", "error"),
    [(10, None, SizeMismatchError), (None, 10, ObjectTooLargeError), (10, 10, ObjectTooLargeError)],
)
def test_a_byte_too_many_is_refused_and_not_counted(
    size: int | None, max_size: int | None, error: type[Exception]
) -> None:
    bounds = SourceLength(size=size, max_size=max_size, read=4)
    assert bounds.max_read == 7
    assert bounds.count(6) == 10
    assert bounds.max_read == 1
    with pytest.raises(error):
        bounds.count(1)
    assert bounds.read == 10
    assert bounds.end() == 10


def test_a_refusal_names_the_smaller_bound() -> None:
    with pytest.raises(ObjectTooLargeError, match=r"^the source is longer than max_size=10 bytes$"):
        SourceLength(size=None, max_size=10).count(11)
    with pytest.raises(SizeMismatchError, match=r"^the source is longer than its declared size of 10 bytes$"):
        SourceLength(size=10, max_size=11).count(11)
    short = SourceLength(size=10, max_size=20)
    short.count(9)
    with pytest.raises(SizeMismatchError, match="ended after 9 of its declared 10 bytes"):
        short.end()
