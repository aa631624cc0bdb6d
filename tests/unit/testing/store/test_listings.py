"""Listings, page after page."""

from __future__ import annotations

import dataclasses
from urllib.parse import quote

import pytest

from aios3.providers import find_provider

KEYS = ["B", "a", "a/1", "a/2", "a+b c", "b", "é"]
ORDERED = sorted(KEYS, key=str.encode)


async def put_all(client) -> None:
    for key in reversed(KEYS):
        await client.request("PUT", "/bucket/" + quote(key, safe="/-_.~"), body=b"x")


async def list_pages(client, query: str, most: int) -> list[list[str]]:
    """Follow the continuation tokens to the end."""
    pages, token = [], ""
    while True:
        answer = await client.request("GET", f"/bucket?list-type=2&max-keys={most}{query}{token}")
        assert answer.status == 200
        pages.append(answer.elements("Key"))
        assert answer.element("KeyCount") == str(len(pages[-1]))
        if answer.element("IsTruncated") == "false":
            assert answer.element("NextContinuationToken") is None
            return pages
        token = "&continuation-token=" + quote(answer.element("NextContinuationToken"), safe="")


@pytest.mark.parametrize("most", [1, 2, 6, 100])
async def test_objects_are_listed_in_order_of_their_bytes(serve, most: int):
    _, client = await serve()
    await put_all(client)
    pages = await list_pages(client, "", most)
    assert [key for page in pages for key in page] == ORDERED
    assert all(len(page) <= most for page in pages)


async def test_a_prefix_and_a_start_choose(serve):
    _, client = await serve()
    await put_all(client)
    assert await list_pages(client, "&prefix=a%2F", 10) == [["a/1", "a/2"]]
    assert await list_pages(client, "&start-after=b", 10) == [["é"]]
    assert await list_pages(client, "&encoding-type=url&prefix=z", 10) == [[]]
    answer = await client.request("GET", "/bucket?list-type=2&encoding-type=url")
    assert answer.elements("Key") == [quote(key, safe="/-_.~") for key in ORDERED]
    assert answer.element("EncodingType") == "url"


async def test_version_1_lists_from_a_marker(serve):
    _, client = await serve()
    await put_all(client)
    answer = await client.request("GET", "/bucket?marker=a%2F1&max-keys=2")
    assert answer.elements("Key") == ORDERED[ORDERED.index("a/1") + 1 :][:2]
    assert (answer.element("IsTruncated"), answer.element("NextMarker")) == ("true", None)
    folders = await client.request("GET", "/bucket?delimiter=%2F&max-keys=3")
    assert (folders.elements("Key"), folders.element("NextMarker")) == (["B", "a", "a+b c"], "a+b c")
    rest = await client.request("GET", "/bucket?delimiter=%2F&marker=a%2Bb%20c")
    assert rest.elements("Key") == ["b", "é"]
    assert rest.element("CommonPrefixes") == "<Prefix>a/</Prefix>"
    assert len(folders.elements("Owner")) == 3


async def test_version_2_names_the_owner_if_asked(serve):
    _, client = await serve()
    await put_all(client)
    assert (await client.request("GET", "/bucket?list-type=2")).elements("Owner") == []
    answer = await client.request("GET", "/bucket?list-type=2&fetch-owner=true&start-after=b&delimiter=%2F")
    assert len(answer.elements("Owner")) == len(answer.elements("Key")) == 1
    assert (answer.element("StartAfter"), answer.element("Delimiter")) == ("b", "/")


async def test_the_server_limits_its_pages(serve):
    _, client = await serve(page_limit=2)
    await put_all(client)
    answer = await client.request("GET", "/bucket?list-type=2&max-keys=1000")
    assert (len(answer.elements("Key")), answer.element("IsTruncated"), answer.element("MaxKeys")) == (2, "true", "2")
    empty = await client.request("GET", "/bucket?list-type=2&max-keys=0")
    assert (empty.elements("Key"), empty.element("IsTruncated")) == ([], "false")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("list-type=1", "NotImplemented"),
        ("max-keys=x", "InvalidArgument"),
        ("uploads=&delimiter=%2F", "NotImplemented"),
        ("list-type=2&encoding-type=xml", "InvalidArgument"),
        ("list-type=2&max-keys=-1", "InvalidArgument"),
        ("list-type=2&continuation-token=%2A", "InvalidArgument"),
    ],
)
async def test_what_cannot_be_listed_is_refused(serve, query: str, code: str):
    _, client = await serve()
    assert (await client.request("GET", f"/bucket?{query}")).code == code


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
    assert (empty.elements("Part"), empty.element("ChecksumType")) == ([], "COMPOSITE")
    await client.upload_part(upload_id, 1, b"x", {"x-amz-checksum-crc32": "jNwWgw=="})
    answer = await client.request("GET", f"/bucket/key?uploadId={upload_id}")
    assert answer.element("ChecksumCRC32") == "jNwWgw=="
    assert (await client.request("GET", "/bucket/key?uploadId=none")).code == "NoSuchUpload"


@pytest.mark.parametrize("query", ["list-type=2", "uploads="])
@pytest.mark.parametrize(("prefix", "status"), [("", 200), ("a/", 200), ("a", 400)])
async def test_some_stores_list_whole_folders_only(serve, query: str, prefix: str, status: int):
    provider = dataclasses.replace(find_provider("generic"), lists_by_folder=True)
    _, client = await serve(provider=provider)
    answer = await client.request("GET", f"/bucket?{query}&prefix={quote(prefix, safe='')}")
    assert answer.status == status
