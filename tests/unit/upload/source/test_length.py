"""The length of a source: refused as soon as it is wrong, and never earlier."""

from __future__ import annotations

import pytest

from aios3._upload.source.length import SourceLength
from aios3.errors import ObjectTooLargeError, SizeMismatchError


def test_without_bounds_everything_is_counted() -> None:
    """And nothing refused."""
    bounds = SourceLength(size=None, max_size=None)
    assert (bounds.count(0), bounds.count(2**50), bounds.read) == (0, 2**50, 2**50)
    assert bounds.max_read > 2**60
    assert bounds.end() == 2**50


@pytest.mark.parametrize(
    ("size", "max_size", "error"),
    [(10, None, SizeMismatchError), (None, 10, ObjectTooLargeError), (10, 10, ObjectTooLargeError)],
)
def test_a_byte_too_many_is_refused(size: int | None, max_size: int | None, error: type[Exception]) -> None:
    """The last one that is allowed is not; and what was refused is not counted."""
    bounds = SourceLength(size=size, max_size=max_size, read=4)
    assert bounds.max_read == 7
    assert bounds.count(6) == 10
    assert bounds.max_read == 1
    with pytest.raises(error):
        bounds.count(1)
    assert bounds.read == 10
    assert bounds.end() == 10


def test_a_source_that_is_too_short_is_refused_at_its_end() -> None:
    """With both numbers."""
    bounds = SourceLength(size=10, max_size=20)
    bounds.count(9)
    with pytest.raises(SizeMismatchError, match="ended after 9 of its declared 10 bytes"):
        bounds.end()


def test_a_refusal_names_the_bound() -> None:
    """The smaller of the two, and its number: a source may be as long as `max_size`."""
    with pytest.raises(ObjectTooLargeError, match=r"^the source is longer than max_size=10 bytes$"):
        SourceLength(size=None, max_size=10).count(11)
    with pytest.raises(SizeMismatchError, match=r"^the source is longer than its declared size of 10 bytes$"):
        SourceLength(size=10, max_size=11).count(11)
