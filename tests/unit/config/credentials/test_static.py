from __future__ import annotations

from aios3._config.credentials.static_keys import StaticCredentials
from aios3.credentials import Credentials, CredentialsProvider, RefreshableCredentials


async def test_static_credentials_are_a_provider_without_visible_secrets():
    """It gives what it was given, cannot be told of a refusal, and its repr hides the secret."""
    credentials = Credentials("ID", "hidden", "hidden-token")
    provider = StaticCredentials(credentials)
    assert isinstance(provider, CredentialsProvider)
    assert not isinstance(provider, RefreshableCredentials)
    assert await provider.get_credentials() is credentials
    assert "hidden" not in repr(provider)
