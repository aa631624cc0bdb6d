"""Evidence: what it tells for certain, and where it says that it cannot tell."""

from __future__ import annotations

import pytest

from aios3._upload.shared.ownership import NONCE_NAME, Evidence
from aios3.models import StorageObject


def found(size: int = 5, *, nonce: str | None = None, checksum: str | None = None) -> StorageObject:
    metadata = {} if nonce is None else {NONCE_NAME: nonce}
    return StorageObject("bucket", "key", size, "etag", metadata=metadata, checksum=checksum)


@pytest.mark.parametrize(
    ("evidence", "theirs", "verdict"),
    [
        (Evidence(5), found(), None),
        (Evidence(5), found(6), False),
        (Evidence(5, nonce="n"), found(nonce="n"), True),
        (Evidence(5, nonce="n"), found(6, nonce="n"), False),
        (Evidence(5, nonce="n"), found(nonce="other"), False),
        (Evidence(5, nonce="n"), found(), None),
        (Evidence(5), found(nonce="n"), None),
        (Evidence(5, checksum="AAAAAA=="), found(checksum="AAAAAA=="), True),
        (Evidence(5, checksum="AAAAAA=="), found(checksum="BBBBBB=="), False),
        (Evidence(5, checksum="AAAAAA=="), found(checksum="AAAAAAAAAAA="), None),
        (Evidence(5, checksum="AAAAAA=="), found(), None),
        (Evidence(5, checksum="AAAAAA==", nonce="n"), found(nonce="n", checksum="BBBBBB=="), True),
    ],
)
def test_what_it_tells(evidence: Evidence, theirs: StorageObject, verdict: bool | None) -> None:
    """The size refutes, the nonce decides, then the checksum; one of another algorithm tells nothing."""
    assert evidence.judge(theirs) is verdict


def test_the_store_is_asked_for_a_checksum_only_where_one_is_known() -> None:
    """The caller's headers go along, and are not changed."""
    headers = {"x-head": "h"}
    assert Evidence(5).asking(headers) == {"x-head": "h"}
    assert Evidence(5, checksum="A").asking(headers) == {"x-head": "h", "x-amz-checksum-mode": "ENABLED"}
    assert headers == {"x-head": "h"}
