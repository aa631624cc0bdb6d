"""Doubts of keys: refusals that may mean that the keys have expired, or something else."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from aios3._protocol.policies.retry import is_doubt_of_keys
from aios3.credentials import Credentials, CredentialsProvider
from aios3.errors import ResponseError

from .attempts import Attempt
from .refreshing_credentials import RefreshingCredentials

__all__ = ["KeyDoubts"]

_TRUSTED_KEYS: Final = 32
"""Keys to remember; a store with sessions has keys for each bucket."""


class KeyDoubts:
    """Remembers which keys were fetched because of a doubt, so that each set is doubted once for each code.

    Otherwise every object that may not be read would cost a fetch of keys.
    """

    def __init__(self, source: CredentialsProvider | None, codes: frozenset[str]) -> None:
        """Begin without doubts.

        Args:
            source: provider of the keys; its own codes are added to `codes`.
            codes: error codes that may mean that the keys have expired, besides the usual ones.
        """
        own = source.rotation_codes if isinstance(source, RefreshingCredentials) else frozenset()
        self._codes = codes | own
        self._is_cheap = bool(own)
        """Whether other keys are found by reading a file, so every refusal is a reason to look. The file is read again
        each time, because the program that writes it may be late."""
        self._trusted: deque[tuple[Credentials, str | None]] = deque(maxlen=_TRUSTED_KEYS)

    def covers(self, outcome: Attempt[Any]) -> bool:
        """Return whether the failure may mean that the keys have expired, and is a new reason to fetch others."""
        if outcome.failure is None or outcome.credentials is None:
            return False
        if not self._is_cheap and (outcome.credentials, _code_of(outcome)) in self._trusted:
            return False
        return is_doubt_of_keys(outcome.failure, self._codes, is_cheap=self._is_cheap)

    def trust(self, keys: Credentials, outcome: Attempt[Any]) -> None:
        """Note that `keys` were fetched because of `outcome`. The same refusal of them stands."""
        self._trusted.append((keys, _code_of(outcome)))


def _code_of(outcome: Attempt[Any]) -> str | None:
    return outcome.failure.code if isinstance(outcome.failure, ResponseError) else None
