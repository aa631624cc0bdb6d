"""Static keys of the environment and of profiles."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._concurrency.clock import Clock
from aios3._concurrency.threads import in_library_thread
from aios3._config.aws_files.shared_files import Profile, read_again
from aios3._protocol.wire.error_codes import UNKNOWN_KEYS
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

__all__ = ["RereadKeys", "StaticCredentials", "pair_keys", "read_profile_keys", "reread_profile_keys"]

_WHILE_WRITTEN: Final = 0.2
"""Seconds until a file that another program was just writing is read once more."""


def pair_keys(
    origin: str,
    names: tuple[str, str],
    values: tuple[str | None, str | None],
    session_token: str | None,
    expires_at: datetime | None = None,
) -> Credentials | None:
    """Return credentials of an access key id and a secret, or ``None`` if both are unset.

    ``origin`` and ``names`` name the place and its two settings in errors.

    Raises:
        ConfigurationError: one is set without the other, or a value cannot be used. The message quotes no value.
    """
    key_id, secret = values
    if key_id is None and secret is None:
        return None
    if key_id is None or secret is None:
        present, missing = names if secret is None else reversed(names)
        raise ConfigurationError(f"{origin}: {present} is set but {missing} is not; they are needed together")
    try:
        return Credentials(key_id, secret, session_token, expires_at)
    except ConfigurationError as error:
        raise ConfigurationError(f"{origin}: {error}") from None


@dataclass(frozen=True, slots=True)
class StaticCredentials:
    """Provider that always returns the same credentials."""

    credentials: Credentials

    async def get_credentials(self) -> Credentials:
        """Return the credentials."""
        return self.credentials


class RereadKeys(RefreshingCredentials):
    """Keys that stand in a place which another program may change: a file, or the environment of this process.

    They are read again when they are about to expire, or when the store refuses them. While the place has the same
    keys, or none that can be read, the keys stay, and so does the store's refusal.

    Args:
        keys: the keys that were read first.
        read: reads the place again; called in a thread. It may raise, or return ``None`` if the keys are gone.
        clock: decides when the keys expire, and waits between two readings.
        origin: name of the place, for errors.
    """

    rotation_codes = UNKNOWN_KEYS

    def __init__(self, keys: Credentials, read: Callable[[], Credentials | None], *, clock: Clock, origin: str) -> None:
        super().__init__(self._read_again, clock=clock, name=f"the keys of {origin}", first=keys)
        self._keys = keys
        self._read = read

    async def _read_again(self) -> Credentials:
        self._keys = await self._read_twice() or self._keys
        return self._keys

    async def _read_twice(self) -> Credentials | None:
        """Read the place, and once more if that fails: another program may be writing it."""
        for pause in (_WHILE_WRITTEN, 0.0):
            with suppress(ConfigurationError, OSError):
                if (keys := await in_library_thread(self._read)) is not None:
                    return keys
            await self._clock.sleep(pause)
        return None


def read_profile_keys(profile: Profile) -> Credentials | None:
    """Return the static keys of a profile; ``None`` if it has none.

    Raises:
        ConfigurationError: one key without the other, or a value that cannot be used.
    """
    get = profile.settings.get
    names = ("aws_access_key_id", "aws_secret_access_key")
    token = get("aws_session_token") or get("aws_security_token")
    return pair_keys(f"profile {profile.name!r}", names, (get(names[0]), get(names[1])), token)


def reread_profile_keys(profile: Profile, clock: Clock) -> RereadKeys | None:
    """Return a provider of the static keys of a profile; ``None`` if it has none.

    Raises:
        ConfigurationError: as in `read_profile_keys`.
    """
    keys = read_profile_keys(profile)
    if keys is None:
        return None
    read = partial(_read_file_keys, profile)
    return RereadKeys(keys, read, clock=clock, origin=f"profile {profile.name!r}")


def _read_file_keys(profile: Profile) -> Credentials | None:
    return read_profile_keys(read_again(profile))
