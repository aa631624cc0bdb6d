"""Sessions of the test server: what it gives, and what it takes for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from aios3.credentials import Credentials
from aios3.providers import find_provider
from aios3.testing.dispatch.sessions import create_session, find_keys
from aios3.testing.store.state import Store
from aios3.testing.wire.answers import Refusal
from aios3.testing.wire.bodies import Body
from aios3.testing.wire.heads import read_head
from aios3.testing.wire.received import ReceivedRequest, understand
from aios3.testing.wire.signatures import Authorization

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
ORDINARY = Credentials("ORDINARY", "hidden-secret", "ordinary-token")


def request(method: str, target: str, *headers: str) -> ReceivedRequest:
    lines = (f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *headers, "", "")
    return understand(read_head("\r\n".join(lines[:-2]).encode()), "1")


def claim(key: str, token: str | None = None, session_token: str | None = None) -> Authorization:
    return Authorization(key, (), (), "", "", "", token=token, session_token=session_token)


@pytest.fixture
def store() -> Store:
    made = Store(find_provider("s3express"), "us-east-1", lambda: NOW)
    made.buckets.update(bucket=NOW, other=NOW)
    return made


def open_session(store: Store, bucket: str = "bucket") -> Credentials:
    create_session(store, request("GET", f"/{bucket}?session"), Body(0))
    return list(store.sessions.values())[-1][1]


@pytest.mark.parametrize(
    ("target", "headers", "code"),
    [
        ("/missing?session", (), "NoSuchBucket"),
        ("/bucket?session", ("x-amz-create-session-mode: ReadOnly",), "NotImplemented"),
    ],
)
def test_some_sessions_are_not_given(store: Store, target: str, headers: tuple[str, ...], code: str) -> None:
    with pytest.raises(Refusal) as caught:
        create_session(store, request("GET", target, *headers), Body(0))
    assert caught.value.code == code
    assert store.sessions == {}


def test_other_providers_have_no_sessions() -> None:
    store = Store(find_provider("aws"), "us-east-1", lambda: NOW)
    with pytest.raises(Refusal, match="NotImplemented"):
        create_session(store, request("GET", "/bucket?session"), Body(0))
    assert find_keys(store, request("GET", "/bucket/key"), claim("ORDINARY"), ORDINARY) == (claim("ORDINARY"), ORDINARY)


@pytest.mark.parametrize(
    ("method", "target"),
    [("PUT", "/bucket/key"), ("HEAD", "/bucket"), ("GET", "/bucket?list-type=2"), ("POST", "/bucket/key?uploads")],
)
def test_what_is_in_a_bucket_takes_its_sessions_keys(store: Store, method: str, target: str) -> None:
    """With the session's token in the place of the ordinary one, and nobody else's."""
    keys = open_session(store)
    claimed = claim(keys.access_key_id, session_token="theirs")
    found, expected = find_keys(store, request(method, target), claimed, ORDINARY)
    assert (found.token, expected) == ("theirs", keys)
    with pytest.raises(Refusal, match="AccessDenied"):
        find_keys(store, request(method, target), claim("ORDINARY", "ordinary-token"), ORDINARY)


def test_a_session_is_good_for_one_bucket(store: Store) -> None:
    keys = open_session(store, "other")
    with pytest.raises(Refusal, match="for another bucket"):
        find_keys(store, request("GET", "/bucket/key"), claim(keys.access_key_id), ORDINARY)


def test_the_usual_token_header_is_the_wrong_one(store: Store) -> None:
    keys = open_session(store)
    claimed: Any = claim(keys.access_key_id, keys.session_token, keys.session_token)
    with pytest.raises(Refusal, match="x-amz-s3session-token"):
        find_keys(store, request("GET", "/bucket/key"), claimed, ORDINARY)
