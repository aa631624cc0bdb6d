"""Options of one call as headers and version."""

from __future__ import annotations

import dataclasses

import pytest

from aios3._protocol.attributes.options import NO_OPTIONS, read_options
from aios3.errors import ConfigurationError
from aios3.models import DeleteOptions, ListOptions, ReadOptions
from aios3.providers import PROVIDERS

AWS = PROVIDERS["aws"]
EVERYTHING = {
    "request_payer": "requester",
    "expected_bucket_owner": "1",
    "version_id": "v/+ &",
    "if_match": "abc",
    "sse_customer_key": bytes(32),
}


def test_every_option_of_a_read_has_its_header_or_is_the_version() -> None:
    assert EVERYTHING.keys() == ReadOptions.__annotations__.keys()
    read = read_options(ReadOptions, EVERYTHING, AWS)
    assert (read.version_id, read.has_customer_key) == ("v/+ &", True)
    assert read.headers["if-match"] == '"abc"'
    assert {"x-amz-request-payer", "x-amz-expected-bucket-owner"} <= read.headers.keys()
    assert "AAAA" not in repr(read)


def test_no_option_is_nothing() -> None:
    assert read_options(ReadOptions, {}, AWS) == NO_OPTIONS == read_options(ReadOptions, {"version_id": None}, AWS)


@pytest.mark.parametrize("kind", [ListOptions, DeleteOptions])
def test_option_of_another_call_is_no_option(kind: type) -> None:
    for name in EVERYTHING.keys() - kind.__annotations__.keys():
        with pytest.raises(TypeError, match=f"no option '{name}'"):
            read_options(kind, {name: None}, AWS)


def test_refused_condition_of_an_upload_is_no_refused_condition_of_a_read() -> None:
    provider = dataclasses.replace(AWS, refused_attributes=frozenset({"if_match", "sse_customer_key"}))
    assert read_options(ReadOptions, {"if_match": "abc"}, provider).headers
    with pytest.raises(ConfigurationError, match="sse_customer_key"):
        read_options(ReadOptions, {"sse_customer_key": bytes(32)}, provider)
