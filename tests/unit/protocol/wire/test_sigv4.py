"""Signature V4: every published and recomputed vector that an S3 signer can meet, byte for byte."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.wire.messages import Request
from aios3._protocol.wire.sigv4 import (
    EMPTY_SHA256,
    UNSIGNED_PAYLOAD,
    Scope,
    canonical_headers,
    canonical_request,
    presign,
    sign,
    signature,
    signing_key,
    string_to_sign,
)
from aios3._protocol.wire.uri import canonical_query, encode_path
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError
from tests.support.places import DATA

VECTORS = DATA / "vectors" / "sigv4"
NOW = datetime(2024, 2, 29, 12, 34, 56, tzinfo=UTC)
KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SCOPE = Scope("eu-west-1")


def load(name: str) -> dict[str, Any]:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def by_name(cases: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in cases]


def keys_of(case: dict[str, Any]) -> Credentials:
    return Credentials(case["access_key_id"], case["secret_access_key"], case.get("session_token"))


def time_of(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def a_request(**changes: Any) -> Request:
    values = {"operation": "GetObject", "method": "GET", "scheme": "https", "host": "b.example.com", "path": "/k"}
    return Request(**{**values, **changes})


# --- our own S3 requests, whole ---------------------------------------------------------------------------------

S3_REQUESTS = load("s3_requests.json")


def request_of(case: dict[str, Any]) -> Request:
    endpoint = urlsplit(case["endpoint"])
    bucket = f"/{case['bucket_in_path']}" if case["bucket_in_path"] else ""
    return Request(
        operation="any",
        method=case["method"],
        scheme=endpoint.scheme,
        host=endpoint.netloc,
        path=f"{bucket}/{encode_path(case['key'] or '')}",
        query=tuple((name, value) for name, value in case["query"]),
        headers=case["headers"],
    )


@pytest.mark.parametrize("case", by_name(S3_REQUESTS["cases"]))
def test_an_s3_request_is_signed_byte_for_byte(case: dict[str, Any]) -> None:
    request, expect = request_of(case), case["expect"]
    is_unsigned = case["payload"] == UNSIGNED_PAYLOAD
    payload_hash = UNSIGNED_PAYLOAD if is_unsigned else sha256(case["body"].encode()).hexdigest()
    signed = sign(
        request, keys_of(case), Scope(case["region"], case["service"]), time_of(case["amz_date"]), payload_hash
    )
    assert signed.headers["authorization"] == expect["authorization"]
    assert signed.headers["x-amz-date"] == case["amz_date"]
    assert signed.headers["x-amz-content-sha256"] == expect["payload_hash"] == payload_hash
    assert signed.headers.get("x-amz-security-token") == case["session_token"]
    assert (signed.path, canonical_query(signed.query)) == (expect["canonical_uri"], expect["canonical_query"])


@pytest.mark.parametrize("case", by_name(S3_REQUESTS["presigned"]))
def test_a_presigned_url_is_signed_byte_for_byte(case: dict[str, Any]) -> None:
    scope = Scope(case["region"], case["service"])
    url = presign(request_of(case), keys_of(case), scope, time_of(case["amz_date"]), case["expires"])
    base, _, last = url.rpartition("&X-Amz-Signature=")
    assert last == case["expect"]["signature"]
    parsed = urlsplit(base)
    assert parsed.path == case["expect"]["canonical_uri"]
    assert sorted(parse_qsl(parsed.query)) == sorted(map(tuple, case["expect"]["query_without_signature"]))
    assert sorted(url.split("?")[1].split("&")) == sorted(case["expect"]["url_example"].split("?")[1].split("&"))


# --- Amazon's documentation, by the steps ------------------------------------------------------------------------

DOC_CASES = load("s3_doc_examples.json")["cases"] + load("s3_chunked.json")["cases"]


@pytest.mark.parametrize("case", by_name(DOC_CASES))
def test_a_documented_s3_example_is_signed_byte_for_byte(case: dict[str, Any]) -> None:
    """Canonical request, string to sign and signature (for signed chunks: the seed) are Amazon's own."""
    scope = Scope(case["region"], case["service"])
    names = canonical_headers(case["headers"])
    canonical = canonical_request(
        case["method"], case["path"], canonical_query(case["query"]), names, case["payload_hash"]
    )
    assert canonical == case["canonical_request"]
    assert string_to_sign(canonical, scope, case["amz_date"]) == case["string_to_sign"]
    key = signing_key(case["secret_access_key"], case["amz_date"][:8], scope.region, scope.service)
    assert signature(key, case["string_to_sign"]) == case["signature"]


@pytest.mark.parametrize(
    "case", load("signing_key.json")["cases"], ids=lambda case: f"{case['service']}-{case['region']}"
)
def test_the_signing_key_is_derived_as_documented(case: dict[str, Any]) -> None:
    key = signing_key(case["secret_access_key"], case["date"], case["region"], case["service"])
    assert key.hex() == case["kSigning"]


def test_no_s3_vector_is_left_out_silently() -> None:
    assert (len(S3_REQUESTS["cases"]), len(S3_REQUESTS["presigned"]), len(DOC_CASES)) == (13, 4, 7)


# --- rules of our own ----------------------------------------------------------------------------------------------


def test_the_request_given_is_not_changed() -> None:
    headers = {"content-type": "text/plain"}
    request = a_request(headers=headers)
    first = sign(request, KEYS, SCOPE, NOW, EMPTY_SHA256)
    again = sign(request, KEYS, SCOPE, NOW + timedelta(minutes=1), EMPTY_SHA256)
    assert headers == {"content-type": "text/plain"}
    assert first.headers["authorization"] != again.headers["authorization"]


def test_headers_that_proxies_change_are_sent_but_not_signed() -> None:
    fickle = ("user-agent", "accept-encoding", "connection", "proxy-authorization", "traceparent", "expect", "te")
    signed = sign(a_request(headers=dict.fromkeys(fickle, "x")), KEYS, SCOPE, NOW, EMPTY_SHA256)
    assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date," in signed.headers["authorization"]
    assert set(fickle) <= set(signed.headers)


@pytest.mark.parametrize("seconds", [0, -1, 604_801])
def test_a_presigned_url_cannot_last_longer_than_a_week(seconds: int) -> None:
    with pytest.raises(ConfigurationError, match="604800 seconds"):
        presign(a_request(), KEYS, SCOPE, NOW, seconds)


@given(st.lists(st.tuples(st.sampled_from(["a", "B", "x-c"]), st.text(alphabet="ab \t", max_size=9))))
def test_canonical_headers_are_sorted_lower_case_and_collapsed(headers: list[tuple[str, str]]) -> None:
    lines, names = canonical_headers(headers)
    assert names.split(";") == sorted({name.lower() for name, _ in headers}) or not headers
    assert [line.partition(":")[0] for line in lines.splitlines()] == (names.split(";") if names else [])
    assert "  " not in lines
    assert "\t" not in lines


# --- the token of a session ---------------------------------------------------------------------------------------

SESSION_KEYS = Credentials("SESSION", "hidden", "token/+==")
SESSION_SCOPE = Scope("eu-west-1", "s3express", "X-Amz-S3session-Token")


def test_a_token_of_another_name_is_a_signed_header() -> None:
    signed = sign(a_request(), SESSION_KEYS, SESSION_SCOPE, NOW, EMPTY_SHA256)
    assert signed.headers["x-amz-s3session-token"] == "token/+=="
    assert "x-amz-security-token" not in signed.headers
    assert "x-amz-s3session-token" in signed.headers["authorization"]
    with_header = a_request(headers={"x-amz-s3session-token": "token/+=="})
    plain = Credentials(SESSION_KEYS.access_key_id, SESSION_KEYS.secret_access_key)
    assert sign(with_header, plain, Scope("eu-west-1", "s3express"), NOW, EMPTY_SHA256).headers == signed.headers


def test_a_token_of_another_name_is_in_a_presigned_query() -> None:
    query = dict(parse_qsl(urlsplit(presign(a_request(), SESSION_KEYS, SESSION_SCOPE, NOW, 60)).query))
    assert query["X-Amz-S3session-Token"] == "token/+=="
    assert "X-Amz-Security-Token" not in query


@pytest.mark.parametrize("seconds", [1, 604800])
def test_a_presigned_url_may_last_a_second_or_a_week(seconds: int) -> None:
    query = dict(parse_qsl(urlsplit(presign(a_request(), KEYS, SCOPE, NOW, seconds)).query))
    assert query["X-Amz-Expires"] == str(seconds)


def test_repeated_headers_are_joined_in_their_order() -> None:
    lines, names = canonical_headers([("X-Amz-Meta-A", "1"), ("x-amz-meta-b", "2"), ("x-amz-meta-a", "3")])
    assert (lines, names) == ("x-amz-meta-a:1,3\nx-amz-meta-b:2\n", "x-amz-meta-a;x-amz-meta-b")
