"""The object beside an upload: where it lies, and what it takes over from the upload."""

from __future__ import annotations

import pytest

from aios3._driver.tail_object import TailObject, TailReplacedError, key_of_tail
from aios3.testing import Fault


@pytest.mark.parametrize(("key", "folder"), [("a", ".durable/"), ("a/b", "a/.durable/"), ("//", "//.durable/")])
def test_a_tail_lies_beside_its_object_under_a_hash(key: str, folder: str) -> None:
    tail = key_of_tail(key)
    assert tail.startswith(folder)
    assert len(tail) == len(folder) + 40
    assert tail != key_of_tail(f"{key}x")


async def test_a_tail_is_found_read_replaced_and_deleted(server, driver) -> None:
    """Its condition, tags and other attributes stay with the object."""
    given = {"server_side_encryption": "AES256", "if_none_match": "*", "content_type": "video/mp4"}
    tail = TailObject(driver, "bucket", "tail", given)
    assert await tail.find() is None
    for start, data in ((7, b"abc"), (9, b"d" * 5000), (2, b"")):
        await tail.write(start, data, {"more": "known"})
        found = await tail.find()
        assert found is not None
        assert (found.start, found.size, found.metadata["more"]) == (start, len(data), "known")
        assert b"".join([chunk async for chunk in tail.read(start, len(data))]) == data
        headers = server.objects["bucket", "tail"].headers
        assert headers["x-amz-server-side-encryption"] == "AES256"
        assert headers["content-type"] == "application/octet-stream"
    with pytest.raises(TailReplacedError):
        async for _ in tail.read(7, 3):
            pass
    await tail.delete()
    server.faults.add(Fault("answer", "DeleteObject", status=404, code="NoSuchKey"))
    await tail.delete()
    assert await tail.find() is None


async def test_payer_and_owner_are_named_in_every_request(server, driver) -> None:
    tail = TailObject(driver, "bucket", "tail", {"request_payer": "requester", "expected_bucket_owner": "1"})
    await tail.write(0, b"x")
    await tail.find()
    assert [chunk async for chunk in tail.read(0, 1)] == [b"x"]
    await tail.delete()
    for request in server.requests:
        headers = dict(request.headers)
        assert (headers["x-amz-request-payer"], headers["x-amz-expected-bucket-owner"]) == ("requester", "1")
