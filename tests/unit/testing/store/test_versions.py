"""Versions of objects, and the markers of their deletions."""

from __future__ import annotations

from urllib.parse import quote

import pytest


async def set_versioning(client, status: str) -> None:
    body = f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>".encode()
    assert (await client.request("PUT", "/bucket?versioning=", body=body)).status == 200
    assert (await client.request("GET", "/bucket?versioning=")).element("Status") == status


async def ids(client) -> list[str]:
    listed = await client.request("GET", "/bucket?versions=")
    return ["null" if version == "null" else "id" for version in listed.elements("VersionId")]


async def test_an_object_from_before_keeps_the_version_null(serve):
    _, client = await serve()
    await client.request("PUT", "/bucket/key", body=b"before")
    await set_versioning(client, "Enabled")
    await client.request("PUT", "/bucket/key", body=b"after")
    assert await ids(client) == ["id", "null"]
    assert (await client.request("GET", "/bucket/key?versionId=null")).body == b"before"


async def test_a_suspended_bucket_replaces_only_the_version_null(serve):
    _, client = await serve()
    await set_versioning(client, "Enabled")
    await client.request("PUT", "/bucket/key", body=b"1")
    await set_versioning(client, "Suspended")
    for body in (b"2", b"3"):
        assert "x-amz-version-id" not in (await client.request("PUT", "/bucket/key", body=body)).headers
    assert await ids(client) == ["null", "id"]
    assert (await client.request("DELETE", "/bucket/key")).headers["x-amz-delete-marker"] == "true"
    assert await ids(client) == ["null", "id"]
    await set_versioning(client, "Enabled")
    await client.request("PUT", "/bucket/key", body=b"4")
    assert await ids(client) == ["id", "null", "id"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_read_of_a_deleted_object_names_the_marker(serve, method: str):
    _, client = await serve(versioned_buckets=["bucket"])
    await client.request("PUT", "/bucket/key", body=b"1")
    marker = (await client.request("DELETE", "/bucket/key")).headers["x-amz-version-id"]
    expected = {"x-amz-delete-marker": "true", "x-amz-version-id": marker}
    gone = await client.request(method, "/bucket/key")
    target = f"/bucket/key?versionId={quote(marker, safe='')}"
    itself = await client.request(method, target)
    assert (gone.status, itself.status, itself.headers["allow"]) == (404, 405, "DELETE")
    assert expected.items() <= gone.headers.items()
    assert expected.items() <= itself.headers.items()
    removed = await client.request("DELETE", target)
    assert (removed.status, removed.headers["x-amz-delete-marker"]) == (204, "true")
    assert (await client.request(method, "/bucket/key")).status == 200


async def test_a_tag_or_an_acl_of_an_old_version_leaves_the_current_one(serve):
    server, client = await serve(versioned_buckets=["bucket"])
    old = (await client.request("PUT", "/bucket/key", body=b"old")).headers["x-amz-version-id"]
    await client.request("PUT", "/bucket/key", body=b"new")
    version = quote(old, safe="")
    tags = b"<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"
    assert (await client.request("PUT", f"/bucket/key?tagging=&versionId={version}", body=tags)).status == 200
    target = f"/bucket/key?acl=&versionId={version}"
    assert (await client.request("PUT", target, {"x-amz-acl": "public-read"})).status == 200
    assert server.objects["bucket", "key"].body == b"new"
    assert not server.objects["bucket", "key"].headers.get("x-amz-acl")
    assert (await client.request("GET", f"/bucket/key?tagging=&versionId={version}")).element("Key") == "a"
    assert b"AllUsers" in (await client.request("GET", target)).body
    assert (await client.request("DELETE", f"/bucket/key?tagging=&versionId={version}")).status == 204
