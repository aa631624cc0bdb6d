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
    """One try of a request, with its result or failure."""

    result: T | None
    failure: ResponseError | TransportError | DriverClosedError | None
    """Error of the attempt; ``None`` if it succeeded."""
    response: Response | None
    """Response of the store; ``None`` if none came."""
    credentials: Credentials | None = field(default=None, repr=False)
    """Credentials that signed the request; ``None`` if it went unsigned."""
    in_same_burst: bool = False
    """The store throttled this request together with another one in flight. All requests of the burst are one sign of
    overload, and one retry for the driver's budget, however many they are."""

    def unwrap(self) -> T:
        """Return the result of an attempt that succeeded."""
        return cast("T", self.result)


Shield = Callable[[Coroutine[Any, Any, Attempt[T]]], Awaitable[Attempt[T]]]
"""Function that awaits an attempt for the client."""
