"""Doubts of keys: each set is doubted once for each code, unless looking again is cheap."""

from __future__ import annotations

import pytest

from aios3 import AccessDeniedError, Credentials, TransportError
from aios3._client.attempts import Attempt
from aios3._client.key_doubts import KeyDoubts
from aios3._client.refreshing_credentials import RefreshingCredentials

KEYS, OTHERS = Credentials("A", "s"), Credentials("B", "s")


class File(RefreshingCredentials):
    rotation_codes = frozenset({"InvalidAccessKeyId"})


def refused(code: str = "AccessDenied", keys: Credentials | None = KEYS) -> Attempt[None]:
    return Attempt(None, AccessDeniedError("no", operation="PutObject", status=403, code=code), None, keys)


def test_fetched_keys_are_doubted_once_for_each_code() -> None:
    doubts = KeyDoubts(None, frozenset({"AccessDenied", "Other"}))
    assert doubts.covers(refused())
    doubts.trust(OTHERS, refused())
    assert not doubts.covers(refused(keys=OTHERS))
    assert doubts.covers(refused("Other", keys=OTHERS))
    assert doubts.covers(refused())


def test_keys_of_a_file_are_doubted_each_time() -> None:
    doubts = KeyDoubts(File(lambda: KEYS), frozenset())  # type: ignore[arg-type, return-value]
    doubts.trust(KEYS, refused())
    assert doubts.covers(refused())


@pytest.mark.parametrize(
    "outcome",
    [
        refused(keys=None),
        refused("Unknown"),
        Attempt(None, TransportError("reset"), None, KEYS),
        Attempt(1, None, None, KEYS),
    ],
)
def test_other_outcomes_are_no_doubt(outcome) -> None:
    assert not KeyDoubts(None, frozenset({"AccessDenied"})).covers(outcome)
