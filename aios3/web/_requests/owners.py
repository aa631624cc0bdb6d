"""Refusals of an ``authorize`` function, whatever framework its errors come from."""

from __future__ import annotations

from aios3.errors import StorageError

from .errors import RequestError

__all__ = ["status_of_refusal"]


def status_of_refusal(error: Exception) -> int | None:
    """Return the status of an HTTP error, as web frameworks define them; ``None`` for any other error."""
    if isinstance(error, StorageError) and not isinstance(error, RequestError):
        return None  # the status is the store's
    status = getattr(error, "status_code", getattr(error, "status", None))
    return status if isinstance(status, int) and 400 <= status < 500 else None
