"""Proof that an object is ours: certain, or none."""

from __future__ import annotations

import pytest

from aios3._client.attempts import FailedAttempts
from aios3._upload.shared.ownership import NONCE_NAME, ObjectProof, look_for
from aios3.models import StorageObject
from tests.support.fakes import FakeClock, FakeStore, make_client


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
def test_the_size_refutes_then_the_nonce_decides_then_the_checksum(
    evidence: ObjectProof, theirs: StorageObject, verdict: bool | None
) -> None:
    """A checksum of another algorithm proves nothing."""
    assert evidence.matches(theirs) is verdict


@pytest.mark.parametrize("checksum", [None, "A"])
async def test_head_asks_for_a_checksum_only_if_one_is_known(checksum: str | None) -> None:
    """The caller's headers are sent too, and not changed."""
    store, headers = FakeStore(FakeClock()), {"x-head": "h"}
    finding = await look_for(
        make_client(store, FakeClock()), FailedAttempts(), "bucket", "key", headers, ObjectProof(5, checksum)
    )
    assert (finding.found, finding.is_ours, finding.trouble) == (None, None, None)
    asked = store.requests("HeadObject")[0].headers
    assert {"x-head": "h", **({"x-amz-checksum-mode": "ENABLED"} if checksum else {})}.items() <= asked.items()
    assert ("x-amz-checksum-mode" in asked) is (checksum is not None)
    assert headers == {"x-head": "h"}
