"""Result or failure of one attempt of an operation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from aios3._protocol.wire.messages import Response
from aios3.credentials import Credentials
from aios3.errors import DriverClosedError, ResponseError, TransportError

__all__ = ["Attempt", "Shield"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attempt(Generic[T]):
    """One request and its end."""

    result: T | None
    failure: ResponseError | TransportError | DriverClosedError | None
    """``None`` if it succeeded."""
    response: Response | None
    """``None`` if no answer came."""
    credentials: Credentials | None = field(default=None, repr=False)
    """What it was signed with."""
    in_same_burst: bool = False
    """The store asked for less, as it did of another one that was on its way with it: together they are one sign of
    overload, and one retry for the driver's budget, however large the crowd."""

    def unwrap(self) -> T:
        """Return the result of an attempt that succeeded."""
        return cast("T", self.result)


Shield = Callable[[Coroutine[Any, Any, Attempt[T]]], Awaitable[Attempt[T]]]
"""Awaits an attempt in its maker's stead."""
