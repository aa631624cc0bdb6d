"""Output of a command as a source of an upload.

The upload is committed only if the command succeeds. When the upload ends before the command, the command is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from subprocess import DEVNULL, PIPE, STDOUT
from typing import IO, Any, Final, cast

from aios3._concurrency.shielding import finish_despite_cancellation
from aios3.errors import CommandError, ConfigurationError
from aios3.options import KIB

__all__ = ["command_output"]

_READ_SIZE: Final = 256 * KIB
_TAIL_SIZE: Final = 4 * KIB
_TAIL_SECONDS: Final = 1.0
"""Limit of the wait for the end of the standard error after the command has exited. Children may hold it open."""
_REAP_SECONDS: Final = 10.0
"""Limit of the wait for the end of a killed command."""
_SIGKILL: Final = getattr(signal, "SIGKILL", signal.SIGTERM)


def command_output(
    *argv: str | os.PathLike[str],
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    stdin: int | IO[Any] | None = DEVNULL,
    stderr: int | IO[Any] | None = None,
    kill_after: float = 5.0,
) -> AsyncGenerator[bytes, None]:
    """Return the standard output of a command as a source for an upload.

    The command starts, without a shell, when the source is first read. The source ends when the output has ended and
    the command has exited. If the command failed, the source then raises `CommandError`, so nothing is committed.

    If the source is closed earlier (the upload failed or was cancelled, the driver was closed), it closes the command's
    output and sends SIGTERM to the process group. If the command still runs `kill_after` seconds later, the group gets
    SIGKILL. A cancellation meanwhile is raised after that, so no process and no zombie is left.

    The command runs in a new session, so its children end with it, unless they made another session. Ctrl-C in a
    terminal reaches only your program. Otherwise a command that exits with status 0 on Ctrl-C would make a partial
    output look complete. If your program is killed (SIGKILL), the command ends at its next write. Windows has no
    process groups: there only the command is ended, at once. On uvloop a child that outlives the command keeps the
    output open even if it has redirected its own, because uvloop passes it too many descriptors.

    Args:
        argv: the program and its arguments.
        env: the command's environment variables; ``None`` means those of this process.
        cwd: the command's working directory; ``None`` means that of this process.
        stdin: as in `subprocess`, without ``PIPE``; by default the command has no input.
        stderr: as in `subprocess`. ``None`` passes it through, ``PIPE`` keeps its last 4 KiB for `CommandError.stderr`.
        kill_after: seconds between SIGTERM and SIGKILL; 0 kills at once.

    Raises:
        ConfigurationError: no program is named, or an option cannot work.

    While it is read, the source raises:
        FileNotFoundError, OSError: the command cannot be started; nothing was sent.
        CommandError: the command exited with another status than 0, or a signal ended it.
    """
    if not argv:
        raise ConfigurationError("command_output needs a program to run")
    if stdin in (PIPE, STDOUT):
        raise ConfigurationError("stdin must be None, DEVNULL, a file or its descriptor: nothing would write to a pipe")
    if not kill_after >= 0:
        raise ConfigurationError(f"kill_after must be a number of seconds that is not negative, not {kill_after!r}")
    options = {"env": env, "cwd": cwd, "stdin": stdin, "stderr": stderr}
    return _output_of(tuple(os.fspath(word) for word in argv), options, kill_after)


async def _output_of(
    argv: tuple[str, ...], options: Mapping[str, Any], kill_after: float
) -> AsyncGenerator[bytes, None]:
    command = _Command(argv, options, kill_after)
    try:
        await command.start()
        while chunk := await command.read():
            yield chunk
        await command.wait()
    finally:
        await command.end()


class _Command:
    """One run of a command."""

    def __init__(self, argv: tuple[str, ...], options: Mapping[str, Any], kill_after: float) -> None:
        self._argv = argv
        self._options = options
        self._kill_after = kill_after
        self._starting: asyncio.Task[None] | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._running = _Running()

    async def start(self) -> None:
        """Start the command in a new task, because a cancellation must not lose a process that is starting.

        Raises:
            OSError: the command cannot be started.
        """
        self._starting = asyncio.create_task(self._start(), name=f"aios3: start {self._argv[0]!r}")
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        self._transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: self._running, *self._argv, stdout=PIPE, start_new_session=True, **self._options
        )

    async def read(self) -> bytes:
        """Return the next bytes of the output; empty at its end."""
        return await self._running.output.read(_READ_SIZE)

    async def wait(self) -> None:
        """Wait until the command has exited.

        Raises:
            CommandError: the command failed.
        """
        assert self._transport is not None
        await self._running.exited.wait()
        status = self._transport.get_returncode()
        if status == 0:
            return
        captured = None
        if self._options["stderr"] == PIPE:
            await self._running.wait_for_errors()
            captured = self._running.errors.decode(errors="replace")
        raise CommandError(self._argv[0], -1 if status is None else status, captured)

    async def end(self) -> None:
        """End the command if it runs, and wait until it is gone.

        Raises:
            TimeoutError: the command could not be killed, for example because it runs as another user.
        """
        is_over = self._running.exited.is_set() and self._running.output.at_eof()
        finished = await finish_despite_cancellation(
            lambda: self._end(is_over=is_over),
            deadline=self._kill_after + _REAP_SECONDS,
            name=f"aios3: end {self._argv[0]!r}",
        )
        for error in (finished.cancellation, finished.error):
            if error is not None:
                raise error

    async def _end(self, *, is_over: bool) -> None:
        assert self._starting is not None
        await asyncio.wait({self._starting})
        if self._transport is None:
            with contextlib.suppress(asyncio.CancelledError):
                self._starting.exception()  # `start` has raised it, unless a cancellation came first
            return
        if not is_over:
            await self._terminate(self._transport)
        self._transport.close()
        await self._running.closed.wait()

    async def _terminate(self, transport: asyncio.SubprocessTransport) -> None:
        output = transport.get_pipe_transport(1)
        assert output is not None
        output.close()  # ends a command that still writes, and a full pipe would hide the end
        if not self._running.exited.is_set():
            _signal_group(transport, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._kill_after):
                    await self._running.exited.wait()
        # After its exit too: children may remain, and the id of the group is in use as long as they do.
        _signal_group(transport, _SIGKILL)
        await self._running.exited.wait()


class _Running(asyncio.SubprocessProtocol):
    """Output of a running command, and the steps of its end."""

    def __init__(self) -> None:
        self.output = asyncio.StreamReader(limit=_READ_SIZE)
        self.errors = b""
        """Last bytes of the standard error, if that is captured."""
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()
        self._errors_ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        output = cast("asyncio.SubprocessTransport", transport).get_pipe_transport(1)
        assert output is not None
        self.output.set_transport(output)  # the reader pauses the pipe while it holds enough

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self.output.feed_data(data)
        else:
            self.errors = (self.errors + data)[-_TAIL_SIZE:]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self.output.feed_eof()
        else:
            self._errors_ended.set()

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    async def wait_for_errors(self) -> None:
        """Wait for the end of the standard error, but only shortly, because a child may hold it open."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TAIL_SECONDS):
                await self._errors_ended.wait()


def _signal_group(transport: asyncio.SubprocessTransport, number: int) -> None:
    """Send a signal to the command's process group; without process groups, end the command."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(transport.get_pid(), number)
        else:  # pragma: no cover - Windows
            transport.kill()
