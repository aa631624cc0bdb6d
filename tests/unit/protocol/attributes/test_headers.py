"""Upload attributes: each becomes its header on the requests that need it, or a clear refusal."""

from __future__ import annotations

import mimetypes
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from aios3._protocol.attributes.headers import ObjectHeaders, read_attributes
from aios3.errors import ConfigurationError
from aios3.models import UploadAttributes
from aios3.providers import find_provider

ANY = find_provider("generic")
WHEN = datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=2)))
SECRET = bytes(range(32))
EVERYTHING: dict[str, tuple[Any, dict[str, str]]] = {
    "content_type": ("video/mp4", {"content-type": "video/mp4"}),
    "cache_control": ("no-store", {"cache-control": "no-store"}),
    "content_disposition": ("inline", {"content-disposition": "inline"}),
    "content_encoding": ("gzip", {"content-encoding": "gzip"}),
    "content_language": ("de", {"content-language": "de"}),
    "expires": (WHEN, {"expires": "Wed, 02 Jan 2030 01:04:05 GMT"}),
    "metadata": ({"Camera": "A 7"}, {"x-amz-meta-camera": "A 7"}),
    "tags": ({"a b": "c&d=/", "ü": ""}, {"x-amz-tagging": "a%20b=c%26d%3D%2F&%C3%BC="}),
    "acl": ("private", {"x-amz-acl": "private"}),
    "storage_class": ("GLACIER", {"x-amz-storage-class": "GLACIER"}),
    "server_side_encryption": ("aws:kms", {"x-amz-server-side-encryption": "aws:kms"}),
    "sse_kms_key_id": ("key-1", {"x-amz-server-side-encryption-aws-kms-key-id": "key-1"}),
    "sse_kms_context": ({"a": "b"}, {"x-amz-server-side-encryption-context": "eyJhIjoiYiJ9"}),
    "sse_bucket_key": (False, {"x-amz-server-side-encryption-bucket-key-enabled": "false"}),
    "sse_customer_key": (
        SECRET,
        {
            "x-amz-server-side-encryption-customer-algorithm": "AES256",
            "x-amz-server-side-encryption-customer-key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "x-amz-server-side-encryption-customer-key-md5": "tP/LI3N87DFaSk0aoqYgzg==",
        },
    ),
    "object_lock_mode": ("GOVERNANCE", {"x-amz-object-lock-mode": "GOVERNANCE"}),
    "object_lock_retain_until": (WHEN, {"x-amz-object-lock-retain-until-date": "2030-01-02T01:04:05Z"}),
    "object_lock_legal_hold": (True, {"x-amz-object-lock-legal-hold": "ON"}),
    "website_redirect_location": ("/x", {"x-amz-website-redirect-location": "/x"}),
    "if_none_match": ("*", {"if-none-match": "*"}),
    "if_match": ("abc-2", {"if-match": '"abc-2"'}),
    "request_payer": ("requester", {"x-amz-request-payer": "requester"}),
    "expected_bucket_owner": ("123456789012", {"x-amz-expected-bucket-owner": "123456789012"}),
}
CONDITIONS = {"if_match", "if_none_match"}
ON_EVERY_REQUEST = {"request_payer", "expected_bucket_owner"}


def read(key: str = "k", /, **attributes: Any) -> ObjectHeaders:
    return read_attributes(key, attributes, ANY)


@pytest.mark.parametrize("name", UploadAttributes.__annotations__)
def test_every_attribute_becomes_its_headers_where_they_belong(name: str) -> None:
    value, headers = EVERYTHING[name]
    read_ = read(**{name: value})
    default = {} if name == "content_type" else {"content-type": "application/octet-stream"}
    is_along = name in ON_EVERY_REQUEST or name == "sse_customer_key"
    assert read_.create == (default if name in CONDITIONS else {**default, **headers})
    assert read_.part == (headers if is_along else {})
    assert read_.commit == (headers if is_along or name in CONDITIONS else {})
    assert read_.every == (headers if name in ON_EVERY_REQUEST else {})


@pytest.mark.parametrize("name", UploadAttributes.__annotations__)
def test_none_is_the_same_as_leaving_it_out(name: str) -> None:
    assert read(**{name: None}) == read()


def test_empty_mappings_are_left_out() -> None:
    assert read(metadata={}, tags={}, sse_kms_context={}) == read()
    refusing = replace(ANY, refused_attributes=frozenset({"tags"}))
    assert read_attributes("k", {"tags": {}}, refusing) == read()


@pytest.mark.parametrize("value", [17, "line\r\nbreak", b"x" * 31, "\x00", object()])
@pytest.mark.parametrize("name", UploadAttributes.__annotations__)
def test_a_value_that_cannot_be_sent_is_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read(**{name: value})


def test_an_unknown_attribute_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="attribute 'content_typ'; known are: acl, cache_control, content_"):
        read(content_typ=None)


def test_an_attribute_that_the_provider_refuses_is_named() -> None:
    with pytest.raises(ConfigurationError, match="'google' does not take the attribute 'tags'"):
        read_attributes("k", {"tags": {"a": "b"}}, find_provider("google"))


@pytest.mark.parametrize(
    ("key", "content_type"),
    [
        ("a/b.html", "text/html"),
        ("b.png", mimetypes.types_map[".png"]),
        ("a.html/b", "application/octet-stream"),
        ("noext", "application/octet-stream"),
        ("a.html.gz", "application/gzip"),
        ("a.html.br", "application/octet-stream"),
        ("data:te\nxt/evil,x", "application/octet-stream"),
        ("//[", "application/octet-stream"),
    ],
)
def test_the_content_type_is_guessed_from_the_key(key: str, content_type: str) -> None:
    assert read(key).create["content-type"] == content_type


def test_the_callers_mappings_are_not_changed() -> None:
    metadata, tags = {"A": "ü"}, {"b": "c"}
    attributes = {"metadata": metadata, "tags": tags, "acl": None}
    read_attributes("k", attributes, ANY)
    assert attributes == {"metadata": {"A": "ü"}, "tags": {"b": "c"}, "acl": None}


def test_the_record_does_not_show_the_customer_key() -> None:
    assert repr(read(sse_customer_key=SECRET, request_payer="requester")) == (
        "ObjectHeaders(every={'x-amz-request-payer': 'requester'})"
    )


@pytest.mark.parametrize("name", UploadAttributes.__annotations__)
def test_locks_and_conditions_are_told_apart(name: str) -> None:
    read_ = read(**{name: EVERYTHING[name][0]})
    assert read_.is_locked == name.startswith("object_lock_")
    assert read_.has_conditions == (name in CONDITIONS)
