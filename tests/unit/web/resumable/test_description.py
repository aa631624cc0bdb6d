"""The description of an upload, and the arithmetic of its offset."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aios3 import MultipartUpload, StorageError, UploadedPart
from aios3.web._resumable.description import Description, gap_free, object_metadata
from aios3.web._resumable.messages import RefusedError
from aios3.web.resumable import as_refusal

UPLOAD = MultipartUpload("bucket", "key", "id", 10, size=25, created_at=datetime(2026, 1, 1, tzinfo=UTC))
DESCRIPTION = Description(UPLOAD, "me", datetime(2026, 1, 2, tzinfo=UTC), "a YQ==", {"a": "a"})


def parts(*sizes):
    return [UploadedPart(number, size, "e") for number, size in enumerate(sizes, 1) if size]


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ((), 0),
        ((10, 10), 2),
        ((10, 10, 5), 3),
        ((0, 10), 0),
        ((10, 0, 5), 1),
        ((10, 5), 1),
        ((10, 9, 5), 1),
        ((10, 10, 4), 2),
        ((11,), 0),
    ],
)
def test_only_parts_on_the_grid_and_without_a_gap_count(sizes, count):
    assert len(gap_free(reversed(parts(*sizes)), UPLOAD)) == count


def test_a_description_survives_the_store():
    assert Description.from_json(DESCRIPTION.to_json()) == DESCRIPTION


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"upload": {}, "expires_at": ""}', b"\xff"])
def test_another_text_is_no_description(data):
    with pytest.raises(StorageError):
        Description.from_json(data)


def test_names_that_cannot_be_headers_are_not_put_on_the_object():
    pairs = {"Name": "1", "name": "2", "a b": "3", "ключ": "4", "aios3-nonce": "5", "x" * 61: "6", "a_b-c": "7"}
    assert object_metadata(pairs) == {"name": "1", "a_b-c": "7"}


@pytest.mark.parametrize(("count", "is_kept"), [(111, True), (112, False)])
def test_metadata_that_no_store_keeps_are_refused(count, is_kept):
    """Text that is not ASCII takes 16 bytes for a letter, and each name of these has two."""
    pairs = {f"{number:02x}": "ä" for number in range(count)}
    if is_kept:
        assert object_metadata(pairs) == pairs
        return
    with pytest.raises(RefusedError) as caught:
        object_metadata(pairs)
    assert caught.value.status == 413


def test_an_unknown_error_is_not_the_fault_of_the_client():
    assert (as_refusal(KeyError()).status, as_refusal(TimeoutError()).status) == (500, 503)
