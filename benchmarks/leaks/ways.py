"""The ways in which an upload ends. Each returns when the code that awaited the upload goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

import anyio

from benchmarks.leaks.fault_proxy import DELAY, Fault
from benchmarks.leaks.scene import WHOLE_PARTS, Scene

__all__ = ["WAYS", "Way", "key_of"]


@dataclass(frozen=True, slots=True)
class Way:
    """One row of the table."""

    name: str
    title: str
    act: Callable[[Scene], Awaitable[None]]
    expects: Literal["success", "failure", "either"] = "failure"
    """``either`` where success and failure are both honest, as long as what is reported is what is stored."""
    fault: Fault | None = None
    """What the proxy before the store does; ``None`` if the client talks to the store itself."""
    closes_client: bool = False
    ends_loop: bool = False
    """The upload runs in a background task, and `act` is all that ``asyncio.run`` waits for."""


async def _clean(scene: Scene) -> None:
    task = scene.start(scene.upload())
    await scene.midway()
    scene.source.release()
    await scene.settled(task)


async def _source_raises(scene: Scene) -> None:
    task = scene.start(scene.upload())
    await scene.midway()
    scene.source.release(failing=True)
    await scene.settled(task)


async def _cancelled(scene: Scene) -> None:
    task = scene.start(scene.upload())
    await scene.midway()
    task.cancel()
    await scene.settled(task)


async def _cancelled_in_flight(scene: Scene) -> None:
    task = scene.start(scene.upload())
    await scene.midway(WHOLE_PARTS - 1)
    task.cancel()
    await scene.settled(task)


async def _cancelled_twice(scene: Scene) -> None:
    task = scene.start(scene.upload())
    await scene.midway()
    task.cancel()
    await asyncio.sleep(DELAY / 4)  # the abort is under way, and not yet at the store
    task.cancel()
    await scene.settled(task)


async def _timed_out(scene: Scene) -> None:
    limit = asyncio.timeout(None)

    async def attempt() -> None:
        async with limit:
            await scene.upload()

    task = scene.start(attempt())
    await scene.midway()
    limit.reschedule(asyncio.get_running_loop().time())
    await scene.settled(task)


async def _sibling_fails(scene: Scene) -> None:
    fail = asyncio.Event()

    async def sibling() -> None:
        await fail.wait()
        raise RuntimeError("the sibling fails")

    async def attempt() -> None:
        async with asyncio.TaskGroup() as group:
            scene.own_tasks |= {group.create_task(scene.upload()), group.create_task(sibling())}

    task = scene.start(attempt())
    await scene.midway()
    fail.set()
    await scene.settled(task)


async def _scope_cancelled(scene: Scene) -> None:
    scope = anyio.CancelScope()

    async def attempt() -> None:
        with scope:
            await scene.upload()

    task = scene.start(attempt())
    await scene.midway()
    scope.cancel()
    await scene.settled(task)


async def _client_closed(scene: Scene) -> None:
    assert scene.client is not None
    assert scene.client.close is not None
    task = scene.start(scene.upload())
    await scene.midway()
    closing = scene.start(_run(scene.client.close))
    await scene.settled(closing)
    scene.source.release()  # a client that does not stop its uploads shall not wait for ever
    await scene.settled(task)


async def _run(call: Callable[[], Awaitable[object]]) -> None:
    await call()


async def _loop_ends(scene: Scene) -> None:
    await scene.midway()


async def _runs_through(scene: Scene) -> None:
    scene.source.release()
    await scene.settled(scene.start(scene.upload()))


WAYS: Final = {
    way.name: way
    for way in (
        Way("clean", "clean end", _clean, expects="success"),
        Way("source", "the source raises (of a writer: its block)", _source_raises),
        Way("cancel", "`task.cancel()`", _cancelled),
        Way("in-flight", "`task.cancel()` while a part is in flight", _cancelled_in_flight, fault="slow-part"),
        Way("twice", "`task.cancel()`, and again during the clean-up", _cancelled_twice, fault="slow-abort"),
        Way("timeout", "`asyncio.timeout`", _timed_out),
        Way("sibling", "a sibling in the `TaskGroup` fails", _sibling_fails),
        Way("scope", "anyio cancel scope", _scope_cancelled, fault="slow-abort"),
        Way("close", "the client is closed during the upload", _client_closed, expects="either", closes_client=True),
        Way("shutdown", "`asyncio.run` ends, the upload is a background task", _loop_ends, ends_loop=True),
        Way("refused", "a part is refused for good (403)", _runs_through, fault="refuse-part"),
        Way("complete", "the response to Complete is lost", _runs_through, expects="either", fault="lose-complete"),
    )
}
"""By name, in the order of the table."""


def key_of(way: str, client: str) -> str:
    """Return the key for a cell; the proxy reads from it what to do."""
    return f"{WAYS[way].fault or 'no-fault'}/{way}/{client.replace(' ', '-')}"
