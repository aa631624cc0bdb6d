"""Driver methods for an open multipart upload: arguments, pages, presigned parts."""

from __future__ import annotations

import aiohttp
import pytest

from aios3 import (
    ConfigurationError,
    MultipartUpload,
    ObjectNotFoundError,
    SizeMismatchError,
    TransferConfig,
    UploadNotFoundError,
)
from tests.support.sweep import Source

PART = 1024
CONTENT = bytes(range(256)) * 14  # 3.5 parts


async def begin(driver, **options):
    return await driver.create_multipart_upload("bucket", "key", **options)


@pytest.mark.parametrize(
    ("content", "options", "error"),
    [
        (CONTENT + b"x", {}, SizeMismatchError),
        (CONTENT[:-1], {}, SizeMismatchError),
        (CONTENT + b"x", {"last": False}, SizeMismatchError),
        (CONTENT[: 2 * PART + 1], {"first_part": 3}, SizeMismatchError),
        (CONTENT, {"first_part": 5}, ConfigurationError),
        (CONTENT, {"first_part": 0}, ConfigurationError),
        (CONTENT, {"first_part": True}, ConfigurationError),
        (CONTENT, {"first_part": 10**6}, ConfigurationError),
        (CONTENT, {"sse_customer_key": b"k" * 32}, ConfigurationError),
        (CONTENT, {"content_type": "a/b"}, TypeError),
    ],
)
async def test_a_source_of_another_length_is_refused(server, driver, content, options, error):
    """So are part numbers and attributes that cannot be. The upload stays open."""
    upload = await begin(driver, size=len(CONTENT))
    with pytest.raises(error):
        await driver.upload_parts(upload, content, **options)
    assert set(server.store.uploads) == {upload.upload_id}


@pytest.mark.parametrize(
    ("place", "options"), [(None, {}), (MultipartUpload("bucket", "key", "id", PART), {"on_progress": 5})]
)
async def test_a_call_with_a_wrong_argument_closes_the_source_and_sends_nothing(server, driver, place, options):
    source = Source()
    with pytest.raises(TypeError, match=r"upload must be|on_progress must be"):
        await driver.upload_parts(place, source, **options)
    assert source.is_closed
    for call in (driver.iterate_parts(None).__anext__, lambda: driver.copy_part(None, 1, "bucket", "key")):
        with pytest.raises(TypeError, match="upload must be"):
            await call()
    assert server.requests == []


async def test_iterate_parts_gives_every_page(server, driver):
    upload = await begin(driver, transfer=TransferConfig(part_size=PART))
    for number in (3, 1, 2):
        await driver.upload_part(upload, number, CONTENT[:PART])
    assert [part.number async for part in driver.iterate_parts(upload)] == [1, 2, 3]
    await driver.abort_multipart_upload(upload)
    with pytest.raises(UploadNotFoundError):
        _ = [part async for part in driver.iterate_parts(upload)]


# presigned parts


async def test_a_bearer_of_the_url_can_put_one_part(server, driver):
    """A size binds the length of the body; nothing of the URL is good for another part."""
    upload = await begin(driver, size=len(CONTENT))
    url = await driver.create_part_url(upload, 1, expires_in=60, size=PART)
    async with aiohttp.ClientSession() as session:
        async with session.put(url, data=CONTENT[:10]) as response:
            assert response.status == 403
        async with session.put(url.replace("partNumber=1", "partNumber=2"), data=CONTENT[:PART]) as response:
            assert response.status == 403
        async with session.put(url, data=CONTENT[:PART]) as response:
            assert response.status == 200
    await driver.upload_parts(upload, CONTENT[PART:], first_part=2)
    await driver.complete_multipart_upload(upload)
    assert server.objects["bucket", "key"].body == CONTENT


@pytest.mark.parametrize(
    "wrong",
    [
        {"part_number": 0},
        {"part_number": 3},
        {"expires_in": 0},
        {"expires_in": "1"},
        {"size": -1},
        {"size": PART - 1},
        {"size": PART + 1},
    ],
)
async def test_a_part_url_that_cannot_be_is_refused(driver, wrong):
    upload = await begin(driver, size=2 * PART)
    with pytest.raises(ConfigurationError):
        await driver.create_part_url(upload, **{"part_number": 1, "expires_in": 60, **wrong})


# copied parts


async def test_the_expected_owner_is_that_of_the_uploads_bucket(server, driver):
    """The object to copy from may be in a bucket of another owner."""
    await driver.create_container("others")
    await driver.upload_object_via_stream(CONTENT, "others", "old")
    await driver.upload_object_via_stream(CONTENT, "bucket", "old")
    upload = await begin(driver, expected_bucket_owner="111122223333", request_payer="requester")
    server.requests.clear()
    await driver.copy_part(upload, 1, "others", "old", end=PART)
    await driver.copy_part(upload, 2, "bucket", "old", end=PART)
    sent = [
        {name.lower() for name, _ in request.headers if name.endswith(("-owner", "-payer"))}
        for request in server.requests
    ]
    payer, owner, source = "x-amz-request-payer", "x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"
    assert sent == [{payer}, {payer, owner}, {payer, owner}, {payer, owner, source}]


async def test_a_range_of_an_object_is_copied_as_a_part(server, driver):
    """No byte of it passes the client."""
    await driver.upload_object_via_stream(CONTENT, "bucket", "old")
    upload = await begin(driver, size=PART + 10)
    first = await driver.copy_part(upload, 1, "bucket", "old", start=PART, end=2 * PART)
    last = await driver.copy_part(upload, 2, "bucket", "old", start=len(CONTENT) - 10)
    assert [(part.number, part.size) for part in (first, last)] == [(1, PART), (2, 10)]
    await driver.complete_multipart_upload(upload, parts=[last, first])
    assert server.objects["bucket", "key"].body == CONTENT[PART : 2 * PART] + CONTENT[-10:]


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ({"start": 0, "end": 5}, SizeMismatchError),
        ({"end": 2 * PART}, SizeMismatchError),
        ({"start": len(CONTENT)}, ConfigurationError),
        ({"start": 5, "end": 5}, ConfigurationError),
        ({"start": 3 * PART, "end": 5 * PART}, ConfigurationError),
        ({"start": -PART, "end": 0}, ConfigurationError),
        ({"from_key": "none"}, ObjectNotFoundError),
        ({"part_number": 4}, ConfigurationError),
    ],
)
async def test_a_range_that_is_no_part_is_not_copied(server, driver, place, error):
    await driver.upload_object_via_stream(CONTENT, "bucket", "old")
    upload = await begin(driver, size=2 * PART)
    with pytest.raises(error):
        await driver.copy_part(
            upload, **{"part_number": 1, "from_bucket": "bucket", "from_key": "old", "end": PART, **place}
        )
    assert "UploadPartCopy" not in [request.operation for request in server.requests]
