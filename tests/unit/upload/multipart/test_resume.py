"""Parts that the store holds of an open upload: which are used to resume it, and whether a file has their bytes."""

from __future__ import annotations

import base64
import hashlib
import zlib
from pathlib import Path

import pytest

from aios3._client.client import OperationClient
from aios3._protocol.operations import ListedPart
from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._protocol.wire.messages import Response
from aios3._upload.multipart.resume import as_uploaded, check_checkpoint, holds_parts, list_stored_parts, usable_parts
from aios3.checkpoints import MultipartUpload, UploadCheckpoint
from aios3.errors import IntegrityError, UploadNotFoundError
from aios3.models import UploadedPart
from tests.support.fakes import PART, FakeClock, FakeStore, make_client, md5

BODY = b"1" * PART


@pytest.fixture
def store() -> FakeStore:
    """Store with an upload of two parts."""
    store = FakeStore(FakeClock())
    store.open_upload("id")
    store.uploads["id"][2].update({2: b"short", 1: BODY})
    return store


def client_of(store: FakeStore) -> OperationClient:
    return make_client(store, store._clock)


def listed(number: int, size: int = PART, checksum: str | None = None) -> ListedPart:
    return ListedPart(number=number, size=size, etag=f'"etag-{number}"', checksum=checksum)


async def test_all_pages_are_listed_with_the_headers_of_the_caller(store: FakeStore) -> None:
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
def test_parts_are_used_up_to_a_gap_a_short_part_or_one_without_checksum(
    stored: list[ListedPart], checksum: str | None, numbers: list[int]
) -> None:
    parts = usable_parts(stored, part_size=PART, checksum=checksum)
    assert [part.number for part in parts] == numbers
    assert [part.etag for part in parts] == [f"etag-{number}" for number in numbers]
    assert {part.checksum for part in parts} <= {None if checksum is None else "c"}


async def test_a_checkpoint_that_the_store_still_holds_is_accepted(store: FakeStore) -> None:
    """Also if the store holds more by now."""
    for parts in ((UploadedPart(1, PART, md5(BODY)),), ()):
        await check_checkpoint(client_of(store), UploadCheckpoint("bucket", "key", "id", PART, parts), {"x-every": "e"})
    for request in store.sent:
        assert (request.path, dict(request.query)["uploadId"], request.headers["x-every"]) == ("/bucket/key", "id", "e")


@pytest.mark.parametrize(
    ("size", "etag", "is_gone"),
    [(PART, md5(b"replaced"), False), (PART + 1, md5(BODY), False), (PART, md5(BODY), True)],
    ids=["bytes", "size", "gone"],
)
async def test_a_part_that_is_not_as_in_the_checkpoint_is_named(
    store: FakeStore, size: int, etag: str, is_gone: bool
) -> None:
    part = UploadedPart(1, size, etag)
    if is_gone:
        store.uploads["id"][2].pop(1)
    why = "^part 1 of upload id of bucket/key is not what the checkpoint says; the upload is still open$"
    with pytest.raises(IntegrityError, match=why):
        await check_checkpoint(client_of(store), UploadCheckpoint("bucket", "key", "id", PART, (part,)), {})
    assert "id" in store.uploads


def test_a_listed_part_is_shown_with_its_checksum_and_an_etag_without_quotes() -> None:
    assert as_uploaded(listed(7, 3, "c=")) == UploadedPart(7, 3, "etag-7", "c=")


def test_usable_parts_keep_their_sizes() -> None:
    parts = usable_parts([listed(1, PART + 1), listed(2)], part_size=PART, checksum=None)
    assert [part.size for part in parts] == [PART + 1, PART]


# parts and the file that they came from

PIECES = [b"a" * (SEGMENT_SIZE + 5), b"b" * SEGMENT_SIZE, b"c" * 7]


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "file"
    file.write_bytes(b"".join(PIECES))
    return str(file)


def parts_of(pieces: list[bytes], algorithm: str | None = None) -> list[UploadedPart]:
    checksums = {
        None: lambda piece: None,
        "crc32": lambda piece: base64.b64encode(zlib.crc32(piece).to_bytes(4, "big")).decode(),
        "sha256": lambda piece: base64.b64encode(hashlib.sha256(piece).digest()).decode(),
    }
    return [
        UploadedPart(number, len(piece), "no-md5" if algorithm else md5(piece), checksums[algorithm](piece))
        for number, piece in enumerate(pieces, 1)
    ]


@pytest.mark.parametrize("algorithm", [None, "crc32", "sha256"])
@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_file_holds_its_parts(path: str, algorithm: str | None, count: int) -> None:
    """By their checksums, or by the MD5s in their ETags. Every file holds no parts."""
    assert await holds_parts(path, parts_of(PIECES[:count], algorithm), algorithm)


@pytest.mark.parametrize("algorithm", [None, "crc32", "sha256"])
@pytest.mark.parametrize("pieces", [[PIECES[0], PIECES[1][1:] + b"B"], [b"".join(PIECES) + b"more"]])
async def test_a_file_that_differs_or_is_shorter_does_not_hold_the_parts(
    path: str, algorithm: str | None, pieces: list[bytes]
) -> None:
    assert not await holds_parts(path, parts_of(pieces, algorithm), algorithm)


async def test_an_etag_that_is_no_md5_proves_nothing(path: str) -> None:
    assert not await holds_parts(path, [UploadedPart(1, len(PIECES[0]), "0" * 32)], None)


async def test_a_missing_file_is_the_systems_error(path: str) -> None:
    with pytest.raises(FileNotFoundError):
        await holds_parts(path + "-gone", [], None)
