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
        ("list-type=2&encoding-type=xml", "InvalidArgument"),
        ("list-type=2&max-keys=-1", "InvalidArgument"),
        ("list-type=2&continuation-token=%2A", "InvalidArgument"),
    ],
)
async def test_what_cannot_be_listed_is_refused(serve, query: str, code: str):
    _, client = await serve()
    assert (await client.request("GET", f"/bucket?{query}")).code == code


@pytest.mark.parametrize("query", ["uploads=", "versions=", "list-type=2", "prefix="])
@pytest.mark.parametrize("most", [1, 3, 100])
async def test_every_listing_groups_by_delimiter(serve, query: str, most: int):
    _, client = await serve()
    for key in ("a", "b/1", "b/2", "c/1", "d"):
        await client.request("PUT", f"/bucket/{key}", body=b"x")
        await client.create(key)
    keys, prefixes, marker = [], [], ""
    while True:
        limit = f"max-keys={most}&max-uploads={most}{marker}"
        answer = await client.request("GET", f"/bucket?{query}&{limit}&delimiter=%2F")
        keys += answer.elements("Key")
        prefixes += answer.elements("CommonPrefixes")
        if answer.element("IsTruncated") == "false":
            break
        marker = answer.next_page
    assert keys == ["a", "d"]
    assert prefixes == ["<Prefix>b/</Prefix>", "<Prefix>c/</Prefix>"]


@pytest.mark.parametrize("query", ["list-type=2", "uploads="])
@pytest.mark.parametrize(("prefix", "status"), [("", 200), ("a/", 200), ("a", 400)])
async def test_some_stores_list_whole_folders_only(serve, query: str, prefix: str, status: int):
    provider = dataclasses.replace(find_provider("generic"), lists_by_folder=True)
    _, client = await serve(provider=provider)
    answer = await client.request("GET", f"/bucket?{query}&prefix={quote(prefix, safe='')}")
    assert answer.status == status


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
