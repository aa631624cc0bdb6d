"""Copies of the server."""

from __future__ import annotations

from html import unescape
from urllib.parse import quote

import pytest

OLD = "Sat, 29 Oct 1994 19:43:31 GMT"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-amz-copy-source": "/bucket/missing"}, (404, "NoSuchKey")),
        ({"x-amz-copy-source": "missing/key"}, (404, "NoSuchBucket")),
        ({"x-amz-copy-source": "bucket/key?versionId=v"}, (404, "NoSuchVersion")),
        ({"x-amz-copy-source": "bucket/key", "x-amz-copy-source-if-match": '"x"'}, (412, "PreconditionFailed")),
        ({"x-amz-copy-source": "bucket/key", "x-amz-copy-source-if-none-match": "*"}, (412, "PreconditionFailed")),
        ({"x-amz-copy-source": "bucket/key", "x-amz-copy-source-if-none-match": '"x"'}, (200, None)),
        (
            {"x-amz-copy-source": "bucket/key", "x-amz-copy-source-if-unmodified-since": OLD},
            (412, "PreconditionFailed"),
        ),
        ({"x-amz-copy-source": "bucket/key", "x-amz-copy-source-if-modified-since": OLD}, (200, None)),
        ({"x-amz-copy-source": "bucket/key", "if-none-match": "*"}, (200, None)),
    ],
)
async def test_copy_is_made_if_source_and_conditions_are_there(serve, headers, expected):
    _, client = await serve()
    await client.request("PUT", "/bucket/key", body=b"data")
    answer = await client.request("PUT", "/bucket/to", headers)
    assert (answer.status, answer.code) == expected
    assert (await client.request("GET", "/bucket/to")).status == (200 if expected[0] == 200 else 404)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "InvalidRequest"),
        ({"x-amz-metadata-directive": "COPY"}, "InvalidRequest"),
        ({"x-amz-metadata-directive": "REPLACE"}, None),
        ({"x-amz-storage-class": "GLACIER"}, None),
    ],
)
async def test_a_copy_of_an_object_to_itself_changes_something(serve, headers, code):
    _, client = await serve()
    await client.request("PUT", "/bucket/key", body=b"data")
    answer = await client.request("PUT", "/bucket/key", {"x-amz-copy-source": "bucket/key", **headers})
    assert answer.code == code


@pytest.mark.parametrize("section", ["bytes=0-4", "bytes=3-2", "0-1"])
async def test_part_is_copied_only_from_a_range_of_the_source(serve, section):
    _, client = await serve()
    await client.request("PUT", "/bucket/key", body=b"data")
    upload_id = (await client.request("POST", "/bucket/to?uploads=")).element("UploadId")
    target = f"/bucket/to?partNumber=1&uploadId={quote(unescape(upload_id), safe='')}"
    headers = {"x-amz-copy-source": "bucket/key", "x-amz-copy-source-range": section}
    assert (await client.request("PUT", target, headers)).code == "InvalidArgument"
