"""Copies: what the request names, and what the response says."""

from __future__ import annotations

import pytest

from aios3._protocol.operations.copies import CopyObject, CopySource, GetObjectTagging, HeadSource, UploadPartCopy
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.uri import Endpoint
from aios3.errors import ObjectNotFoundError, ResponseError
from tests.support.places import DATA

ENDPOINT = Endpoint.parse("https://s3.example.com", "virtual")
VECTORS = DATA / "vectors" / "xml"
KEY = "x-amz-server-side-encryption-customer-"
SOURCE = CopySource("from", "a/ü +", "v/1", "etag", {f"{KEY}key": "c2VjcmV0", "x-amz-expected-bucket-owner": "1"})
PART = UploadPartCopy("b", "k", "id", 2, SOURCE, 10, 20)
COPY = CopyObject("b", "k", SOURCE, {"x-amz-acl": "private"})


def test_request_names_the_source_exactly_and_its_condition() -> None:
    headers = COPY.build(ENDPOINT).headers
    assert headers["x-amz-copy-source"] == "from/a/%C3%BC%20%2B?versionId=v%2F1"
    assert headers["x-amz-copy-source-if-match"] == '"etag"'
    assert headers["x-amz-copy-source-server-side-encryption-customer-key"] == "c2VjcmV0"
    assert headers["x-amz-source-expected-bucket-owner"] == "1"
    assert headers["x-amz-acl"] == "private"
    assert "x-amz-copy-source-if-match" not in CopySource("b", "k").copy_headers()


def test_source_at_an_access_point_has_its_key_after_a_word() -> None:
    source = CopySource("arn:aws:s3:eu-west-1:1:accesspoint/films", "a/b")
    place = source.copy_headers()["x-amz-copy-source"]
    assert place == "arn%3Aaws%3As3%3Aeu-west-1%3A1%3Aaccesspoint/films/object/a/b"


def test_part_names_its_number_and_its_range_without_the_end() -> None:
    request = PART.build(ENDPOINT)
    assert request.query == (("partNumber", "2"), ("uploadId", "id"))
    assert request.headers["x-amz-copy-source-range"] == "bytes=10-19"


def test_secrets_are_not_shown() -> None:
    assert "c2VjcmV0" not in f"{SOURCE!r}{PART!r}{COPY!r}"


def test_recorded_response_is_read() -> None:
    body = (VECTORS / "copypart.xml").read_bytes()
    assert PART.read(Response(200, {}, body)).etag
    with pytest.raises(ResponseError) as caught:
        PART.read(Response(200, {}, (VECTORS / "copypart-200-error.xml").read_bytes()))
    assert caught.value.code


@pytest.mark.parametrize("body", [b"", b"<html>", b"<CopyPartResult></CopyPartResult>"])
def test_part_without_an_etag_is_unusable(body: bytes) -> None:
    with pytest.raises(ResponseError):
        PART.read(Response(200, {}, body))


@pytest.mark.parametrize("operation", [COPY, HeadSource("b", "k"), GetObjectTagging("b", "k")])
def test_missing_source_without_a_code_is_a_missing_object(operation: CopyObject) -> None:
    with pytest.raises(ObjectNotFoundError):
        operation.read(Response(404, {}))


@pytest.mark.parametrize(("count", "expected"), [("2", 2), ("", 0), ("many", 0), ("\u0662", 0), ("12345", 12345)])
def test_number_of_tags_is_read(count: str, expected: int) -> None:
    described = HeadSource("b", "k").read(Response(200, {"content-length": "1", "x-amz-tagging-count": count}))
    assert described.tag_count == expected


def test_tags_are_read_without_the_customer_key() -> None:
    operation = GetObjectTagging("b", "k", SOURCE.headers, "v")
    assert f"{KEY}key" not in operation.build(ENDPOINT).headers
    assert operation.build(ENDPOINT).query == (("tagging", ""), ("versionId", "v"))
    tags = b"<Tagging><TagSet><Tag><Key>a b</Key><Value>&amp;</Value></Tag><Tag><Key>c</Key></Tag></TagSet></Tagging>"
    assert operation.read(Response(200, {}, tags)) == "a%20b=%26&c="
    assert operation.read(Response(200, {}, b"<Tagging/>")) == ""
