"""Objects that the server unpacks for clients that do not accept gzip."""

from __future__ import annotations

import gzip

import pytest

from aios3.providers import find_provider


@pytest.mark.parametrize("stored", [gzip.compress(b"plain", mtime=0), gzip.compress(b"", mtime=0), b"no gzip"])
async def test_object_is_unpacked_unless_gzip_is_accepted(serve, stored):
    """As Google does: without length and ETag, and as the whole object."""
    server, client = await serve(provider=find_provider("google"))
    await client.request("PUT", "/bucket/key", {"content-encoding": "gzip"}, body=stored)
    await client.request("PUT", "/bucket/plain", body=stored)
    packed = await client.request("GET", "/bucket/key", {"accept-encoding": "gzip"})
    assert (packed.body, packed.headers["content-encoding"]) == (stored, "gzip")
    assert (await client.request("GET", "/bucket/plain")).body == stored
    head = await client.request("HEAD", "/bucket/key")
    assert "content-length" not in head.headers
    assert "etag" not in head.headers
    assert head.headers["x-goog-stored-content-length"] == str(len(stored))
