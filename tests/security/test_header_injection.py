"""Whatever a caller passes on from strangers: no line of a request is ever of their choice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3 import PROVIDERS, AmazonS3StorageDriver, ConfigurationError, Credentials, S3StorageDriver
from aios3._protocol.attributes.headers import read_attributes
from aios3._protocol.operations import PutObject
from aios3._protocol.wire.sigv4 import Scope, presign, sign
from aios3._protocol.wire.uri import Endpoint, request_url
from aios3.models import UploadAttributes

KEYS = Credentials("AKIDEXAMPLE", "secret")
NOW = datetime(2026, 5, 4, tzinfo=UTC)
BREAKS = ["\r\n", "\n", "\r", "\x00", "\x0b", "\x0c", "\x1b", "\x7f", "\x85", "\u2028", "\u2029"]
"""Whatever somebody takes for the end of a line or of a string."""
EVIL = st.builds("{}{}{}".format, st.text(max_size=3), st.sampled_from(BREAKS), st.sampled_from(["", "X-Evil: 1"]))
TEXTS = sorted(
    set(UploadAttributes.__annotations__)
    - {"metadata", "tags", "sse_kms_context", "sse_bucket_key", "sse_customer_key"}
    - {"object_lock_retain_until", "object_lock_legal_hold"}
)
MAPPINGS = ["metadata", "tags", "sse_kms_context"]


def headers_with(**attributes: Any) -> dict[str, str]:
    read = read_attributes("key", attributes, PROVIDERS["aws"])
    return {**read.create, **read.part, **read.commit, **read.every}


@pytest.mark.parametrize("name", TEXTS)
@given(value=EVIL)
def test_no_attribute_takes_a_line_break(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        headers_with(**{name: value})
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", MAPPINGS)
@given(value=EVIL, in_name=st.booleans())
def test_no_mapping_takes_a_line_break(name: str, value: str, in_name: bool) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        headers_with(**{name: {value: "x"} if in_name else {"x": value}})
    assert str(caught.value).isprintable()


@given(
    metadata=st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20), max_size=3),
    tags=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
    words=st.fixed_dictionaries({}, optional={name: st.text(max_size=20) for name in TEXTS}),
)
def test_whatever_is_sent_is_printable_ascii(metadata: Any, tags: Any, words: Any) -> None:
    headers, refusal = {}, ""
    try:
        headers = headers_with(metadata=metadata, tags=tags, **words)
    except ConfigurationError as error:
        refusal = str(error)
    assert bool(headers) is not bool(refusal)
    assert refusal == "" or refusal.isprintable()
    for name, value in headers.items():
        assert name.isascii()
        assert all(letter.isalnum() or letter in "!#$%&'*+-.^_`|~" for letter in name)
        assert value.isascii()
        assert value.isprintable()


@given(key=st.text(min_size=1, max_size=30), prefix=st.sampled_from(["", "a/", "../"]), breaks=st.sampled_from(BREAKS))
def test_any_key_is_one_line(key: str, prefix: str, breaks: str) -> None:
    key = (prefix + key + breaks + "x").encode(errors="replace").decode()
    endpoint = Endpoint.parse("https://s3.example.org", "path")
    request = PutObject("bucket", key, {}, ()).build(endpoint)
    urls = [request_url(sign(request, KEYS, Scope("us-east-1"), NOW, "x")), presign(request, KEYS, Scope("x"), NOW, 60)]
    for url in urls:
        assert url.isascii()
        assert url.isprintable()
        assert " " not in url
        assert url.startswith("https://s3.example.org/bucket/")


@given(value=EVIL, place=st.integers(0, 2))
def test_no_credentials_take_a_line_break(value: str, place: int) -> None:
    values = ["id", "secret", "token"]
    values[place] = value + "hush"
    with pytest.raises(ConfigurationError) as caught:
        Credentials(*values)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("evil", BREAKS)
async def test_no_place_takes_a_line_break(server, make_driver, evil):
    driver = make_driver()
    calls = [
        lambda: driver.get_container(f"buck{evil}et"),
        lambda: driver.upload_object_via_stream(b"x", f"bucket{evil}X-Evil: 1", "key"),
        lambda: driver.get_object_cdn_url("bucket", "key", base_url=f"https://cdn.example{evil}X-Evil: 1"),
        lambda: make_driver(region=f"us-east-1{evil}").get_container("bucket"),
        lambda: make_driver(endpoint_url=f"{server.endpoint_url}{evil}X-Evil: 1").get_container("bucket"),
    ]
    for call in calls:
        with pytest.raises(ConfigurationError) as caught:
            await call()
        assert str(caught.value).isprintable()
    assert server.requests == []


@pytest.mark.parametrize("evil", [letter for letter in BREAKS if letter != "\x00"])
@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"])
async def test_no_variable_takes_a_line_break(monkeypatch, name, evil):
    for other in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(other, "us-east-1")
    monkeypatch.setenv(name, f"hush{evil}X-Evil: 1")
    async with AmazonS3StorageDriver() as driver:
        with pytest.raises(ConfigurationError):
            await driver.get_container("bucket")


async def test_a_key_of_line_breaks_is_that_key(server, driver: S3StorageDriver):
    key = "a\r\nX-Evil: 1\r\n\r\n\x00\u2028b"
    await driver.upload_object_via_stream(b"x", "bucket", key)
    assert [found.key async for found in driver.iterate_container_objects("bucket")] == [key]
    assert all("x-evil" not in request.headers for request in server.requests)
