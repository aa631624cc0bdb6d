"""ObjectProof: what it tells for certain, and where it says that it cannot tell."""

from __future__ import annotations

import pytest

from aios3._upload.shared.ownership import NONCE_NAME, ObjectProof
from aios3.models import StorageObject


def found(size: int = 5, *, nonce: str | None = None, checksum: str | None = None) -> StorageObject:
    metadata = {} if nonce is None else {NONCE_NAME: nonce}
    return StorageObject("bucket", "key", size, "etag", metadata=metadata, checksum=checksum)


@pytest.mark.parametrize(
    ("evidence", "theirs", "verdict"),
    [
        (ObjectProof(5), found(), None),
        (ObjectProof(5), found(6), False),
        (ObjectProof(5, nonce="n"), found(nonce="n"), True),
        (ObjectProof(5, nonce="n"), found(6, nonce="n"), False),
        (ObjectProof(5, nonce="n"), found(nonce="other"), False),
        (ObjectProof(5, nonce="n"), found(), None),
        (ObjectProof(5), found(nonce="n"), None),
        (ObjectProof(5, checksum="AAAAAA=="), found(checksum="AAAAAA=="), True),
        (ObjectProof(5, checksum="AAAAAA=="), found(checksum="BBBBBB=="), False),
        (ObjectProof(5, checksum="AAAAAA=="), found(checksum="AAAAAAAAAAA="), None),
        (ObjectProof(5, checksum="AAAAAA=="), found(), None),
        (ObjectProof(5, checksum="AAAAAA==", nonce="n"), found(nonce="n", checksum="BBBBBB=="), True),
    ],
)
def test_what_it_tells(evidence: ObjectProof, theirs: StorageObject, verdict: bool | None) -> None:
    """The size refutes, the nonce decides, then the checksum; one of another algorithm tells nothing."""
    assert evidence.matches(theirs) is verdict


def test_the_store_is_asked_for_a_checksum_only_where_one_is_known() -> None:
    """The caller's headers go along, and are not changed."""
    headers = {"x-head": "h"}
    assert ObjectProof(5).asking(headers) == {"x-head": "h"}
    assert ObjectProof(5, checksum="A").asking(headers) == {"x-head": "h", "x-amz-checksum-mode": "ENABLED"}
    assert headers == {"x-head": "h"}
