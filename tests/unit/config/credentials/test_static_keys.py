"""Keys that somebody wrote down: in pairs, under the names of the profile, and never shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aios3._config.aws_files.profiles import Section
from aios3._config.aws_files.shared_files import Profile
from aios3._config.credentials.static_keys import StaticCredentials, pair_keys, read_profile_keys
from aios3.credentials import Credentials, CredentialsProvider, RefreshableCredentials
from aios3.errors import ConfigurationError

NAMES = ("the_id", "the_secret")


def test_both_keys_make_credentials_and_none_makes_none():
    expires = datetime(2030, 1, 1, tzinfo=UTC)
    assert pair_keys("x", NAMES, ("ID", "hidden"), "tok", expires) == Credentials("ID", "hidden", "tok", expires)
    assert pair_keys("x", NAMES, (None, None), "tok") is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("ID", None), "the origin: the_id is set but the_secret is not"),
        ((None, "hidden"), "the origin: the_secret is set but the_id is not"),
        (("ID", "hidden\n"), "the origin: .*line break"),
    ],
)
def test_half_a_pair_or_an_unusable_value_is_an_error_that_names_the_origin(values, message):
    """One without the other is never passed over."""
    with pytest.raises(ConfigurationError, match=f"^{message}") as caught:
        pair_keys("the origin", NAMES, values, None)
    assert "hidden" not in str(caught.value)


KEYS = {"aws_access_key_id": "FILE", "aws_secret_access_key": "hidden"}


def read(**values: str) -> Credentials | None:
    return read_profile_keys(Profile("p", settings=Section(values)))


@pytest.mark.parametrize(
    ("more", "token"),
    [
        ({}, None),
        ({"aws_session_token": "tok"}, "tok"),
        ({"aws_security_token": "tok"}, "tok"),
        ({"aws_security_token": "old", "aws_session_token": "new"}, "new"),
    ],
)
def test_keys_of_a_profile_are_read_with_a_token_under_either_name(more, token):
    assert read(**KEYS, **more) == Credentials("FILE", "hidden", token)
    assert read(region="x") is None
    with pytest.raises(ConfigurationError, match="profile 'p': .*aws_secret_access_key is not"):
        read(aws_access_key_id="FILE")


async def test_static_credentials_are_a_provider_without_visible_secrets():
    """It gives what it was given, cannot be told of a refusal, and its repr hides the secret."""
    credentials = Credentials("ID", "hidden", "hidden-token")
    provider = StaticCredentials(credentials)
    assert isinstance(provider, CredentialsProvider)
    assert not isinstance(provider, RefreshableCredentials)
    assert await provider.get_credentials() is credentials
    assert "hidden" not in repr(provider)
