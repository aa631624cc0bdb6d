"""Deletion of many objects by the server."""

from __future__ import annotations

import base64
import hashlib

import pytest


def digest(body: bytes) -> dict[str, str]:
    return {"content-md5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}


@pytest.mark.parametrize(
    ("body", "has_digest", "code"),
    [
        (b"<Delete><Object><Key>a</Key></Object></Delete>", False, "InvalidRequest"),
        (b"<Delete></Delete>", True, "MalformedXML"),
        (b"<Delete><Object></Object></Delete>", True, "MalformedXML"),
        (b"<Other/>", True, "MalformedXML"),
        (b"<Delete>" + b"<Object><Key>a</Key></Object>" * 1001 + b"</Delete>", True, "MalformedXML"),
    ],
)
async def test_list_that_s3_refuses_is_refused(serve, body, has_digest, code):
    _, client = await serve()
    answer = await client.request("POST", "/bucket?delete=", digest(body) if has_digest else {}, body=body)
    assert answer.code == code


async def test_conditions_of_directory_buckets_are_refused(serve):
    """If they were ignored, an object would be removed that its client wants to keep."""
    server, client = await serve()
    await client.request("PUT", "/bucket/a", body=b"")
    body = b"<Delete><Object><Key>a</Key><Size>9</Size></Object></Delete>"
    assert (await client.request("POST", "/bucket?delete=", digest(body), body=body)).element(
        "Code"
    ) == "NotImplemented"
    assert (await client.request("DELETE", "/bucket/a", {"x-amz-if-match-size": "9"})).code == "NotImplemented"
    assert server.objects


async def test_quiet_report_has_failures_only(serve):
    server, client = await serve()
    for key in ("a", "b"):
        await client.request("PUT", f"/bucket/{key}", body=b"")
    server.store.undeletable.add(("bucket", "b"))
    body = b"<Delete><Quiet>true</Quiet><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>"
    answer = await client.request("POST", "/bucket?delete=", digest(body), body=body)
    assert answer.elements("Key") == ["b"]
    wrong = b"<Delete><Object><Key>b</Key><ETag>x</ETag></Object><Object><Key>c</Key></Object></Delete>"
    server.store.undeletable.clear()
    answer = await client.request("POST", "/bucket?delete=", digest(wrong), body=wrong)
    assert (answer.elements("Code"), answer.elements("Key")) == (["PreconditionFailed"], ["b", "c"])
