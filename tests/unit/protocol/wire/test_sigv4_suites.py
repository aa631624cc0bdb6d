"""Signature V4 against the general test suite of AWS, as far as it holds for S3."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

import pytest

from aios3._protocol.wire.sigv4 import (
    Scope,
    canonical_headers,
    canonical_request,
    signature,
    signing_key,
    string_to_sign,
)
from aios3._protocol.wire.uri import canonical_query, encode_path
from tests.support.places import DATA

VECTORS = DATA / "vectors" / "sigv4"


def load(name: str) -> dict[str, Any]:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Suite:
    """A case of a general suite: a raw request, and what a signer of that service makes of it."""

    name: str
    raw: str
    timestamp: str
    region: str
    service: str
    secret: str
    canonical: str
    to_sign: str
    signature: str


def c_auth_cases(kind: str) -> list[Suite]:
    cases = []
    for case in load("aws_c_auth_v4.json")["cases"]:
        context, expect = case["context"], case[kind]
        stamp = context["timestamp"].replace("-", "").replace(":", "")
        secret = context["credentials"]["secret_access_key"]
        texts = (expect["canonical_request"], expect["string_to_sign"], expect["signature"])
        raw = expect["signed_request"]
        cases.append(Suite(case["name"], raw, stamp, context["region"], context["service"], secret, *texts))
    return cases


def sign_raw(case: Suite) -> tuple[str, str, str]:
    """Sign a request given as HTTP text, as far as an S3 signer goes: no normalising, no second encoding."""
    head, _, body = case.raw.partition("\n\n")
    first, *lines = head.replace("\n ", " ").split("\n")
    method, target = first.split(" ", 1)
    path, _, query = target.rpartition(" HTTP/1.1")[0].partition("?")
    named = case.canonical.split("\n")[-2].split(";")
    headers = [(name, value) for name, _, value in (line.partition(":") for line in lines) if name.lower() in named]
    pairs = [tuple(map(unquote, pair.partition("=")[::2])) for pair in query.split("&") if pair]
    pairs = [(name, value) for name, value in pairs if name != "X-Amz-Signature"]
    scope = Scope(case.region, case.service)
    payload_hash = sha256(body.encode()).hexdigest()
    canonical = canonical_request(
        method, encode_path(path), canonical_query(pairs), canonical_headers(headers), payload_hash
    )
    to_sign = string_to_sign(canonical, scope, case.timestamp)
    key = signing_key(case.secret, case.timestamp[:8], case.region, case.service)
    return canonical, to_sign, signature(key, to_sign)


NORMALISED = {
    "get-relative", "get-relative-relative", "get-slash", "get-slash-dot-slash", "get-slash-pointless-dot",
    "get-slashes",
}  # fmt: skip
"""Left out of the general suites: there the path is normalised before signing. S3 never does that."""

TOKEN_ADDED_LATER = {"post-sts-header-after"}
"""Left out of the query form: the session token is added after signing. S3 wants it signed."""

LEFT_OUT = {
    "header": {f"{name}-normalized" for name in NORMALISED},
    "query": {f"{name}-normalized" for name in NORMALISED} | TOKEN_ADDED_LATER,
}
SUITES = {"header": c_auth_cases("header"), "query": c_auth_cases("query")}
RUN = {kind: [case for case in cases if case.name not in LEFT_OUT[kind]] for kind, cases in SUITES.items()}


def test_no_vector_is_left_out_silently() -> None:
    """Every vector runs but the named ones, so that a broken reader cannot pass by reading nothing."""
    assert {kind: len(cases) for kind, cases in RUN.items()} == {"header": 32, "query": 31}
    for kind, names in LEFT_OUT.items():
        assert names <= {case.name for case in SUITES[kind]}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{kind}-{case.name}") for kind, cases in RUN.items() for case in cases]
)
def test_a_case_of_the_general_suites_is_signed_byte_for_byte(case: Suite) -> None:
    """Canonical request, string to sign and signature of AWS's suites come out identical."""
    assert sign_raw(case) == (case.canonical, case.to_sign, case.signature)


@pytest.mark.parametrize("name", sorted(LEFT_OUT["header"]))
def test_a_path_is_never_normalised(name: str) -> None:
    case = next(case for case in SUITES["header"] if case.name == name)
    path = case.raw.split(" ")[1]
    assert sign_raw(case)[0].split("\n")[1] == path
