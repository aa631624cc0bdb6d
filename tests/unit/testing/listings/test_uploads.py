"""Listings of uploads and parts, page after page."""

from __future__ import annotations

from html import unescape
from urllib.parse import quote

import pytest


@pytest.mark.parametrize("most", [1, 2, 3, 1000])
async def test_uploads_are_listed_by_key_and_age(serve, most: int):
    server, client = await serve()
    for key in ("b", "a", "b", "c/1", "b", "a"):
        await client.create(key)
    expected = [u.upload_id for u in sorted(server.open_uploads, key=lambda u: u.key)]
    seen, markers = [], ""
    while True:
        answer = await client.request("GET", f"/bucket?max-uploads={most}{markers}&uploads=")
        ids = [upload_id.replace("&#38;", "&") for upload_id in answer.elements("UploadId")]
        assert len(ids) <= most
        seen += ids
        if answer.element("IsTruncated") == "false":
            break
        key, upload_id = answer.element("NextKeyMarker"), answer.element("NextUploadIdMarker").replace("&#38;", "&")
        markers = f"&key-marker={quote(key, safe='')}&upload-id-marker={quote(upload_id, safe='')}"
    assert seen == expected


async def test_uploads_can_be_aborted_while_they_are_listed(serve):
    server, client = await serve()
    for _ in range(3):
        await client.create("a")
    kept, aborted, last = server.open_uploads
    await client.request("DELETE", f"/bucket/a?uploadId={quote(aborted.upload_id, safe='')}")
    marker = f"key-marker=a&upload-id-marker={quote(aborted.upload_id, safe='')}"
    answer = await client.request("GET", f"/bucket?{marker}&uploads=")
    assert [unescape(found) for found in answer.elements("UploadId")] == [last.upload_id]
    assert server.open_uploads == [kept, last]


async def test_some_stores_find_uploads_by_their_exact_key_only(serve):
    _, client = await serve(provider="minio")
    for key in ("a", "a/1"):
        await client.create(key)
    found = [
        (await client.request("GET", f"/bucket?uploads={query}")).body for query in ("", "&prefix=a", "&prefix=a/")
    ]
    assert [body.count(b"<UploadId>") for body in found] == [2, 1, 0]


async def test_markers_that_name_nothing_lose_nothing(serve):
    _, client = await serve()
    for key in ("a", "a", "b"):
        await client.create(key)
    gone = await client.request("GET", "/bucket?uploads=&key-marker=a&upload-id-marker=gone")
    assert gone.elements("Key") == ["a", "a", "b"]
    after = await client.request("GET", "/bucket?uploads=&key-marker=a")
    assert after.elements("Key") == ["b"]
    none = await client.request("GET", "/bucket?uploads=&max-uploads=0")
    assert (none.elements("Key"), none.element("IsTruncated")) == ([], "false")


@pytest.mark.parametrize("most", [1, 2, 1000])
async def test_parts_are_listed_by_number(serve, most: int):
    """Page by page; the next marker is there on the last page too, as on S3."""
    _, client = await serve()
    upload_id = await client.create()
    for number in (3, 1, 10, 2):
        await client.upload_part(upload_id, number, b"x" * number)
    seen, marker = [], "0"
    while True:
        answer = await client.request(
            "GET", f"/bucket/key?max-parts={most}&part-number-marker={marker}&uploadId={upload_id}"
        )
        seen += zip(answer.elements("PartNumber"), answer.elements("Size"), strict=True)
        marker = answer.element("NextPartNumberMarker")
        if answer.element("IsTruncated") == "false":
            break
    assert seen == [("1", "1"), ("2", "2"), ("3", "3"), ("10", "10")]


async def test_parts_show_their_checksums(serve):
    _, client = await serve()
    upload_id = await client.create(headers={"x-amz-checksum-algorithm": "CRC32"})
    empty = await client.request("GET", f"/bucket/key?uploadId={upload_id}")
    assert (empty.element("Initiator"), empty.element("StorageClass")) == (empty.element("Owner"), "STANDARD")
    assert (empty.elements("Part"), empty.element("ChecksumType")) == ([], "COMPOSITE")
    await client.upload_part(upload_id, 1, b"x", {"x-amz-checksum-crc32": "jNwWgw=="})
    answer = await client.request("GET", f"/bucket/key?uploadId={upload_id}")
    assert answer.element("ChecksumCRC32") == "jNwWgw=="
    assert (await client.request("GET", "/bucket/key?uploadId=none")).code == "NoSuchUpload"
