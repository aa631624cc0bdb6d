"""Listing of versions, page after page."""

from __future__ import annotations

from html import unescape
from urllib.parse import quote

import pytest


@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize("most", [1, 2])
async def test_versions_can_be_removed_while_they_are_listed(serve, versioned: bool, most: int):
    """A client that empties a bucket follows the markers of versions that it has removed."""
    server, client = await serve()
    for round_ in range(3):
        for key in ("a", "b", "c"):
            await client.request("PUT", f"/bucket/{key}", body=b"%d" % round_)
        server.store.versioned_buckets |= {"bucket"} if versioned else set()
    marker = ""
    while True:
        answer = await client.request("GET", f"/bucket?max-keys={most}{marker}&versions=")
        for key, version in zip(answer.elements("Key"), answer.elements("VersionId"), strict=True):
            await client.request("DELETE", f"/bucket/{key}?versionId={quote(unescape(version), safe='')}")
        if answer.element("IsTruncated") == "false":
            break
        marker = answer.next_page
    assert not server.objects
    assert not server.store.versions
