"""Values of attributes: what a header can carry arrives whole, the rest is refused by name."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.attributes.encoding import (
    read_context,
    read_customer_key,
    read_etag,
    read_expires,
    read_flag,
    read_legal_hold,
    read_metadata,
    read_retain_until,
    read_tags,
    read_text,
)
from aios3._protocol.wire.response_headers import read_metadata as read_metadata_headers
from aios3.errors import ConfigurationError

SECRET = bytes(range(32))
SAFE_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))
OF_ITEMS = {"metadata": read_metadata, "tags": read_tags, "sse_kms_context": read_context}
OF_TIMES = {"expires": read_expires, "object_lock_retain_until": read_retain_until}


def metadata(value: str) -> str:
    return read_metadata("metadata", {"m": value})["x-amz-meta-m"]


@pytest.mark.parametrize("name", ["metadata", "tags", "sse_kms_context"])
@pytest.mark.parametrize("items", [{"a": "b\r\nc"}, {"a\n": "b"}, {"a": 1}, {1: "a"}, {"a": None}])
def test_items_of_a_mapping_are_checked_too(name: str, items: dict[Any, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"in {name}"):
        OF_ITEMS[name](name, items)


@pytest.mark.parametrize(
    ("name", "items"), [("metadata", {"a": "\ud800"}), ("tags", {"a": "\ud800"}), ("tags", {"\ud800": "a"})]
)
def test_lone_surrogates_are_refused(name: str, items: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} holds lone surrogates"):
        OF_ITEMS[name](name, items)


@pytest.mark.parametrize(
    "reader", [*OF_ITEMS.values(), *OF_TIMES.values(), read_text("h"), read_flag("h"), read_legal_hold]
)
@pytest.mark.parametrize("value", [17, b"x", [("a", "b")]])
def test_a_value_of_another_type_is_refused(reader: Any, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"^an_attribute must .*, not {type(value).__name__}$"):
        reader("an_attribute", value)


def test_a_line_break_in_a_header_is_refused() -> None:
    """It would write a header of its own."""
    with pytest.raises(ConfigurationError, match="^cache_control holds a line break"):
        read_text("cache-control")("cache_control", "no-store\r\nx-amz-acl: public-read")


@pytest.mark.parametrize("is_set", [True, False])
def test_a_flag_is_said_either_way(is_set: bool) -> None:
    assert read_flag("h")("sse_bucket_key", is_set) == {"h": "true" if is_set else "false"}
    held = "ON" if is_set else "OFF"
    assert read_legal_hold("object_lock_legal_hold", is_set) == {"x-amz-object-lock-legal-hold": held}


@pytest.mark.parametrize("value", [0, 1, "true", "OFF"])
def test_what_only_looks_like_a_flag_is_refused(value: object) -> None:
    for reader in (read_flag("h"), read_legal_hold):
        with pytest.raises(ConfigurationError, match="^a_flag must be True or False, not (int|str)$"):
            reader("a_flag", value)


def test_a_header_outside_ascii_is_refused() -> None:
    """Only metadata has a way to travel; elsewhere raw UTF-8 would break the signature."""
    with pytest.raises(ConfigurationError, match="content_disposition must be ASCII"):
        read_text("content-disposition")("content_disposition", "attachment; filename=ü")


@pytest.mark.parametrize("name", ["expires", "object_lock_retain_until"])
def test_a_time_without_a_zone_is_refused(name: str) -> None:
    """Guessing the zone would be off by hours."""
    with pytest.raises(ConfigurationError, match=f"{name} needs a time zone"):
        OF_TIMES[name](name, datetime(2030, 1, 1))


@pytest.mark.parametrize("key_bytes", [b"", SECRET[:-1], SECRET + b"x", "A" * 32, bytearray(SECRET)])
def test_a_customer_key_of_another_size_is_refused_without_showing_it(key_bytes: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_customer_key("sse_customer_key", key_bytes)
    assert str(caught.value) == "sse_customer_key must be 32 bytes"


@pytest.mark.parametrize(
    ("given_etag", "sent"), [('"a"', '"a"'), ("a", '"a"'), ("*", "*"), ('W/"a"', 'W/"a"'), (" a ", '"a"')]
)
def test_a_condition_takes_an_etag_with_or_without_quotes(given_etag: str, sent: str) -> None:
    assert read_etag("if-match")("if_match", given_etag) == {"if-match": sent}


@pytest.mark.parametrize("name", ["a b", "", "ü", "a:b", "a(b)"])
def test_a_metadata_name_must_be_a_header_token(name: str) -> None:
    """Anything else would break the header block."""
    with pytest.raises(ConfigurationError, match="metadata name"):
        read_metadata("metadata", {name: "v"})


def test_metadata_names_that_differ_only_in_case_are_refused() -> None:
    """One of the two would be lost."""
    with pytest.raises(ConfigurationError, match="twice"):
        read_metadata("metadata", {"A": "1", "a": "2"})


@pytest.mark.parametrize("value", ["", "A 7", "= ?", "?=", "!~"])
def test_metadata_that_a_header_keeps_is_sent_as_it_is(value: str) -> None:
    """So that every other client reads it."""
    assert metadata(value) == value


@pytest.mark.parametrize("value", ["ü", " a", "a ", "a=?b", "=?UTF-8?B?YQ==?="])
def test_metadata_that_a_header_would_not_keep_becomes_encoded_words(value: str) -> None:
    """Outer blanks are trimmed on the way, and what looks encoded would be decoded."""
    assert metadata(value) == f"=?UTF-8?B?{b64encode(value.encode()).decode()}?="


@given(SAFE_TEXT)
def test_any_metadata_value_comes_back(value: str) -> None:
    sent = metadata(value)
    assert sent.isascii()
    assert sent == sent.strip()
    assert read_metadata_headers({"x-amz-meta-m": sent}) == {"m": value}


def test_long_values_are_cut_into_legal_words() -> None:
    """RFC 2047: at most 75 characters a word, each whole UTF-8 of its own."""
    words = metadata("aä🚀" * 40).split(" ")
    assert max(map(len, words)) <= 75
    assert "".join(b64decode(word[10:-2]).decode() for word in words) == "aä🚀" * 40


def test_words_are_as_long_as_they_may_be() -> None:
    """45 bytes each: 46 are two words, and a character that would cross the edge begins the next."""
    assert metadata("ü" * 22 + "x") == f"=?UTF-8?B?{b64encode(('ü' * 22 + 'x').encode()).decode()}?="
    words = metadata("ü" * 23).split(" ")
    assert [b64decode(word[10:-2]).decode() for word in words] == ["ü" * 22, "ü"]


@given(st.dictionaries(SAFE_TEXT.filter(bool), SAFE_TEXT, min_size=1))
def test_any_tags_come_back(tags: dict[str, str]) -> None:
    sent = read_tags("tags", tags)["x-amz-tagging"]
    assert dict(parse_qsl(sent, keep_blank_values=True)) == tags


def test_a_kms_context_is_json_in_base64() -> None:
    sent = read_context("sse_kms_context", {"ü": "b"})["x-amz-server-side-encryption-context"]
    assert json.loads(b64decode(sent)) == {"ü": "b"}
    two = read_context("sse_kms_context", {"a": "b", "c": "d"})["x-amz-server-side-encryption-context"]
    assert b64decode(two) == b'{"a":"b","c":"d"}'
