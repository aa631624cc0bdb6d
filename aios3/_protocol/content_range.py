"""Which bytes of an object an answer holds, as its Content-Range header says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["ContentRange", "read_content_range"]

# Eighteen digits are more than any object has, and keep int() from refusing or labouring.
_CONTENT_RANGE: Final = re.compile(r"bytes\s+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ContentRange:
    """A section of an object."""

    start: int
    """Offset of the first byte."""
    end: int
    """Offset after the last byte."""
    total: int | None
    """Bytes of the whole object, or ``None`` where the store does not say."""


def read_content_range(headers: Mapping[str, str]) -> ContentRange | None:
    """Return the section that an answer holds, or ``None`` if there is no such header or it makes no sense."""
    found = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if found is None:
        return None
    section = ContentRange(int(found[1]), int(found[2]) + 1, None if found[3] == "*" else int(found[3]))
    is_inside = section.total is None or section.end <= section.total
    return section if section.start < section.end and is_inside else None
