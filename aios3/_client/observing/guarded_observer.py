"""Guard between the library and an observer, whose methods are foreign code."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Final, ParamSpec

from aios3.errors import ConfigurationError
from aios3.observing import Observer

__all__ = ["GuardedObserver", "check_observer"]

P = ParamSpec("P")

_LOG: Final = logging.getLogger("aios3")

_SLOW: Final = 0.05
"""Seconds that a method of an observer may take; meanwhile nothing else runs in the event loop."""


class GuardedObserver:
    """Calls the methods of an observer. Their exceptions are logged, once for each method, and never raised."""

    def __init__(self, observer: Observer, monotonic: Callable[[], float]) -> None:
        """Guard `observer`; `monotonic` gives seconds."""
        self.methods = observer
        self.monotonic = monotonic
        self._reported: set[tuple[str, str]] = set()

    def notify(self, method: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call `method`, one of `methods`.

        Raises:
            BaseException: an interrupt that is no `Exception`, such as `KeyboardInterrupt`, but no `CancelledError`.
                A plain function cannot be cancelled, so that one is an error of the observer itself.
        """
        began_at = self.monotonic()
        try:
            method(*args, **kwargs)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - foreign code must not fail an upload
            self._report(method, "failed", f"raised {type(error).__name__}", error)
        seconds = self.monotonic() - began_at
        if seconds > _SLOW:
            self._report(method, "slow", f"blocked the event loop for {seconds:.3f} s", None)

    def _report(self, method: Callable[..., None], kind: str, what: str, error: BaseException | None) -> None:
        name = getattr(method, "__name__", "a method")
        if (name, kind) not in self._reported:
            self._reported.add((name, kind))
            observer = type(self.methods).__name__
            _LOG.warning("observer %s: %s %s; later ones are not logged", observer, name, what, exc_info=error)


def check_observer(observer: object) -> None:
    """Check the ``observer`` argument of a driver.

    Raises:
        TypeError: the object lacks a method of `Observer`.
        ConfigurationError: a method is a coroutine function, which nothing would await.
    """
    if observer is None:
        return
    if not isinstance(observer, Observer) or isinstance(observer, type):
        raise TypeError(f"observer must be an Observer or None, not {type(observer).__name__}")
    for name, _ in inspect.getmembers(Observer, inspect.isfunction):
        if not name.startswith("_") and inspect.iscoroutinefunction(getattr(observer, name)):
            raise ConfigurationError(f"observer: {name} must be a plain function, because nothing awaits it")
