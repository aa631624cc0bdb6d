"""The multipart operations: the request on the wire, and what its answer means."""

from __future__ import annotations

from typing import Any

import pytest

from aios3._protocol.operations import (
    Committed,
    CompleteMultipartUpload,
    CreateMultipartUpload,
    ListedPart,
    ListParts,
    PartResponse,
    PartsPage,
    UploadPart,
)
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.uri import Endpoint, request_url
from aios3.errors import ResponseError

ENDPOINT = Endpoint.parse("https://s3.example.com", "virtual")
OBJECT_URL = "https://bucket.s3.example.com/k"
CREATE = CreateMultipartUpload("bucket", "k", {"content-type": "video/mp4"})
PART = UploadPart("bucket", "k", "i/d", 7, (b"abc",), {"a": "b"}, ("x-amz-checksum-crc32", "c="))
COMPLETE = CompleteMultipartUpload("bucket", "k", "id", [(1, '"e"', "c=")], None, {"if-none-match": "*"})
LIST = ListParts("bucket", "k", "id")


def parts_page(parts: str, more: str = "", root: str = "ListPartsResult") -> Response:
    return Response(200, {}, f"<{root}>{more}{parts}</{root}>".encode())


def part(number: object, size: object = 5, more: str = "") -> str:
    return f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;e&quot;</ETag><Size>{size}</Size>{more}</Part>"


@pytest.mark.parametrize("root", ["ListPartsResult", "ListPartsResponse"])
def test_a_list_of_parts_is_read_by_either_name(root: str) -> None:
    assert [found.number for found in LIST.read(parts_page(part(7), root=root)).parts] == [7]


@pytest.mark.parametrize("root", ["InitiateMultipartUploadResult", "InitiateMultipartUpload"])
def test_create_reads_the_upload_id(root: str) -> None:
    assert CREATE.read(Response(200, {}, f"<{root}><UploadId>\n i~d \n</UploadId></{root}>".encode())) == "i~d"


def test_a_part_reads_its_etag_verbatim() -> None:
    assert PART.read(Response(200, {"etag": '"e"', "x-amz-checksum-crc32": "c="})) == PartResponse('"e"', "c=")
    assert PART.read(Response(200, {"etag": "e"})) == PartResponse("e", None)


def test_a_part_without_an_etag_is_an_error() -> None:
    """It could not be listed at Complete."""
    with pytest.raises(ResponseError, match="took the part and sent no ETag") as caught:
        PART.read(Response(200, {}))
    assert (caught.value.status, caught.value.code, caught.value.part_number) == (200, None, 7)


def test_complete_lists_the_parts() -> None:
    request = COMPLETE.build(ENDPOINT)
    assert (request.method, request_url(request)) == ("POST", f"{OBJECT_URL}?uploadId=id")
    assert request.headers == {"if-none-match": "*", "content-type": "application/xml"}
    assert b'<Part><PartNumber>1</PartNumber><ETag>"e"</ETag></Part>' in b"".join(map(bytes, request.body))
    with_checksums = CompleteMultipartUpload("b", "k", "id", [(1, '"e"', "c=")], "crc32", {"content-type": "text/html"})
    request = with_checksums.build(ENDPOINT)
    assert b"<ChecksumCRC32>c=</ChecksumCRC32>" in bytes(request.body[0])
    assert request.headers == {"content-type": "application/xml"}


def test_complete_reads_what_was_committed() -> None:
    inner = b'<ETag> "e-1"\n</ETag><ChecksumType>x</ChecksumType><ChecksumCRC32>c=</ChecksumCRC32>'
    body = b"<CompleteMultipartUploadResult>" + inner + b"</CompleteMultipartUploadResult>"
    headers = {"x-amz-version-id": "v", "x-amz-request-id": "r"}
    assert COMPLETE.read(Response(200, headers, body)) == Committed('"e-1"', "v", "c=", "r")
    assert COMPLETE.read(Response(200, {}, b"<CompleteMultipartUploadResult/>")) == Committed(None, None, None, None)


@pytest.mark.parametrize("body", [b"", b"  ", b"<CompleteMultipartUploadResult><ETag>", b"<Other/>", b"<html>"])
def test_a_complete_that_says_nothing_is_an_open_outcome(body: bytes) -> None:
    """Neither success nor failure: status 200 without a code."""
    with pytest.raises(ResponseError) as caught:
        COMPLETE.read(Response(200, {}, body))
    assert (type(caught.value), caught.value.status, caught.value.code) == (ResponseError, 200, None)


def test_list_parts_asks_for_a_page() -> None:
    assert request_url(LIST.build(ENDPOINT)) == f"{OBJECT_URL}?uploadId=id"
    request = ListParts("bucket", "k", "id", 7, {"a": "b"}).build(ENDPOINT)
    assert (request.method, request_url(request)) == ("GET", f"{OBJECT_URL}?part-number-marker=7&uploadId=id")
    assert request.headers == {"a": "b"}


def test_a_page_of_parts_is_read() -> None:
    assert LIST.read(parts_page("")) == PartsPage((), is_truncated=False, next_marker=0)
    checksum = "<ChecksumType>x</ChecksumType><ChecksumSHA1>c=</ChecksumSHA1>"
    page = LIST.read(parts_page(part(2, 5, checksum) + part(3), "<IsTruncated>TRUE</IsTruncated>"))
    parts = (ListedPart(2, 5, '"e"', "c="), ListedPart(3, 5, '"e"', None))
    assert page == PartsPage(parts, is_truncated=True, next_marker=3)


@pytest.mark.parametrize(
    ("marker", "asked", "expected"),
    [("", 0, 3), ("0", 0, 3), ("odd", 0, 3), ("9", 0, 9), ("2", 2, 3)],
)
def test_a_truncated_page_always_moves_on(marker: str, asked: int, expected: int) -> None:
    more = f"<IsTruncated>true</IsTruncated><NextPartNumberMarker>{marker}</NextPartNumberMarker>"
    page = ListParts("bucket", "k", "id", asked).read(parts_page(part(3), more))
    assert page.next_marker == expected


@pytest.mark.parametrize("parts", ["", part(3)])
def test_a_page_that_would_repeat_for_ever_is_an_error(parts: str) -> None:
    with pytest.raises(ResponseError, match="does not advance"):
        ListParts("bucket", "k", "id", 3).read(parts_page(parts, "<IsTruncated>true</IsTruncated>"))


@pytest.mark.parametrize("numbers", [("x", 5), (1, "x"), ("", ""), (-1, 5), ("9" * 5000, 5)])
def test_a_part_that_cannot_be_read_is_an_error(numbers: tuple[Any, Any]) -> None:
    with pytest.raises(ResponseError, match="cannot be read"):
        LIST.read(parts_page(part(*numbers)))


def test_an_endless_upload_id_is_refused() -> None:
    """It would go into the URL of every further request."""
    body = f"<InitiateMultipartUploadResult><UploadId>{'x' * 4097}</UploadId></InitiateMultipartUploadResult>".encode()
    with pytest.raises(ResponseError, match="4097 characters"):
        CreateMultipartUpload("bucket", "key", {}).read(Response(200, {}, body))


def test_a_create_without_an_id_says_so() -> None:
    with pytest.raises(ResponseError, match="created a multipart upload and sent no id"):
        CREATE.read(Response(200, {}, b"<InitiateMultipartUploadResult/>"))
    longest = b"i" * 4096
    body = b"<InitiateMultipartUploadResult><UploadId>" + longest + b"</UploadId></InitiateMultipartUploadResult>"
    assert CREATE.read(Response(200, {}, body)) == longest.decode()


@pytest.mark.parametrize(
    ("more", "checksum"),
    [
        ("<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumCRC32>c=</ChecksumCRC32>", "c="),
        ("<ChecksumType>COMPOSITE</ChecksumType><ChecksumCRC32>c=</ChecksumCRC32>", "c="),
        ("<ChecksumCRC32/>", None),
    ],
)
def test_a_checksum_is_neither_its_algorithm_nor_its_type(more: str, checksum: str | None) -> None:
    assert LIST.read(parts_page(part(1, more=more))).parts[0].checksum == checksum


@pytest.mark.parametrize("size", [0, 5_000_000_000_000])
def test_complete_tells_the_size_where_it_is_known(size: int) -> None:
    request = CompleteMultipartUpload("b", "k", "id", [], None, {}, size).build(ENDPOINT)
    assert request.headers == {"content-type": "application/xml", "x-amz-mp-object-size": str(size)}
