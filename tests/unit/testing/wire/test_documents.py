"""Documents that clients send."""

from __future__ import annotations

import pytest

from aios3.testing.wire.documents import (
    MalformedDocumentError,
    read_completion,
)

PART = "<Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag></Part>"


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
