"""Signatures, checked against published vectors and against every way to get one wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import pytest

from aios3.credentials import Credentials
from aios3.testing.wire.answers import Refusal
from aios3.testing.wire.heads import RequestHead, read_head
from aios3.testing.wire.signatures import (
    UNSIGNED_PAYLOAD,
    Authorization,
    canonical_request,
    check_authorization,
    read_authorization,
    signature,
    string_to_sign,
)
from tests.support.places import DATA

VECTORS = DATA / "vectors" / "sigv4"
REQUESTS = json.loads((VECTORS / "s3_requests.json").read_text())
EXAMPLES = json.loads((VECTORS / "s3_doc_examples.json").read_text())["cases"]
HEADER_EXAMPLES = [case for case in EXAMPLES if "authorization" in case]


def parsed(method: str, target: str, headers: dict[str, str]) -> RequestHead:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return read_head("\r\n".join(lines).encode())


def head_of(case: dict[str, object]) -> RequestHead:
    """Build what a server receives out of a vector of signed headers."""
    expect = case["expect"]
    url = urlsplit(expect["url"])
    headers = {"host": expect["host_header"], **case["headers"], "x-amz-date": case["amz_date"]}
    headers |= {"x-amz-content-sha256": expect["payload_hash"], "authorization": expect["authorization"]}
    if case["session_token"]:
        headers["x-amz-security-token"] = case["session_token"]
    return parsed(case["method"], f"{url.path}?{url.query}" if url.query else url.path, headers)


def head_of_example(case: dict[str, object]) -> RequestHead:
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in case["query"])
    target = f"{case['path']}?{query}" if query else case["path"]
    return parsed(case["method"], target, {**dict(case["headers"]), "Authorization": case["authorization"]})


def check(head: RequestHead, case: dict[str, object], **changes: object) -> Authorization:
    claim = read_authorization(head)
    assert claim is not None
    now = datetime.strptime(case["amz_date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    credentials = Credentials(case["access_key_id"], case["secret_access_key"], case.get("session_token"))
    options = {"credentials": credentials, "region": case["region"], "now": now, **changes}
    check_authorization(head, claim, **options)
    return claim


@pytest.mark.parametrize("case", REQUESTS["cases"], ids=lambda case: case["name"])
def test_signed_requests_of_the_vectors_are_accepted(case: dict[str, object]):
    head = head_of(case)
    claim = check(head, case)
    request = canonical_request(head, claim.signed_headers, claim.payload_hash)
    assert request == case["expect"]["canonical_request"]
    assert string_to_sign(request, claim.amz_date, claim.scope) == case["expect"]["string_to_sign"]


@pytest.mark.parametrize("case", HEADER_EXAMPLES, ids=lambda case: case["name"])
def test_documented_examples_are_accepted(case: dict[str, object]):
    head = head_of_example(case)
    claim = check(head, case)
    assert canonical_request(head, claim.signed_headers, claim.payload_hash) == case["canonical_request"]


@pytest.mark.parametrize("case", REQUESTS["presigned"], ids=lambda case: case["name"])
def test_presigned_urls_of_the_vectors_are_accepted(case: dict[str, object]):
    head = presigned(case)
    claim = check(head, case)
    assert claim.payload_hash == UNSIGNED_PAYLOAD


def presigned(case: dict[str, object], **replaced: str) -> RequestHead:
    url = urlsplit(case["expect"]["url_example"])
    query = "&".join(
        f"{name}={replaced.get(name, value)}"
        for name, _, value in (pair.partition("=") for pair in url.query.split("&"))
        if replaced.get(name, value)
    )
    return parsed(case["method"], f"{url.path}?{query}", {"host": url.netloc, **case.get("headers", {})})


CASE = REQUESTS["cases"][0]
URL_CASE = REQUESTS["presigned"][0]


def refused(head: RequestHead, case: dict[str, object] = CASE, **changes: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        check(head, case, **changes)
    return caught.value


def changed(name: str, value: str | None) -> RequestHead:
    """Return the first vector with one header changed or left out."""
    head = head_of(CASE)
    others = tuple((other, text) for other, text in head.headers if other != name)
    return replace(head, headers=others if value is None else (*others, (name, value)))


def authorization(old: str, new: str) -> RequestHead:
    return changed("authorization", CASE["expect"]["authorization"].replace(old, new))


def test_the_documented_presigned_url_is_accepted():
    case = next(case for case in EXAMPLES if "url" in case)
    url = urlsplit(case["url"])
    check(parsed("GET", f"{url.path}?{url.query}", {"Host": url.netloc}), case)


def test_any_change_of_the_request_breaks_the_signature():
    head = head_of(CASE)
    for broken in (
        replace(head, method="PUT"),
        replace(head, path="/dir/file.bit"),
        replace(head, query=(*head.query, ("a", "b"))),
        changed("content-type", "text/plain"),
        authorization("Signature=8f", "Signature=8e"),
    ):
        refusal = refused(broken)
        assert (refusal.status, refusal.code) == (403, "SignatureDoesNotMatch")
        assert set(refusal.details) == {"AWSAccessKeyId", "StringToSign", "SignatureProvided", "CanonicalRequest"}


def test_a_path_that_is_not_encoded_as_s3_does_never_matches():
    head = replace(head_of(CASE), path="/dir/file%2Ebin")
    claim = read_authorization(head)
    assert claim is not None
    request = canonical_request(head, claim.signed_headers, claim.payload_hash)
    right = signature(CASE["secret_access_key"], claim.scope, string_to_sign(request, claim.amz_date, claim.scope))
    signed = authorization(claim.signature, right)
    assert refused(replace(signed, path=head.path)).code == "SignatureDoesNotMatch"


def test_headers_that_have_to_be_signed_are():
    """The host and everything of Amazon's own; the refusal names what is missing."""
    refusal = refused(changed("x-amz-acl", "private"))
    assert (refusal.status, refusal.code) == (403, "AccessDenied")
    assert refusal.details == {"HeadersNotSigned": "x-amz-acl"}
    assert refused(authorization("content-type;host;", "content-type;")).details == {"HeadersNotSigned": "host"}


@pytest.mark.parametrize(
    ("old", "new"),
    [("/s3/", "/ec2/"), ("/aws4_request", ""), ("20240229/", "20240228/"), ("AWS4-HMAC-SHA256", "AWS"), (", Sig", "")],
)
def test_a_malformed_authorization_is_refused(old: str, new: str):
    refusal = refused(authorization(old, new))
    assert (refusal.status, refusal.code) == (400, "AuthorizationHeaderMalformed")


def test_the_date_and_the_payload_hash_are_required():
    date = refused(changed("x-amz-date", None))
    assert date.code == "AuthorizationHeaderMalformed"
    assert refused(changed("x-amz-date", "20240229T9")).code == "AccessDenied"
    assert refused(changed("x-amz-content-sha256", None)).code == "InvalidRequest"


def test_presigned_urls_expire():
    signed_at = datetime.strptime(URL_CASE["amz_date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    life = timedelta(seconds=URL_CASE["expires"])
    check(presigned(URL_CASE), URL_CASE, now=signed_at + life)
    late = refused(presigned(URL_CASE), URL_CASE, now=signed_at + life + timedelta(seconds=1))
    early = refused(presigned(URL_CASE), URL_CASE, now=signed_at - timedelta(minutes=16))
    assert (late.status, late.code, late.message) == (403, "AccessDenied", "Request has expired")
    assert (early.code, early.message) == ("AccessDenied", "Request is not valid yet")


@pytest.mark.parametrize(
    "replaced",
    [
        {"X-Amz-Algorithm": "AWS4-HMAC-SHA512"},
        {"X-Amz-Expires": "0"},
        {"X-Amz-Expires": "604801"},
        {"X-Amz-Expires": "soon"},
        {"X-Amz-Date": ""},
        {"X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE%2F20240229"},
    ],
)
def test_malformed_presigned_urls_are_refused(replaced: dict[str, str]):
    refusal = refused(presigned(URL_CASE, **replaced), URL_CASE)
    assert (refusal.status, refusal.code) == (400, "AuthorizationQueryParametersError")


def test_the_scope_names_the_service_that_is_asked_for():
    """``s3express`` for directory buckets, and then nothing else."""
    refusal = refused(head_of(CASE), service="s3express")
    assert (refusal.status, refusal.code) == (400, "AuthorizationHeaderMalformed")
    assert "key/date/region/s3express/aws4_request" in refusal.message


def test_a_sessions_token_is_read_apart_from_the_usual_one():
    signed = read_authorization(changed("x-amz-s3session-token", "theirs"))
    assert signed is not None
    assert (signed.session_token, signed.token) == ("theirs", CASE["session_token"])
    url = "/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=K&X-Amz-SignedHeaders=host&X-Amz-Date=D"
    head = parsed("GET", f"{url}&X-Amz-Expires=1&X-Amz-Signature=S&X-Amz-S3session-Token=theirs", {"host": "h"})
    claim = read_authorization(head)
    assert claim is not None
    assert (claim.session_token, claim.token) == ("theirs", None)


def test_signed_headers_are_sorted_and_present():
    assert refused(authorization("content-type;host", "host;content-type")).code == "AuthorizationHeaderMalformed"
    assert refused(changed("content-type", None)).code == "SignatureDoesNotMatch"


def test_unsigned_requests_and_double_ones_are_told_apart():
    assert read_authorization(parsed("GET", "/b", {"host": "h"})) is None
    head = replace(head_of(CASE), query=(("X-Amz-Signature", "1"),))
    assert refused(head).code == "InvalidArgument"
