"""Rules that all operations share."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aios3.providers import find_provider
from aios3.testing.store.descriptions import described
from aios3.testing.store.state import Store, StoredObject, check_conditions
from aios3.testing.wire.answers import Refusal
from aios3.testing.wire.heads import RequestHead, read_head

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CURRENT = StoredObject(0, '"current"', {}, NOW)


def head(*headers: str) -> RequestHead:
    return read_head("\r\n".join(["PUT / HTTP/1.1", "Host: h", *headers]).encode())


@pytest.mark.parametrize(
    ("headers", "current", "outcome"),
    [
        ([], CURRENT, None),
        (["If-None-Match: *"], None, None),
        (["If-None-Match: *"], CURRENT, "PreconditionFailed"),
        (['If-Match: "current"'], CURRENT, None),
        (["If-Match: current"], CURRENT, None),
        (['If-Match: "other"'], CURRENT, "PreconditionFailed"),
        (['If-Match: "current"'], None, "NoSuchKey"),
        (['If-None-Match: "e"'], None, "NotImplemented"),
        (["If-Match: *"], CURRENT, "NotImplemented"),
        (['If-Match: "current"', "If-None-Match: *"], CURRENT, "NotImplemented"),
    ],
)
def test_conditions_hold_or_refuse(headers: list[str], current: StoredObject | None, outcome: str | None):
    """As recorded on Amazon, where only ``*`` and only one ETag are taken."""
    if outcome is None:
        check_conditions(head(*headers), current)
        return
    with pytest.raises(Refusal) as caught:
        check_conditions(head(*headers), current)
    assert caught.value.code == outcome


def test_metadata_is_limited():
    assert described(head("x-amz-meta-a: " + "b" * 2047))
    with pytest.raises(Refusal) as caught:
        described(head("x-amz-meta-a: " + "b" * 2048))
    assert caught.value.code == "MetadataTooLarge"


def test_etags_of_directory_buckets_say_nothing_of_the_bytes():
    """A new one each time; everywhere else they are MD5s."""
    express, usual = (Store(find_provider(name), "us-east-1", lambda: NOW) for name in ("s3express", "aws"))
    assert express.has_sessions
    assert len({express.opaque_etag() for _ in range(3)}) == 3
    assert not usual.has_sessions
    assert usual.opaque_etag() is None
