"""Credentials: checked, and never shown."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from aios3.credentials import ANONYMOUS, Credentials, CredentialsProvider
from aios3.errors import ConfigurationError


def test_a_repr_shows_the_key_id_and_no_secret() -> None:
    credentials = Credentials("AKID", "the-secret", "the-token")
    assert repr(ANONYMOUS) == "ANONYMOUS"
    for shown in (repr(credentials), str(credentials), f"{credentials}"):
        assert "AKID" in shown
        assert "the-secret" not in shown
        assert "the-token" not in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("", "secret"), "need both"),
        (("id", ""), "need both"),
        (("id\n", "the-secret"), "line break"),
        (("id", "the-secret\r\n"), "line break"),
        (("id", "the-secret", "token\n"), "line break"),
        (("id", "the-secret\0"), "control character"),
    ],
)
def test_broken_keys_are_refused(arguments: tuple[str, ...], words: str) -> None:
    """At once, because a header with a line break would be another request; the message does not show them."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        Credentials(*arguments)
    assert "the-secret" not in str(caught.value)


def test_an_expiry_has_a_time_zone() -> None:
    with pytest.raises(ConfigurationError, match="time zone"):
        Credentials("id", "secret", expires_at=datetime(2030, 1, 1))  # noqa: DTZ001
    expiring = Credentials("id", "secret", expires_at=datetime(2030, 1, 1, tzinfo=UTC))
    assert expiring.expires_at == datetime(2030, 1, 1, tzinfo=UTC)


def test_credentials_do_not_change() -> None:
    credentials = Credentials("id", "secret")
    assert (credentials.session_token, credentials.expires_at) == (None, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        credentials.access_key_id = "other"  # type: ignore[misc]


def test_a_provider_is_whatever_can_be_asked() -> None:
    class Mine:
        async def get_credentials(self) -> Credentials:
            return Credentials("id", "secret")

    mine: Any = Mine()
    assert isinstance(mine, CredentialsProvider)
    assert not isinstance(Credentials("id", "secret"), CredentialsProvider)
