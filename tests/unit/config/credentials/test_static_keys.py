"""Keys that somebody wrote down: in pairs, under the names of the profile, and never shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aios3._config.aws_files.profiles import Section
from aios3._config.aws_files.shared_files import Profile
from aios3._config.credentials.static_keys import RereadKeys, StaticCredentials, pair_keys, read_profile_keys
from aios3.credentials import Credentials, CredentialsProvider, RefreshableCredentials
from aios3.errors import ConfigurationError
from tests.support.credential_stand_in import NOW

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


@pytest.fixture
def place():
    """A place that is read: values are returned in order, exceptions raised."""
    script: list[Credentials | Exception | None] = []

    def read() -> Credentials | None:
        found = script.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    read.script = script
    return read


OLD, NEW = Credentials("OLD", "hidden"), Credentials("NEW", "hidden", "hidden-token")


async def test_keys_are_read_again_when_they_are_refused(place, clock):
    """Not before, and not if newer keys were refused by a late response to the old ones."""
    provider = RereadKeys(OLD, place, clock=clock(), origin="profile 'p'")
    assert await provider.get_credentials() == OLD
    place.script[:] = [NEW]
    provider.invalidate(OLD)
    assert await provider.get_credentials() == NEW
    provider.invalidate(OLD)
    assert await provider.get_credentials() == NEW
    assert "hidden" not in repr(provider)


@pytest.mark.parametrize("failure", [ConfigurationError("half a file"), OSError("gone"), None])
async def test_a_file_that_is_being_written_is_read_once_more(place, clock, failure):
    """A moment later. While nothing can be read, the keys stay as they are."""
    provider = RereadKeys(OLD, place, clock=clock(), origin="profile 'p'")
    place.script[:] = [failure, NEW]
    provider.invalidate(OLD)
    assert await provider.get_credentials() == NEW
    assert clock.slept == [0.2]
    place.script[:] = [failure, failure]
    assert await provider.renew(NEW) == NEW
    assert await provider.get_credentials() == NEW


async def test_keys_that_expire_are_read_again_ahead_of_their_end(place, clock):
    """As temporary keys with a time in the environment may be renewed there."""
    provider = RereadKeys(replace(OLD, expires_at=NOW + timedelta(hours=1)), place, clock=clock(), origin="x")
    clock.advance(46 * 60)
    place.script[:] = [NEW]
    assert await provider.get_credentials() == NEW
