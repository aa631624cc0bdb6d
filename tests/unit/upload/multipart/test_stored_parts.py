"""What the store holds of an open upload, and how much of it is trusted."""

from __future__ import annotations

import pytest

from aios3._client.client import OperationClient
from aios3._protocol.operations import ListedPart
from aios3._protocol.wire.messages import Response
from aios3._upload.multipart.resume import check_checkpoint, list_stored_parts, usable_parts
from aios3.checkpoints import MultipartUpload, UploadCheckpoint
from aios3.errors import IntegrityError, UploadNotFoundError
from aios3.models import UploadedPart
from tests.support.fakes import PART, FakeClock, FakeStore, make_client, md5

BODY = b"1" * PART


@pytest.fixture
def store() -> FakeStore:
    """With an upload of two parts."""
    store = FakeStore(FakeClock())
    store.open_upload("id")
    store.uploads["id"][2].update({2: b"short", 1: BODY})
    return store


def client_of(store: FakeStore) -> OperationClient:
    return make_client(store, store._clock)


def listed(number: int, size: int = PART, checksum: str | None = None) -> ListedPart:
    return ListedPart(number=number, size=size, etag=f'"etag-{number}"', checksum=checksum)


async def test_all_pages_are_listed(store: FakeStore) -> None:
    """Each with the headers of the caller."""
    page = (
        b"<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>7</NextPartNumberMarker>"
        b'<Part><PartNumber>7</PartNumber><Size>3</Size><ETag>"e"</ETag></Part></ListPartsResult>'
    )
    store.on("ListParts", Response(200, {}, page))
    parts = await list_stored_parts(client_of(store), MultipartUpload("bucket", "key", "id", 3), {"x-every": "e"})
    assert [part.number for part in parts] == [7, 1, 2]
    assert [dict(request.query).get("part-number-marker") for request in store.sent] == [None, "7"]
    assert [request.headers["x-every"] for request in store.sent] == ["e", "e"]


async def test_an_upload_that_is_not_open_cannot_be_listed(store: FakeStore) -> None:
    """It was completed or aborted."""
    with pytest.raises(UploadNotFoundError):
        await list_stored_parts(client_of(store), MultipartUpload("bucket", "key", "other", 3), {})


@pytest.mark.parametrize(
    ("stored", "checksum", "numbers"),
    [
        ([], None, []),
        ([listed(2), listed(1)], None, [1, 2]),
        ([listed(1), listed(3)], None, [1]),
        ([listed(2)], None, []),
        ([listed(1), listed(2, PART - 1), listed(3)], None, [1]),
        ([listed(1), listed(2, 3 * PART)], None, [1, 2]),
        ([listed(1), listed(1)], None, [1]),
        ([listed(1, checksum="c"), listed(2)], "crc32", [1]),
        ([listed(1, checksum="c")], None, [1]),
    ],
)
def test_parts_are_used_up_to_the_first_that_nothing_can_follow(
    stored: list[ListedPart], checksum: str | None, numbers: list[int]
) -> None:
    """A gap, a short part, one without the checksum that the object's will be made of."""
    parts = usable_parts(stored, part_size=PART, checksum=checksum)
    assert [part.number for part in parts] == numbers
    assert [part.etag for part in parts] == [f"etag-{number}" for number in numbers]
    assert {part.checksum for part in parts} <= {None if checksum is None else "c"}


async def test_a_checkpoint_that_the_store_still_holds_is_good(store: FakeStore) -> None:
    """Also when it holds more by now."""
    part = UploadedPart(1, PART, md5(BODY))
    await check_checkpoint(client_of(store), UploadCheckpoint("bucket", "key", "id", PART, (part,)), {})
    await check_checkpoint(client_of(store), UploadCheckpoint("bucket", "key", "id", PART, ()), {})


@pytest.mark.parametrize(
    "part", [UploadedPart(1, PART, md5(b"replaced")), UploadedPart(1, PART + 1, md5(BODY))], ids=["bytes", "size"]
)
async def test_a_part_that_was_replaced_is_told(store: FakeStore, part: UploadedPart) -> None:
    """By which one; the upload is left as it is."""
    with pytest.raises(IntegrityError, match=r"part 1 of upload id .* still open"):
        await check_checkpoint(client_of(store), UploadCheckpoint("bucket", "key", "id", PART, (part,)), {})
    assert "id" in store.uploads


async def test_a_part_that_is_gone_is_told(store: FakeStore) -> None:
    """The store lists fewer than the checkpoint has."""
    store.uploads["id"][2].pop(1)
    part = UploadedPart(1, PART, md5(BODY))
    with pytest.raises(IntegrityError, match="part 1"):
        await check_checkpoint(client_of(store), UploadCheckpoint("bucket", "key", "id", PART, (part,)), {})


async def test_requests_are_for_the_upload_and_carry_the_headers(store: FakeStore) -> None:
    """Of the caller, who may have to pay or to show a key."""
    checkpoint = UploadCheckpoint("bucket", "key", "id", PART, ())
    await check_checkpoint(client_of(store), checkpoint, {"x-every": "e"})
    (request,) = store.sent
    assert (request.path, dict(request.query)["uploadId"], request.headers["x-every"]) == ("/bucket/key", "id", "e")


def test_usable_parts_keep_their_sizes() -> None:
    """The object's checksum is made with them."""
    parts = usable_parts([listed(1, PART + 1), listed(2)], part_size=PART, checksum=None)
    assert [part.size for part in parts] == [PART + 1, PART]
