"""Exact keys: what is asked for is what the URL names."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.wire.messages import Request
from aios3._protocol.wire.uri import (
    Endpoint,
    canonical_query,
    check_bucket,
    check_key,
    encode_path,
    encode_query,
    request_url,
)
from aios3.errors import ConfigurationError

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


@given(TEXT)
def test_an_encoded_path_decodes_to_the_same_text(text: str) -> None:
    encoded = encode_path(text)
    assert unquote(encoded, errors="strict") == text
    assert re.fullmatch(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})*", encoded)


@given(TEXT)
def test_an_encoded_query_value_decodes_to_the_same_text(text: str) -> None:
    encoded = encode_query(text)
    assert unquote(encoded, errors="strict") == text
    assert re.fullmatch(r"(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})*", encoded)


@given(st.lists(st.tuples(TEXT.filter(bool), TEXT)))
def test_a_canonical_query_holds_the_pairs_in_encoded_order(pairs: list[tuple[str, str]]) -> None:
    query = canonical_query(pairs)
    assert sorted(parse_qsl(query, keep_blank_values=True, errors="strict")) == sorted(pairs)
    listed = [tuple(pair.split("=")) for pair in query.split("&")] if pairs else []
    assert listed == sorted(listed)


def test_a_valueless_parameter_keeps_its_equals_sign() -> None:
    """``uploads`` is written ``uploads=``, as it is signed."""
    assert canonical_query([("uploads", ""), ("prefix", "a/b +~")]) == "prefix=a%2Fb%20%2B~&uploads="


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a//b", "/a//b"),
        ("a/../b", "/a/../b"),
        (".", "/."),
        ("..", "/.."),
        ("/lead", "//lead"),
        ("trail/", "/trail/"),
        ("a b+c%41~&?#", "/a%20b%2Bc%2541~%26%3F%23"),
        ("grüße\n", "/gr%C3%BC%C3%9Fe%0A"),
    ],
)
def test_a_key_is_taken_as_given(key: str, path: str) -> None:
    virtual = Endpoint.parse("https://example.com", "virtual")
    assert virtual.locate("bucket", key) == ("bucket.example.com", path)
    by_path = Endpoint.parse("https://example.com", "path")
    assert by_path.locate("bucket", key) == ("example.com", f"/bucket{path}")


@pytest.mark.parametrize(
    ("url", "host", "base_path"),
    [
        ("https://example.com/gateX/", "example.com", "/gateX"),
        ("https://S3.Example.COM", "s3.example.com", ""),
        ("HTTPS://example.com:443/", "example.com", ""),
        ("http://example.com:80", "example.com", ""),
        ("http://example.com:443", "example.com:443", ""),
        ("http://127.0.0.1:9000", "127.0.0.1:9000", ""),
        ("http://[0:0::1]:9000/", "[::1]:9000", ""),
        ("https://[::1]:443", "[::1]", ""),
        ("https://example.com./gate/s3//", "example.com.", "/gate/s3"),
        ("https://example.com/a%7eb%c3%bc/", "example.com", "/a~b%C3%BC"),
        ("http://my_store:9000", "my_store:9000", ""),
    ],
)
def test_an_endpoint_is_read(url: str, host: str, base_path: str) -> None:
    endpoint = Endpoint.parse(url, "path")
    assert (endpoint.host, endpoint.base_path) == (host, base_path)
    assert endpoint.scheme == url.partition(":")[0].lower()


@pytest.mark.parametrize(
    "url",
    [
        "", None, 7, "example.com", "//example.com", "ftp://example.com", "https://", "https:///path", "https://:9000",
        "https://user@example.com", "https://user:hunter2@example.com", "https://example.com?x=1",
        "https://example.com?", "https://example.com#f", "https://example.com#", "https://example.com:0",
        "https://example.com:65536", "https://example.com:x", "https://[::1", "https://[zz]", "https://[v1.abc]", "https://[::1]x",
        "https://[fe80::1%25eth0]",
        "https://exa mple.com", "https://exämple.com", "https://example.com\n", "https://a\\b", "https://a..b",
        "https://example.com/a%2Fb", "https://a'b",
    ],
)  # fmt: skip
def test_an_unusable_endpoint_is_refused(url: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Endpoint.parse(url, "path")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, " must be printable ASCII without spaces; write other host names in punycode"),
        ("https://h/a b", " (https://...) must be printable ASCII without spaces; write other host names in punycode"),
        ("https://h/a\\b", " (https://...) must be printable ASCII without spaces; write other host names in punycode"),
        ("https://[::1", " (https://...) has a malformed host"),
        ("h.example", " must begin with https:// or http://"),
        ("ftp://h", " (ftp://...) must begin with https:// or http://"),
        ("hunter.2://h", " must begin with https:// or http://"),
        ("a" * 20 + "b://h", f" ({'a' * 20}://...) must begin with https:// or http://"),
        ("http://h?u=ftp://hunter2", " (http://...) must not hold a query or a fragment"),
        (
            "https://user:hunter2@h",
            " (https://...) must not hold a user name or a password; pass credentials instead",
        ),
        ("https://h:x", " (https://...) has no usable host name, or a port that is not a number"),
        ("https://h:65536", " (https://...) has a malformed IPv6 address, or a port that is not in 1..65535"),
        ("https://h:0", " (https://...) has port 0, which nothing listens on"),
        ("https://h/%2F", "'s path holds an encoded slash, which cannot be signed reliably"),
    ],
)
def test_a_refusal_says_what_to_change_and_shows_the_scheme_alone(url: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Endpoint.parse(url, "path")
    assert str(caught.value) == f"the endpoint URL{message}"


@pytest.mark.parametrize(
    ("url", "bucket"),
    [
        ("https://example.com", "dotted.bucket"),
        ("https://example.com", "Upper"),
        ("https://example.com", "under_score"),
        ("https://example.com", "-dash"),
        ("http://127.0.0.1:9000", "bucket"),
        ("http://[::1]", "bucket"),
        ("http://[::1]:9000", "bucket"),
        ("http://localhost:9000", "bucket"),
        ("http://store.localhost", "bucket"),
    ],
)
def test_what_cannot_be_a_subdomain_is_addressed_by_path(url: str, bucket: str) -> None:
    endpoint = Endpoint.parse(url, "virtual")
    assert endpoint.locate(bucket, "k") == (endpoint.host, f"/{bucket}/k")


@pytest.mark.parametrize(
    "bucket", ["a/b", "", ".", "..", "a b", "a\n", "ü", "a" * 256, None, 7, "a@b", "a:b:c", "a:..", "a.b:c"]
)
def test_a_bucket_that_could_change_the_url_is_refused(bucket: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(repr(bucket)[:80])} cannot be a bucket name"):
        check_bucket(bucket)
    if bucket is not None:
        with pytest.raises(ConfigurationError):
            Endpoint.parse("https://example.com", "virtual").locate(bucket, "k")


@pytest.mark.parametrize("bucket", ["tenant:videos", ":videos"])
def test_a_bucket_of_a_tenant_is_taken_where_there_are_tenants(bucket: str) -> None:
    """By path, because a host has no colons."""
    check_bucket(bucket)
    endpoint = Endpoint("https", "example.com", addressing="virtual", has_tenants=True)
    assert endpoint.locate(bucket, "k") == ("example.com", f"/{bucket.replace(':', '%3A')}/k")
    with pytest.raises(ConfigurationError, match="cannot be a bucket name"):
        Endpoint.parse("https://example.com", "path").locate(bucket, "k")


@pytest.mark.parametrize("bucket", ["abc", "A.b_c-9", "a" * 255])
def test_any_plain_bucket_passes(bucket: str) -> None:
    """Old and foreign names that AWS no longer makes are usable."""
    check_bucket(bucket)
    assert Endpoint.parse("https://example.com", "path").locate(bucket, "k")[1] == f"/{bucket}/k"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "a key must be a string that is not empty, not ''"),
        (None, "a key must be a string that is not empty, not None"),
        (b"k" * 100, f"a key must be a string that is not empty, not b'{'k' * 78}"),
        (7, "a key must be a string that is not empty, not 7"),
        ("a" * 1025, "the key has 1025 bytes of UTF-8; S3 takes 1024 at most"),
        ("ü" * 513, "the key has 1026 bytes of UTF-8; S3 takes 1024 at most"),
        ("\ud800", "the key holds lone surrogates, which UTF-8 cannot express"),
    ],
)
def test_a_key_that_s3_cannot_hold_is_refused(key: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_key(key)
    assert str(caught.value) == message


@pytest.mark.parametrize("key", ["a" * 1024, "ü" * 512, " ", "\x00", "../x"])
def test_any_other_key_passes(key: str) -> None:
    """The limit is 1,024 bytes of UTF-8; what they mean is the caller's business."""
    check_key(key)
    assert unquote(encode_path(key)) == key


def test_the_url_is_what_goes_on_the_wire() -> None:
    request = Request("any", "PUT", "https", "h:1", "/b/a%20b", (("uploadId", "2~/="), ("partNumber", "7")))
    assert request_url(request) == "https://h:1/b/a%20b?partNumber=7&uploadId=2~%2F%3D"
    assert request_url(Request("any", "PUT", "http", "h", "/")) == "http://h/"


def test_an_unknown_addressing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'subdomain'"):
        Endpoint.parse("https://example.com", "subdomain")  # type: ignore[arg-type]


def test_a_query_keeps_bytes_that_are_no_utf_8() -> None:
    assert encode_query("a\udcffb\udc80") == "a%FFb%80"


@pytest.mark.parametrize("addressing", ["virtual", "path", "cname"])
def test_a_bucket_is_located_the_second_time_as_the_first(addressing: Any) -> None:
    endpoint = Endpoint.parse("https://h.example/base", addressing)
    if addressing == "cname":
        endpoint = replace(endpoint, bucket="bucket")
    calls = [(endpoint.locate("bucket", key), endpoint.locate("bucket", None)) for key in ("a b", "a b")]
    assert calls[0] == calls[1]


def test_a_bucket_is_checked_again_by_an_endpoint_that_was_made_from_another() -> None:
    endpoint = Endpoint.parse("https://h.example", "path")
    endpoint.locate("mine", None)
    with pytest.raises(ConfigurationError):
        replace(endpoint, refused_bucket="mine").locate("mine", None)


def test_a_refused_bucket_is_refused_every_time() -> None:
    endpoint = replace(Endpoint.parse("https://h.example", "path"), refused_bucket="mine")
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            endpoint.locate("mine", "key")


def test_an_endpoint_remembers_a_bounded_number_of_buckets() -> None:
    endpoint = Endpoint.parse("https://h.example", "path")
    for number in range(1000):
        assert endpoint.locate(f"bucket-{number}", "key") == ("h.example", f"/bucket-{number}/key")
    assert 0 < len(endpoint._places) <= 256
