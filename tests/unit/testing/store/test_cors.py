"""What the scripts of a page may do with the buckets."""

from __future__ import annotations

import pytest

from aios3.testing import CorsRule

PAGE = "https://page.example"
RULE = CorsRule(
    allowed_origins=("https://other.example", "https://*.example"),
    allowed_methods=("GET", "PUT"),
    allowed_headers=("content-type", "X-Amz-*"),
    expose_headers=("ETag", "x-amz-version-id"),
    max_age=60,
)
EVERYTHING = {
    "access-control-allow-origin": PAGE,
    "access-control-allow-credentials": "true",
    "access-control-allow-methods": "GET, PUT",
    "access-control-expose-headers": "ETag, x-amz-version-id",
    "access-control-max-age": "60",
    "vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
}


def crossing(response):
    return {n: v for n, v in response.headers.items() if n.startswith("access-control-") or n == "vary"}


def asking(method="PUT", origin=PAGE, headers=None):
    asked = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": headers}
    return {name: value for name, value in asked.items() if value is not None}


async def ask(client, **question):
    return await client.request("OPTIONS", "/bucket/key?partNumber=1&uploadId=x", asking(**question), signed=False)


async def test_a_preflight_is_allowed_without_a_signature(serve):
    server, client = await serve(cors=RULE)
    response = await ask(client, headers="Content-Type,x-amz-acl")
    assert (response.status, response.body) == (200, b"")
    assert crossing(response) == {**EVERYTHING, "access-control-allow-headers": "content-type, x-amz-acl"}
    assert crossing(await ask(client)) == EVERYTHING
    assert server.requests[0].operation == "Preflight"


@pytest.mark.parametrize(
    ("rule", "question", "status", "code", "message"),
    [
        (None, {}, 403, "AccessForbidden", "CORSResponse: CORS is not enabled for this bucket."),
        (
            RULE,
            {"origin": "http://a.example"},
            403,
            "AccessForbidden",
            "CORSResponse: This CORS request is not allowed.",
        ),
        (RULE, {"method": "DELETE"}, 403, "AccessForbidden", "CORSResponse: This CORS request is not allowed."),
        (RULE, {"headers": "range"}, 403, "AccessForbidden", "CORSResponse: This CORS request is not allowed."),
        (RULE, {"origin": None}, 400, "BadRequest", "Insufficient information. Origin request header needed."),
        (RULE, {"method": None}, 400, "BadRequest", "Invalid Access-Control-Request-Method: null"),
    ],
)
async def test_a_preflight_is_refused_as_s3_does(serve, rule, question, status, code, message):
    _, client = await serve(cors=rule)
    response = await ask(client, **question)
    assert (response.status, response.code, response.element("Message")) == (status, code, message)
    assert crossing(response) == {}


async def test_responses_to_scripts_have_the_headers_of_the_rule_whatever_their_status(serve):
    _, client = await serve(cors=RULE)
    stored = await client.request("PUT", "/bucket/key", {"origin": PAGE}, b"x")
    assert (stored.status, crossing(stored)) == (200, EVERYTHING)
    missing = await client.request("GET", "/bucket/none", {"origin": PAGE})
    assert (missing.status, crossing(missing)) == (404, EVERYTHING)
    early = await client.request("PUT", "/bucket/key", {"origin": PAGE}, length=-1)
    assert (early.status, crossing(early)) == (411, EVERYTHING)


@pytest.mark.parametrize(("rule", "origin"), [(None, PAGE), (RULE, None), (RULE, "http://a.example")])
async def test_responses_to_others_have_none(serve, rule, origin):
    _, client = await serve(cors=rule)
    response = await client.request("PUT", "/bucket/key", {"origin": origin} if origin else {}, b"x")
    assert (response.status, crossing(response)) == (200, {})


async def test_any_origin_gets_an_asterisk_and_no_credentials(serve):
    _, client = await serve(cors=CorsRule(expose_headers=(), max_age=None))
    assert crossing(await ask(client)) == {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, HEAD, PUT, POST, DELETE",
        "vary": EVERYTHING["vary"],
    }
