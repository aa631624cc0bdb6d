"""Regions that the words of a refusal name, for stores that name the right one in no field of its own."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["regions_in_words"]

_MAX_TEXT: Final = 1000
_SUBJECT: Final = re.compile(r"region|scope|location|zone", re.ASCII | re.IGNORECASE)
# What follows one of these words is right, what precedes it was wrong.
_WISH: Final = re.compile(
    r"\b(?:expect(?:s|ed|ing)?|should|must|use|try|correct|valid|is in|located in|belongs to|instead)\b",
    re.ASCII | re.IGNORECASE,
)
_CHOICE: Final = re.compile(r"\bone of\b", re.ASCII | re.IGNORECASE)
_ANY_REGION: Final = "auto"
"""Region that a store takes for all its regions."""
_SCOPE: Final = r"\b[0-9]{8}/([A-Za-z0-9-]{1,63})/s3/aws4_request"
_QUOTED: Final = r"[\"'`\u2018\u201c<\[(]([A-Za-z][A-Za-z0-9-]{0,62})[\"'`\u2019\u201d>\])]"
# Without quotes only what no English word looks like is a region: hyphens and a digit at the end.
_PLAIN: Final = r"(?<![\w/-])([a-z]{2,}(?:-[a-z0-9]+)*-[a-z]*[0-9]+)(?![\w/-])"
_NAMED: Final = re.compile(f"{_SCOPE}|{_QUOTED}|{_PLAIN}")


def regions_in_words(message: str) -> tuple[str, ...]:
    """Return the regions that a message asks for, in its order; none if it is not about regions.

    A message may also repeat the refused region. A choice of several regions names none, unless it has ``auto``.
    """
    text = message[:_MAX_TEXT]
    wish = _WISH.search(text)
    if wish is None or not _SUBJECT.search(text):
        return ()
    rest = text[wish.end() :]
    if _CHOICE.search(text):
        return (_ANY_REGION,) if re.search(rf"\b{_ANY_REGION}\b", rest) else ()
    return tuple(next(filter(None, found.groups())) for found in _NAMED.finditer(rest))
