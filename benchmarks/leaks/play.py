"""Plays one way of ending on one client in this process, and tells an observer what there is to see."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol
from urllib.parse import urlsplit

from benchmarks.leaks.clients.target import Adapter, OpenClient, Target
from benchmarks.leaks.scene import Ending, Scene
from benchmarks.leaks.sockets import count_sockets_to
from benchmarks.leaks.ways import Way

__all__ = ["Observer", "play"]

_CLOSE_SECONDS: Final = 0.25
"""How long a closed client's sockets may take to go: transports close in later turns of the loop."""


class Observer(Protocol):
    """Whoever asks the store. Its methods block, so that nothing in the event loop moves while it looks."""

    def count_parts(self) -> int:
        """Return how many parts the key's open uploads have."""

    def has_ended(self, ending: Ending, error: str, tasks: int | None) -> None:
        """Look at the store now; the code that awaited the upload has just gone on."""

    def look_again(self, tasks: int | None) -> None:
        """Look once more."""

    def left_sockets(self, count: int) -> None:
        """Note the sockets that are still there after the client was closed."""

    def cannot(self) -> None:
        """Note that this client has no such way of ending."""


def play(way: Way, adapter: Adapter, target: Target, key: str, observer: Observer, *, pause: float) -> None:
    """Let one upload end that way.

    Args:
        pause: seconds between the two looks.

    Raises:
        NotReachedError: the upload did not come as far as the way begins.
    """
    scene = Scene(key, observer.count_parts)
    if way.ends_loop:
        asyncio.run(_main_ends(scene, way, adapter(target)))
        observer.has_ended(scene.ending, repr(scene.error), None)
        time.sleep(pause)
        observer.look_again(None)
        observer.left_sockets(_sockets_to(target))
    else:
        asyncio.run(_main_goes_on(scene, way, adapter, target, observer, pause))


async def _main_ends(scene: Scene, way: Way, opening: AbstractAsyncContextManager[OpenClient]) -> None:
    async def background() -> None:
        async with opening as scene.client:
            await scene.upload()

    _ = scene.start(background())
    await way.act(scene)


async def _main_goes_on(
    scene: Scene, way: Way, adapter: Adapter, target: Target, observer: Observer, pause: float
) -> None:
    async with adapter(target) as scene.client:
        if way.closes_client and scene.client.close is None:
            observer.cannot()
            return
        ours = asyncio.all_tasks()
        await way.act(scene)
        observer.has_ended(scene.ending, repr(scene.error), len(asyncio.all_tasks() - ours - scene.own_tasks))
        await asyncio.sleep(pause)
        observer.look_again(len(asyncio.all_tasks() - ours - scene.own_tasks))
    deadline = time.monotonic() + _CLOSE_SECONDS
    while _sockets_to(target) and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    observer.left_sockets(_sockets_to(target))


def _sockets_to(target: Target) -> int:
    return count_sockets_to(urlsplit(target.endpoint_url).port or 0)
