from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aios3._config.credentials.static_keys import RereadKeys, StaticCredentials
from aios3.credentials import Credentials, CredentialsProvider, RefreshableCredentials
from aios3.errors import ConfigurationError
from tests.support.credential_stand_in import NOW


async def test_static_credentials_are_a_provider_without_visible_secrets():
    """It gives what it was given, cannot be told of a refusal, and its repr hides the secret."""
    credentials = Credentials("ID", "hidden", "hidden-token")
    provider = StaticCredentials(credentials)
    assert isinstance(provider, CredentialsProvider)
    assert not isinstance(provider, RefreshableCredentials)
    assert await provider.get_credentials() is credentials
    assert "hidden" not in repr(provider)


@pytest.fixture
def read():
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


async def test_keys_are_read_again_when_they_are_refused(read, clock):
    """Not before, and not if newer keys were refused by a late response to the old ones."""
    provider = RereadKeys(OLD, read, clock=clock(), origin="profile 'p'")
    assert await provider.get_credentials() == OLD
    read.script[:] = [NEW]
    provider.invalidate(OLD)
    assert await provider.get_credentials() == NEW
    provider.invalidate(OLD)
    assert await provider.get_credentials() == NEW
    assert "hidden" not in repr(provider)


@pytest.mark.parametrize("failure", [ConfigurationError("half a file"), OSError("gone"), None])
async def test_a_file_that_is_being_written_is_read_once_more(read, clock, failure):
    """A moment later. While nothing can be read, the keys stay as they are."""
    provider = RereadKeys(OLD, read, clock=clock(), origin="profile 'p'")
    read.script[:] = [failure, NEW]
    provider.invalidate(OLD)
    assert await provider.get_credentials() == NEW
    assert clock.slept == [0.2]
    read.script[:] = [failure, failure]
    assert await provider.renew(NEW) == NEW
    assert await provider.get_credentials() == NEW


async def test_keys_that_expire_are_read_again_ahead_of_their_end(read, clock):
    """As temporary keys with a time in the environment may be renewed there."""
    provider = RereadKeys(replace(OLD, expires_at=NOW + timedelta(hours=1)), read, clock=clock(), origin="x")
    clock.advance(46 * 60)
    read.script[:] = [NEW]
    assert await provider.get_credentials() == NEW
