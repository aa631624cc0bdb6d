"""Credentials that never change, as a provider."""

from __future__ import annotations

from dataclasses import dataclass

from aios3.credentials import Credentials

__all__ = ["StaticCredentials"]


@dataclass(frozen=True, slots=True)
class StaticCredentials:
    """Answers always with the same credentials."""

    credentials: Credentials

    async def get_credentials(self) -> Credentials:
        """Return them."""
        return self.credentials
