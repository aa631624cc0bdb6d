"""What headers say: taken if it makes sense, absent otherwise."""

from __future__ import annotations

import pytest

from aios3._protocol.wire.response_headers import (
    etag_of,
    host_id,
    read_checksum,
    read_http_date,
    read_metadata,
    request_id,
    retry_after,
    unquote_etag,
)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "9" * 5000}, None),
        ({"x-amz-retry-after": "1500"}, 1.5),
        ({"x-amz-retry-after": "x"}, None),
        ({"retry-after": "1", "x-amz-retry-after": "1500"}, 1.5),
        ({"retry-after": "Fri, 24 May 2013 00:01:00 GMT"}, None),
        ({"retry-after": "Fri, 24 May 2013 00:01:00 GMT", "date": "Fri, 24 May 2013 00:00:00 GMT"}, 60.0),
        ({"retry-after": "Fri, 24 May 2013 00:00:00 GMT", "date": "Fri, 24 May 2013 00:01:00 GMT"}, 0.0),
    ],
)
def test_the_wait_that_the_store_asks_for_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("sent", "etag", "bare"),
    [('"a-2"', '"a-2"', "a-2"), ("a", "a", "a"), ('W/"a"', 'W/"a"', "a"), (' "a" ', '"a"', "a")],
)
def test_an_etag_is_kept_as_sent(sent: str, etag: str, bare: str) -> None:
    assert etag_of({"etag": sent}) == etag
    assert unquote_etag(sent) == bare


@pytest.mark.parametrize("headers", [{}, {"etag": ""}, {"etag": '""'}, {"etag": '"\udcff"'}, {"etag": '"a\x00"'}])
def test_an_unusable_etag_is_none(headers: dict[str, str]) -> None:
    """An empty one names nothing, and one that XML cannot hold could not be sent back."""
    assert etag_of(headers) is None


def test_a_checksum_is_read_whatever_the_algorithm() -> None:
    headers = {"x-amz-checksum-type": "COMPOSITE", "x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-crc32c": "abc="}
    assert read_checksum(headers) == "abc="
    assert read_checksum({"x-amz-checksum-type": "COMPOSITE"}) is None


@pytest.mark.parametrize(
    ("sent", "read_"),
    [
        ("plain", "plain"),
        ("=?UTF-8?B?w7w=?= =?utf-8?q?=C3=BC?=", "üü"),
        ("=?ISO-8859-1?Q?=FC?=", "ü"),
        ("=?UTF-8?B?w?=", "=?UTF-8?B?w?="),
        ("=?no-such-charset?B?w7w=?=", "=?no-such-charset?B?w7w=?="),
        ("=?\u00e9?B?eA==?=", "=?\u00e9?B?eA==?="),
        ("=?unicode_escape?Q?=5Cd?=", "=?unicode_escape?Q?=5Cd?="),
        ("=?UTF-8?Q?x?= =?idna?Q?xn--?=", "=?UTF-8?Q?x?= =?idna?Q?xn--?="),
        ("=?UTF-8?B?/w==?=", "=?UTF-8?B?/w==?="),
        ("a =?b", "a =?b"),
    ],
)
def test_metadata_is_decoded_or_left_alone(sent: str, read_: str) -> None:
    assert read_metadata({"x-amz-meta-m": sent, "etag": "x"}) == {"m": read_}


@pytest.mark.parametrize(
    "text", [None, "", "odd", "Fri, 99 May 2013 00:00:00 GMT", "1", "Fri, 31 Dec 9999 23:59:59 -2300"]
)
def test_an_odd_date_is_none(text: str | None) -> None:
    assert read_http_date(text) is None


@pytest.mark.parametrize(
    ("headers", "in_body", "expected"),
    [
        ({}, None, None),
        ({"x-amz-request-id": "r", "x-guploader-uploadid": "g"}, "body", "r"),
        ({"x-guploader-uploadid": "g"}, "body", "body"),
        ({"x-guploader-uploadid": "g"}, None, "g"),
        ({"x-amz-request-id": "AKIAIOSFODNN7EXAMPLE"}, None, "(hidden)"),
    ],
)
def test_a_request_id_is_that_of_the_store_or_else_of_a_proxy(headers, in_body, expected):
    assert request_id(headers, in_body) == expected


def test_a_host_id_of_a_header_comes_before_that_of_a_body() -> None:
    assert (host_id({"x-amz-id-2": "h"}, "body"), host_id({}, "body"), host_id({})) == ("h", "body", None)
