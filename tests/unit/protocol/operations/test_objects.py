"""Operations on whole objects: the request on the wire, and what its answer means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aios3._protocol.operations import Committed, GetObject, HeadObject, PutObject
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.uri import Endpoint, request_url
from aios3.errors import ConfigurationError, PreconditionFailedError, ResponseError
from aios3.models import StorageObject

ENDPOINT = Endpoint.parse("https://s3.example.com", "virtual")
DESCRIPTION = {
    "content-length": "12",
    "etag": '"abc"',
    "last-modified": "Fri, 24 May 2013 00:00:00 GMT",
    "content-type": "video/mp4",
    "x-amz-meta-camera": "=?UTF-8?B?w7w=?=",
    "x-amz-version-id": "v1",
    "x-amz-storage-class": "GLACIER",
    "x-amz-checksum-crc32": "c=",
}
DESCRIBED = StorageObject(
    "bucket", "k", 12, "abc", datetime(2013, 5, 24, tzinfo=UTC), "video/mp4", {"camera": "ü"}, "v1", "GLACIER", "c="
)


def test_a_put_carries_headers_checksum_and_body() -> None:
    headers = {"content-type": "text/plain"}
    put = PutObject("bucket", "a//b", headers, (b"12", b"3"), ("x-amz-checksum-crc32", "abc="))
    request = put.build(ENDPOINT)
    assert (request.method, request_url(request)) == ("PUT", "https://bucket.s3.example.com/a//b")
    assert request.headers == {"content-type": "text/plain", "x-amz-checksum-crc32": "abc="}
    assert (request.body, request.content_length) == ((b"12", b"3"), 3)
    assert headers == {"content-type": "text/plain"}
    assert PutObject("bucket", "k", {}, ()).build(ENDPOINT).headers == {}


def test_a_put_reads_what_was_committed() -> None:
    put = PutObject("bucket", "k", {}, ())
    headers = {"etag": '"e"', "x-amz-version-id": "v", "x-amz-checksum-crc32": "c=", "x-amz-request-id": "r"}
    assert put.read(Response(200, headers)) == Committed('"e"', "v", "c=", "r")
    assert put.read(Response(201, {})) == Committed(None, None, None, None)
    with pytest.raises(PreconditionFailedError):
        put.read(Response(412, {}))


def test_secrets_and_bodies_do_not_show_in_a_repr() -> None:
    put = PutObject("bucket", "k", {"x-amz-server-side-encryption-customer-key": "hush"}, (b"hush",))
    assert repr(put) == "PutObject(bucket='bucket', key='k', checksum=None)"
    assert "hush" not in repr(HeadObject("bucket", "k", {"a": "hush"}))


def test_head_describes_the_object() -> None:
    head = HeadObject("bucket", "k", {"x-amz-request-payer": "requester"})
    request = head.build(ENDPOINT)
    assert (request.method, request.path, request.headers) == ("HEAD", "/k", {"x-amz-request-payer": "requester"})
    assert head.read(Response(200, DESCRIPTION)) == DESCRIBED


@pytest.mark.parametrize("length", [None, "", "-1", "x", "1.0", "٣", "9" * 19])
def test_an_object_without_a_size_is_an_error(length: str | None) -> None:
    headers = {} if length is None else {"content-length": length}
    for operation in (HeadObject("b", "k"), GetObject("b", "k")):
        with pytest.raises(ResponseError) as caught:
            operation.read(Response(200, headers))
        assert caught.value.message == "the store did not say how long the object is"
        assert (caught.value.status, caught.value.code) == (200, None)


def test_a_size_has_up_to_eighteen_digits() -> None:
    assert HeadObject("b", "k").read(Response(200, {"content-length": f" {'9' * 18} "})).size == 10**18 - 1


@pytest.mark.parametrize(("start", "end"), [(-1, None), (5, 5), (6, 5), (None, 0), (0, -1)])
def test_a_range_that_http_cannot_ask_for_is_refused(start: int | None, end: int | None) -> None:
    with pytest.raises(ConfigurationError, match="not a range"):
        GetObject("bucket", "k", start, end).build(ENDPOINT)


def test_a_get_reads_only_the_headers() -> None:
    assert GetObject("bucket", "k").read(Response(200, DESCRIPTION)) == DESCRIBED
    assert GetObject("bucket", "k", 5).read(Response(206, DESCRIPTION)) == DESCRIBED
    with pytest.raises(ResponseError, match=": the store ignored the range that was asked for$"):
        GetObject("bucket", "k", 5).read(Response(200, DESCRIPTION))


def test_a_get_may_depend_on_the_etag() -> None:
    assert GetObject("bucket", "k", 5, if_match="abc").build(ENDPOINT).headers == {
        "range": "bytes=5-",
        "if-match": '"abc"',
    }
    assert "if-match" not in GetObject("bucket", "k", 5).build(ENDPOINT).headers


def test_a_get_does_not_take_another_range() -> None:
    """Its status may be 200 (rclone), its header must fit; the end may differ, which whoever reads has to look at."""
    for status in (200, 206):
        fitting = Response(status, DESCRIPTION | {"content-range": "bytes 5-16/100"})
        assert GetObject("bucket", "k", 5, 90).read(fitting) == DESCRIBED
        other = Response(status, DESCRIPTION | {"content-range": "bytes 0-11/100"})
        with pytest.raises(ResponseError, match=": the store sent another range than was asked for$"):
            GetObject("bucket", "k", 5, 90).read(other)
        whole = Response(status, DESCRIPTION | {"content-range": "bytes 0-11/12"})
        assert GetObject("bucket", "k").read(whole) == DESCRIBED


@pytest.mark.parametrize(
    ("start", "end", "byte_range"),
    [
        (None, None, None),
        (0, None, None),
        (5, None, "bytes=5-"),
        (None, 10, "bytes=0-9"),
        (5, 10, "bytes=5-9"),
        (0, 1, "bytes=0-0"),
    ],
)
def test_a_get_asks_for_its_range(start: int | None, end: int | None, byte_range: str | None) -> None:
    request = GetObject("bucket", "k", start, end).build(ENDPOINT)
    assert request.method == "GET"
    assert request.headers == ({} if byte_range is None else {"range": byte_range})
