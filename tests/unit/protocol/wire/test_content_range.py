"""Which bytes of an object an answer holds."""

from __future__ import annotations

import pytest

from aios3._protocol.wire.response_headers import ContentRange, read_content_range


@pytest.mark.parametrize(
    ("text", "section"),
    [
        ("bytes 0-9/10", ContentRange(0, 10, 10)),
        ("bytes 5-5/10", ContentRange(5, 6, 10)),
        (" Bytes  5-9/* ", ContentRange(5, 10, None)),
    ],
)
def test_a_section_is_read(text: str, section: ContentRange) -> None:
    assert read_content_range({"content-range": text}) == section


@pytest.mark.parametrize(
    "text",
    ["", "bytes */10", "bytes 5-4/10", "bytes 0-10/10", "bytes 0-9", "items 0-9/10", "bytes a-b/c", "bytes 0-٣/10"],
)
def test_a_section_that_makes_no_sense_counts_as_absent(text: str) -> None:
    assert read_content_range({"content-range": text}) is None
    assert read_content_range({}) is None
