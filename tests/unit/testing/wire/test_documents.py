"""Documents that clients send."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aios3.testing.wire.documents import (
    ListedPart,
    MalformedDocumentError,
    read_completion,
    read_location_constraint,
    timestamp,
)

PART = "<Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag></Part>"
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@pytest.mark.parametrize("attribute", ["", f' xmlns="{NAMESPACE}"'])
def test_parts_are_read_in_order(attribute: str):
    second = "<Part><ETag>f</ETag><ChecksumCRC32>AAAA</ChecksumCRC32><PartNumber> 2 </PartNumber></Part>"
    document = f"<CompleteMultipartUpload{attribute}>{PART}{second}</CompleteMultipartUpload>"
    assert read_completion(document.encode()) == [ListedPart(1, "e", {}), ListedPart(2, "f", {"crc32": "AAAA"})]


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<CompleteMultipartUpload/>",
        f"<CompleteMultipartUpload>{PART}",
        f"<Other>{PART}</Other>",
        f'<CompleteMultipartUpload xmlns="http://example.com/">{PART}</CompleteMultipartUpload>',
        f"<!DOCTYPE x><CompleteMultipartUpload>{PART}</CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Teil><PartNumber>1</PartNumber><ETag>e</ETag></Teil></CompleteMultipartUpload>",
        f"<CompleteMultipartUpload>{PART.replace('</Part>', '<Size>1</Size></Part>')}</CompleteMultipartUpload>",
    ],
)
def test_anything_else_is_malformed(document: str):
    with pytest.raises(MalformedDocumentError):
        read_completion(document.encode())


def test_a_location_constraint_is_read():
    region = "<LocationConstraint>eu-west-1</LocationConstraint>"
    assert read_location_constraint(b"") is None
    assert read_location_constraint(b"<CreateBucketConfiguration/>") is None
    document = f"<CreateBucketConfiguration>{region}</CreateBucketConfiguration>"
    assert read_location_constraint(document.encode()) == "eu-west-1"


def test_times_are_written_with_milliseconds():
    assert timestamp(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)) == "2026-01-02T03:04:05.678Z"
