from __future__ import annotations

import sys
import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest

from aios3._config.credentials.botocore_adapter import BotocoreCredentials
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError
from tests.support.credential_stand_in import NOW


class Session:
    """Has credentials as a botocore or boto3 session has."""

    def __init__(self) -> None:
        self.calls = 0
        self.threads: set[int] = set()

    def get_credentials(self):
        self.threads.add(threading.get_ident())
        return self

    def get_frozen_credentials(self):
        self.calls += 1
        return SimpleNamespace(access_key=f"K{self.calls}", secret_key="hidden", token="hidden-token")


async def test_the_sessions_credentials_are_used(clock):
    session = Session()
    provider = BotocoreCredentials(session, clock=clock())
    credentials = await provider.get_credentials()
    assert credentials == Credentials("K1", "hidden", "hidden-token", NOW + timedelta(minutes=5))
    assert await provider.get_credentials() is credentials
    assert threading.get_ident() not in session.threads
    clock.advance(5 * 60)
    assert (await provider.get_credentials()).access_key_id == "K2"


async def test_refused_ones_are_asked_for_again(clock):
    provider = BotocoreCredentials(Session(), clock=clock())
    provider.invalidate(await provider.get_credentials())
    assert (await provider.get_credentials()).access_key_id == "K2"


async def test_a_session_without_credentials_is_an_error(clock):
    """As it would be with botocore."""
    with pytest.raises(ConfigurationError, match="the botocore session found no credentials"):
        await BotocoreCredentials(SimpleNamespace(get_credentials=lambda: None), clock=clock()).get_credentials()


def test_botocore_is_not_imported():
    assert "botocore" not in sys.modules
