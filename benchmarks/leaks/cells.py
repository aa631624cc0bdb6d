"""Fills one cell of the table: a process of its own for the client, and the runner's eyes on the store."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any, Final

from benchmarks.leaks.clients import find_adapter
from benchmarks.leaks.clients.target import Target
from benchmarks.leaks.lister import Lister
from benchmarks.leaks.play import play
from benchmarks.leaks.scene import Ending
from benchmarks.leaks.stores import Store
from benchmarks.leaks.verdicts import Look, Observation
from benchmarks.leaks.ways import WAYS, key_of

__all__ = ["PAUSE", "Cell", "Watcher", "fill"]

PAUSE: Final = 2.0
"""Seconds between the two looks."""
_CELL_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Cell:
    """Where in the table."""

    store: str
    way: str
    client: str

    @property
    def key(self) -> str:
        """The object's key, which no other cell has."""
        return key_of(self.way, self.client)


def fill(cell: Cell, store: Store, context: ForkServerContext) -> Observation:
    """Play the cell in a new process and return what was seen; the process is killed if it takes too long."""
    target = store.proxied if WAYS[cell.way].fault else store.direct
    ours, theirs = context.Pipe()
    process = context.Process(target=_play_for, args=(theirs, cell, target), daemon=True)
    process.start()
    theirs.close()
    watcher = Watcher(cell.key, store.lister)
    try:
        watcher.follow(ours, time.monotonic() + _CELL_SECONDS)
    finally:
        process.kill()
        process.join()
        ours.close()
    return watcher.seen


class Watcher:
    """Answers what the process asks, and keeps what it tells."""

    def __init__(self, key: str, lister: Lister) -> None:
        self.seen = Observation()
        self._key = key
        self._lister = lister
        self._answers: dict[str, Callable[..., object]] = {
            "count_parts": lambda: lister.count_parts(key),
            "has_ended": self._has_ended,
            "look_again": self._look_again,
            "left_sockets": lambda count: setattr(self.seen, "sockets", count),
            "cannot": lambda: setattr(self.seen, "is_possible", False),
            "failed": lambda text: setattr(self.seen, "failure", text),
        }

    def follow(self, process: Connection, deadline: float) -> None:
        """Serve the process until it ends; if it does not, look once more and leave it as hung."""
        while process.poll(max(0.0, deadline - time.monotonic())):
            try:
                name, arguments = process.recv()
            except EOFError:
                return
            process.send(self._answers[name](*arguments))
        if self.seen.at_once is None:
            self.seen.at_once = self._look(None)
        else:
            self.seen.failure = "the client could not be closed"

    def _has_ended(self, ending: Ending, error: str, tasks: int | None) -> None:
        self.seen.ending, self.seen.error = ending, error
        self.seen.at_once = self._look(tasks)

    def _look_again(self, tasks: int | None) -> None:
        self.seen.later = self._look(tasks)

    def _look(self, tasks: int | None) -> Look:
        return Look(self._lister.count_uploads(self._key), tasks, self._lister.stored(self._key))


class _Teller:
    """The observer in the client's process: every call blocks until the runner has looked."""

    def __init__(self, runner: Connection) -> None:
        self._runner = runner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(*arguments: object) -> Any:
            self._runner.send((name, arguments))
            return self._runner.recv()

        return ask


def _play_for(runner: Connection, cell: Cell, target: Target) -> None:
    # What clients print about tasks that nobody awaited is counted, and need not be read as well.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    teller = _Teller(runner)
    try:
        play(WAYS[cell.way], find_adapter(cell.client), target, cell.key, teller, pause=PAUSE)
    except BaseException:
        teller.failed(traceback.format_exc())
    os._exit(0)  # threads that a client has left must not hold the process
