"""Eager tasks on every Python: a task factory that runs work to its end at once, if the work never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["begin_at_once"]


class _Ended(asyncio.Future[None]):
    """What a factory of eager tasks makes of work that never waits."""

    def set_name(self, name: str | None) -> None:
        """From Python 3.13 on the loop does that."""


def begin_at_once(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None], **options: Any) -> Any:
    """Run `work`, which must fail before it waits, and return an ended task with its error."""
    ended = _Ended(loop=loop)
    try:
        work.send(None)
    except Exception as error:  # noqa: BLE001 - the test says which
        ended.set_exception(error)
    return ended
