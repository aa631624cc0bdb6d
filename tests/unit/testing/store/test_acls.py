"""Canned ACLs, and requests without a signature."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("acl", "expected"),
    [
        ("private", ["FULL_CONTROL"]),
        ("bucket-owner-full-control", ["FULL_CONTROL"]),
        ("authenticated-read", ["FULL_CONTROL", "READ"]),
        ("public-read-write", ["FULL_CONTROL", "READ", "WRITE"]),
    ],
)
@pytest.mark.parametrize("target", ["/bucket", "/bucket/key"])
async def test_a_canned_acl_comes_back_as_grants(serve, target: str, acl: str, expected: list[str]):
    _, client = await serve()
    await client.request("PUT", "/bucket/key", body=b"x")
    assert (await client.request("GET", f"{target}?acl=")).elements("Permission") == ["FULL_CONTROL"]
    assert (await client.request("PUT", f"{target}?acl=", {"x-amz-acl": acl})).status == 200
    answer = await client.request("GET", f"{target}?acl=")
    assert (answer.elements("Permission"), answer.elements("ID")) == (expected, ["owner", "owner"])


@pytest.mark.parametrize(
    ("acl", "status"),
    [
        ("private", [403] * 5),
        ("public-read", [200, 200, 200, 404, 403]),
        ("public-read-write", [200, 200, 200, 404, 200]),
    ],
)
async def test_an_acl_lets_anybody_in(serve, acl: str, status: list[int]):
    _, client = await serve()
    await client.request("PUT", "/new", {"x-amz-acl": acl})
    await client.request("PUT", "/new/key", {"x-amz-acl": acl}, b"x")
    requests = [
        ("GET", "/new/key"),
        ("HEAD", "/new"),
        ("GET", "/new?list-type=2"),
        ("GET", "/new/none"),
        ("PUT", "/new/b"),
    ]
    assert [(await client.request(method, target, signed=False)).status for method, target in requests] == status


async def test_an_object_is_public_by_itself_and_the_rest_is_not(serve):
    _, client = await serve()
    await client.request("PUT", "/bucket/open", {"x-amz-acl": "public-read"}, b"x")
    await client.request("PUT", "/bucket/closed", body=b"x")
    targets = ["/bucket/open", "/bucket/open?acl=", "/bucket/closed", "/bucket/none", "/bucket", "/", "/nowhere/key"]
    found = [(await client.request("GET", target, signed=False)).code for target in targets]
    assert found == [None, *["AccessDenied"] * 5, "NoSuchBucket"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [({"x-amz-acl": "odd"}, "InvalidArgument"), ({"x-amz-grant-read": "id=other"}, "NotImplemented")],
)
@pytest.mark.parametrize("target", ["/bucket", "/bucket/key"])
async def test_other_acls_are_refused(serve, target: str, headers: dict[str, str], code: str):
    _, client = await serve()
    await client.request("PUT", "/bucket/key", body=b"x")
    assert (await client.request("PUT", f"{target}?acl=", headers)).code == code
