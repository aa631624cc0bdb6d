"""Upload attributes: each becomes its header on the requests that need it, or a clear refusal."""

from __future__ import annotations

import json
import mimetypes
from base64 import b64decode
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.answers import read_metadata
from aios3._protocol.attributes import ObjectHeaders, read_attributes
from aios3.errors import ConfigurationError
from aios3.models import UploadAttributes
from aios3.providers import find_provider

ANY = find_provider("generic")
WHEN = datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=2)))
SECRET = bytes(range(32))
SAFE_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))
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
    """What describes the object goes on Create; keys, payer and owner go along; conditions wait for the commit."""
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
    """Wrappers can pass their own parameters on without looking at them."""
    assert read(**{name: None}) == read()


def test_empty_mappings_are_left_out() -> None:
    """No metadata and no tags are not worth a header, nor a refusal."""
    assert read(metadata={}, tags={}, sse_kms_context={}) == read()
    refusing = replace(ANY, refused_attributes=frozenset({"tags"}))
    assert read_attributes("k", {"tags": {}}, refusing) == read()


@pytest.mark.parametrize("value", [17, "line\r\nbreak", b"x" * 31, "\x00", object()])
@pytest.mark.parametrize("name", UploadAttributes.__annotations__)
def test_a_value_that_cannot_be_sent_is_refused(name: str, value: object) -> None:
    """Wrong types, line breaks and control characters end as a ConfigurationError that names the attribute."""
    with pytest.raises(ConfigurationError, match=name):
        read(**{name: value})


@pytest.mark.parametrize("name", ["metadata", "tags", "sse_kms_context"])
@pytest.mark.parametrize("items", [{"a": "b\r\nc"}, {"a\n": "b"}, {"a": 1}, {1: "a"}, {"a": None}])
def test_items_of_a_mapping_are_checked_too(name: str, items: dict[Any, Any]) -> None:
    """The same rules hold for every name and value inside."""
    with pytest.raises(ConfigurationError, match=f"in {name}"):
        read(**{name: items})


@pytest.mark.parametrize("name", ["metadata", "tags"])
def test_lone_surrogates_are_refused(name: str) -> None:
    """UTF-8 cannot express them."""
    with pytest.raises(ConfigurationError, match="surrogates"):
        read(**{name: {"a": "\ud800"}})


def test_a_header_outside_ascii_is_refused() -> None:
    """Only metadata has a way to travel; elsewhere raw UTF-8 would break the signature."""
    with pytest.raises(ConfigurationError, match="content_disposition must be ASCII"):
        read(content_disposition="attachment; filename=ü")


@pytest.mark.parametrize("name", ["expires", "object_lock_retain_until"])
def test_a_time_without_a_zone_is_refused(name: str) -> None:
    """Guessing the zone would be off by hours."""
    with pytest.raises(ConfigurationError, match=f"{name} needs a time zone"):
        read(**{name: datetime(2030, 1, 1)})


def test_expires_may_be_text() -> None:
    """It is sent as it is."""
    assert read(expires="0").create["expires"] == "0"


@pytest.mark.parametrize("key_bytes", [b"", SECRET[:-1], SECRET + b"x", "A" * 32, bytearray(SECRET)])
def test_a_customer_key_of_another_size_is_refused_without_showing_it(key_bytes: Any) -> None:
    """32 bytes, and never in a message."""
    with pytest.raises(ConfigurationError) as caught:
        read(sse_customer_key=key_bytes)
    assert str(caught.value) == "sse_customer_key must be 32 bytes"


def test_an_unknown_attribute_is_a_type_error() -> None:
    """As a wrong keyword argument is, and even if it is None."""
    with pytest.raises(TypeError, match="'content_typ'.*content_type"):
        read(content_typ=None)


def test_an_attribute_that_the_provider_refuses_is_named() -> None:
    """Asking for what a store does not do is an error before any request, never silence."""
    with pytest.raises(ConfigurationError, match="'google' does not take the attribute 'tags'"):
        read_attributes("k", {"tags": {"a": "b"}}, find_provider("google"))


@pytest.mark.parametrize(
    ("given_etag", "sent"), [('"a"', '"a"'), ("a", '"a"'), ("*", "*"), ('W/"a"', 'W/"a"'), (" a ", '"a"')]
)
def test_a_condition_takes_an_etag_with_or_without_quotes(given_etag: str, sent: str) -> None:
    """Receipts have ETags without quotes, HTTP wants them with."""
    assert read(if_match=given_etag).commit["if-match"] == sent


@pytest.mark.parametrize("name", ["a b", "", "ü", "a:b", "a(b)"])
def test_a_metadata_name_must_be_a_header_token(name: str) -> None:
    """Anything else would break the header block."""
    with pytest.raises(ConfigurationError, match="metadata name"):
        read(metadata={name: "v"})


def test_metadata_names_that_differ_only_in_case_are_refused() -> None:
    """One of the two would be lost."""
    with pytest.raises(ConfigurationError, match="twice"):
        read(metadata={"A": "1", "a": "2"})


@given(SAFE_TEXT)
def test_any_metadata_value_comes_back(value: str) -> None:
    """Non-ASCII, outer blanks and encoded words survive: the header is ASCII, and reading decodes it."""
    headers = read(metadata={"m": value}).create
    sent = headers["x-amz-meta-m"]
    assert sent.isascii()
    assert sent == sent.strip()
    assert read_metadata(headers) == {"m": value}


def test_long_values_are_cut_into_legal_words() -> None:
    """RFC 2047: at most 75 characters a word, each whole UTF-8 of its own."""
    words = read(metadata={"m": "aä🚀" * 40}).create["x-amz-meta-m"].split(" ")
    assert max(map(len, words)) <= 75
    assert "".join(b64decode(word[10:-2]).decode() for word in words) == "aä🚀" * 40


@given(st.dictionaries(SAFE_TEXT.filter(bool), SAFE_TEXT, min_size=1))
def test_any_tags_come_back(tags: dict[str, str]) -> None:
    """Tags are form-encoded without loss."""
    sent = read(tags=tags).create["x-amz-tagging"]
    assert dict(parse_qsl(sent, keep_blank_values=True)) == tags


def test_a_kms_context_is_json_in_base64() -> None:
    """In any language."""
    sent = read(sse_kms_context={"ü": "b"}).create["x-amz-server-side-encryption-context"]
    assert json.loads(b64decode(sent)) == {"ü": "b"}


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
    """By the last segment's suffix; a compressed page is not a page; a key can never write the header."""
    assert read(key).create["content-type"] == content_type


def test_the_callers_mappings_are_not_changed() -> None:
    """They may be shared between many uploads."""
    metadata, tags = {"A": "ü"}, {"b": "c"}
    attributes = {"metadata": metadata, "tags": tags, "acl": None}
    read_attributes("k", attributes, ANY)
    assert attributes == {"metadata": {"A": "ü"}, "tags": {"b": "c"}, "acl": None}


def test_a_put_carries_all_of_it() -> None:
    """Create's and commit's headers together, without contradiction."""
    headers = read_attributes("k", {name: value for name, (value, _) in EVERYTHING.items()}, ANY)
    expected = {header: text for _, sent in EVERYTHING.values() for header, text in sent.items()}
    assert {**headers.create, **headers.commit} == expected


def test_the_record_does_not_show_the_customer_key() -> None:
    """A repr may end in a log."""
    assert repr(read(sse_customer_key=SECRET, request_payer="requester")) == (
        "ObjectHeaders(every={'x-amz-request-payer': 'requester'})"
    )
