"""Credentials of a botocore or boto3 session."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._concurrency.clock import Clock
from aios3._concurrency.threads import CallerThread
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

__all__ = ["BotocoreCredentials"]

_KEPT: Final = timedelta(minutes=5)
"""Use of one reading. botocore renews its credentials earlier: 10 to 15 minutes before they expire."""


class BotocoreCredentials(RefreshingCredentials):
    """Takes the credentials of a botocore or boto3 session, which renews them.

    The session is read in a thread, because it may read files and send requests, at most every few minutes.
    ``expires_at`` is five minutes after the reading, and not the real expiry.

    Args:
        session: a ``botocore.session.Session`` or a ``boto3.Session``.
        clock: source of the time.
    """

    def __init__(self, session: Any, *, clock: Clock = Clock()) -> None:  # noqa: B008 - frozen
        super().__init__(self._ask, clock=clock, name="credentials of a botocore session")
        self._session = session

    async def _ask(self) -> Credentials:
        thread = CallerThread()
        try:
            credentials = await thread.call(_freeze, self._session)
        finally:
            thread.close()
        return replace(credentials, expires_at=self._clock.now() + _KEPT)


def _freeze(session: Any) -> Credentials:
    credentials = session.get_credentials()
    if credentials is None:
        raise ConfigurationError("the botocore session found no credentials")
    frozen = credentials.get_frozen_credentials()
    return Credentials(frozen.access_key, frozen.secret_key, frozen.token)
