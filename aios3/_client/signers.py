"""Signers, which choose the keys and the scope of a request. By default the ordinary keys sign."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from aios3._protocol.operations import Operation
from aios3._protocol.wire.sigv4 import Scope
from aios3.credentials import Credentials, CredentialsProvider, RefreshableCredentials

from .refreshing_credentials import renewed_by

__all__ = ["OrdinarySigner", "Signer"]


class Signer(Protocol):
    """Chooses keys and scope for every operation."""

    async def keys_for(self, operation: Operation[Any]) -> Credentials | None:
        """Return the keys that are valid for `operation` now; ``None`` sends it unsigned."""

    def scope_for(self, operation: Operation[Any], region: str) -> Scope:
        """Return the scope of the signature of `operation`."""

    def refused(self, operation: Operation[Any], keys: Credentials) -> None:
        """Record that the store refuses `keys`. The next keys are fresh, if the signer can renew them."""

    async def renewed(self, operation: Operation[Any], keys: Credentials) -> Credentials:
        """Return fresh keys, because `keys` may have expired; `keys` themselves if there are no others."""


@dataclass(frozen=True, slots=True)
class OrdinarySigner:
    """Signs everything with the same keys."""

    source: CredentialsProvider | None = field(repr=False)
    """Source of the keys; ``None`` sends requests unsigned."""
    service: str = "s3"

    async def keys_for(self, operation: Operation[Any]) -> Credentials | None:
        """Return the source's keys, or ``None`` without a source."""
        return None if self.source is None else await self.source.get_credentials()

    def scope_for(self, operation: Operation[Any], region: str) -> Scope:
        """Return the scope of the service in that region."""
        return _scope_of(region, self.service)

    def refused(self, operation: Operation[Any], keys: Credentials) -> None:
        """Invalidate `keys` at the source, if it can renew them."""
        if isinstance(self.source, RefreshableCredentials):
            self.source.invalidate(keys)

    async def renewed(self, operation: Operation[Any], keys: Credentials) -> Credentials:
        """Return other keys of the source, if it keeps keys and has others by now; else `keys`."""
        return await renewed_by(self.source, keys)


@lru_cache(maxsize=64)
def _scope_of(region: str, service: str) -> Scope:
    return Scope(region, service)
