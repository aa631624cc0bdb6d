"""Server programs as child processes: find them, start them, know that they listen, and stop them for certain."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = [
    "HOST",
    "PortTakenError",
    "ServerCommand",
    "StoreMissingError",
    "StoreStartError",
    "find_program",
    "pick_free_ports",
    "run_servers",
]

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 45.0
STOP_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.02
_LOG_TAIL_LINES: Final = 15

# Below Linux's ephemeral range, so that no outgoing connection takes a port between our look and the server's bind.
_PORTS: Final = range(20_000, 32_768)
_PORT_TAKEN: Final = re.compile(r"address (already )?in use|could not bind|port \d+ is in use", re.IGNORECASE)

# A server must not read settings that were meant for the clients under test, nor modules of this interpreter.
_FOREIGN_SETTINGS: Final = ("AWS_", "RCLONE_", "MOTO_", "PYTHON", "COV")


class StoreStartError(RuntimeError):
    """A store could not be started; the message carries the end of its log."""


class StoreMissingError(StoreStartError):
    """A program that the store needs is not installed."""


class PortTakenError(StoreStartError):
    """Someone else took the port between the look for a free one and the server's bind."""


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """One server process to start."""

    name: str
    """Names the log file and stands in error messages."""
    arguments: Sequence[str | Path]
    port: int
    """The loopback port on which it is ready once it accepts connections."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for this process on top of the cleaned environment."""


def find_program(name: str, *, override: str | None = None) -> Path | None:
    """Return where a program is installed, or ``None``.

    Looks beside the running interpreter, then in the directory that
    ``AIOS3_STORES_BIN`` names, then on ``PATH``.

    Args:
        name: the program's file name.
        override: an environment variable; where it is set it alone decides.
    """
    if override and (named := os.environ.get(override)):
        found = shutil.which(named)
    else:
        directories = (Path(sys.executable).parent, os.environ.get("AIOS3_STORES_BIN"), os.environ.get("PATH"))
        found = shutil.which(name, path=os.pathsep.join(str(entry) for entry in directories if entry))
    return Path(found).absolute() if found else None


def pick_free_ports(count: int) -> list[int]:
    """Return ``count`` different loopback ports below 32768 on which nobody listened a moment ago.

    Raises:
        StoreStartError: none of the ports that were tried is free.
    """
    # Not the shared generator: test runs seed it, and parallel runs would then fight for the same ports.
    candidates = iter(random.SystemRandom().sample(_PORTS, len(_PORTS)))
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            port = next(candidates, None)
            if port is None:
                raise StoreStartError(f"{HOST} has no {count} free ports from {_PORTS.start} to {_PORTS.stop - 1}")
            probe = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            with suppress(OSError):
                probe.bind((HOST, port))
                ports.append(port)
        return ports


@contextmanager
def run_servers(
    commands: Sequence[ServerCommand], directory: Path, *, start_seconds: float = START_SECONDS
) -> Iterator[tuple[int, ...]]:
    """Run server processes for the length of the block and yield their process ids.

    Enters once every port accepts connections. However the block or the
    start-up ends, the processes that were started are terminated, killed if
    they do not follow within seconds, and reaped. Blocks; not for an event loop.

    Args:
        commands: the servers, in the order of their start.
        directory: their working directory; their output goes to ``logs/NAME.log`` in it.
        start_seconds: how long all of them together may take to listen.

    Raises:
        PortTakenError: a server ended because its port was taken.
        StoreStartError: a server ended, or did not listen in time.
    """
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            processes.append(_spawn(command, directory))  # noqa: PERF401 - what has started must be known at once
        _wait_until_listening(list(zip(commands, processes, strict=True)), directory, start_seconds)
        yield tuple(process.pid for process in processes)
    finally:
        _stop(processes)


def _spawn(command: ServerCommand, directory: Path) -> subprocess.Popen[bytes]:
    log = _log_path(command, directory)
    log.parent.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_SETTINGS)}
    with log.open("wb") as output:
        return subprocess.Popen(
            [str(argument) for argument in command.arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env={**inherited, **command.environment},
            start_new_session=True,  # Ctrl-C in the terminal reaches our process alone, which then stops this one
        )


def _wait_until_listening(
    servers: Sequence[tuple[ServerCommand, subprocess.Popen[bytes]]], directory: Path, start_seconds: float
) -> None:
    deadline = time.monotonic() + start_seconds
    waiting = [command for command, _ in servers]
    while waiting:
        waiting = [command for command in waiting if not _accepts_connections(command.port)]
        # Also after the last port opened: it may be another's, and ours the one that just ended.
        for command, process in servers:
            if process.poll() is not None:
                raise _ended_early(command, process.returncode, directory)
        if waiting and time.monotonic() > deadline:
            command = waiting[0]
            raise StoreStartError(
                f"{command.name} did not listen on {HOST}:{command.port} within {start_seconds:g} seconds; "
                f"the end of its log:\n{_log_tail(command, directory)}"
            )
        if waiting:
            time.sleep(_POLL_SECONDS)


def _accepts_connections(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def _ended_early(command: ServerCommand, status: int, directory: Path) -> StoreStartError:
    tail = _log_tail(command, directory)
    kind = PortTakenError if _PORT_TAKEN.search(tail) else StoreStartError
    return kind(
        f"{command.name} ended with status {status} before it was ready on {HOST}:{command.port}; "
        f"the end of its log:\n{tail}"
    )


def _log_path(command: ServerCommand, directory: Path) -> Path:
    return directory / "logs" / f"{command.name}.log"


def _log_tail(command: ServerCommand, directory: Path) -> str:
    lines = _log_path(command, directory).read_text(errors="replace").splitlines()
    return "\n".join(lines[-_LOG_TAIL_LINES:]) or "(it is empty)"


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    try:
        for process in processes:
            process.terminate()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
    finally:  # all are killed before any is waited for: a second Ctrl-C may end the wait, and must not spare one
        for process in processes:
            process.kill()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
