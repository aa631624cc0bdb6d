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
"""How long the end of the standard error is waited for after the command has exited; its children may hold it open."""
_REAP_SECONDS: Final = 10.0
"""How long a killed command may take to be gone."""
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

    The command starts when its first bytes are asked for. No shell is involved. It has ended when its output has ended
    and it has exited; if it failed, `CommandError` is raised then, so nothing is committed.

    When the source is closed before that (the upload failed or was cancelled, the driver was closed), the command's
    output is closed and its process group is sent SIGTERM. If it still runs `kill_after` seconds later, the group is
    sent SIGKILL. A cancellation that comes meanwhile is raised after that: no process is left, and no zombie.

    The command runs in a session of its own, so its children end with it, unless they made another session. Ctrl-C in a
    terminal therefore reaches only your program: some commands exit with status 0 on Ctrl-C, and half of their output
    would be taken for all of it. If your program is killed (SIGKILL), the command ends at its next write. Windows has
    no process groups: there the command alone is ended, at once. On uvloop a child that the command leaves behind keeps
    the output open even if it has redirected its own, because uvloop gives it more descriptors than it should.

    Args:
        argv: the program and its arguments.
        env: the command's environment variables; ``None`` means those of this process.
        cwd: the command's working directory; ``None`` means that of this process.
        stdin: as in `subprocess`, without ``PIPE``; by default the command has no input.
        stderr: as in `subprocess`. ``None`` passes it through, ``PIPE`` keeps its last 4 KiB for `CommandError.stderr`.
        kill_after: seconds between SIGTERM and SIGKILL; 0 kills at once.

    Raises:
        ConfigurationError: there is no program, or an option cannot work.

    While it is read, the source raises:
        FileNotFoundError, OSError: the command cannot be started; nothing was sent.
        CommandError: it exited with another status than 0, or was ended by a signal.
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
        """Start it, in a task of its own: a cancellation must not lose a process that is just starting.

        Raises:
            OSError: it cannot be started.
        """
        self._starting = asyncio.create_task(self._start(), name=f"aios3: start {self._argv[0]!r}")
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        self._transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: self._running, *self._argv, stdout=PIPE, start_new_session=True, **self._options
        )

    async def read(self) -> bytes:
        """Return what it has written since; nothing when its output has ended."""
        return await self._running.output.read(_READ_SIZE)

    async def wait(self) -> None:
        """Wait until it has exited.

        Raises:
            CommandError: it failed.
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
        """End it if it runs, and return when it is gone.

        Raises:
            TimeoutError: it could not be killed, for example because it runs as another user.
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
                self._starting.exception()  # has been raised, unless a cancellation came first
            return
        if not is_over:
            await self._terminate(self._transport)
        self._transport.close()
        await self._running.closed.wait()

    async def _terminate(self, transport: asyncio.SubprocessTransport) -> None:
        output = transport.get_pipe_transport(1)
        assert output is not None
        output.close()  # a command that writes on is ended by that already; and a full pipe would hide its end
        if not self._running.exited.is_set():
            _signal_group(transport, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._kill_after):
                    await self._running.exited.wait()
        # Also when it has exited: children may be left. The number of its group is in use as long as they are.
        _signal_group(transport, _SIGKILL)
        await self._running.exited.wait()


class _Running(asyncio.SubprocessProtocol):
    """What a running command has written, and how far its end has come."""

    def __init__(self) -> None:
        self.output = asyncio.StreamReader(limit=_READ_SIZE)
        self.errors = b""
        """The end of what it wrote to its standard error, if that is captured."""
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()
        self._errors_ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        output = cast("asyncio.SubprocessTransport", transport).get_pipe_transport(1)
        assert output is not None
        self.output.set_transport(output)  # which it pauses while it holds enough

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
        """Wait for the end of the standard error; no more than a moment, because a child may hold it open."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TAIL_SECONDS):
                await self._errors_ended.wait()


def _signal_group(transport: asyncio.SubprocessTransport, number: int) -> None:
    """Send a signal to the command and what it has started; where there are no process groups, end the command."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(transport.get_pid(), number)
        else:  # pragma: no cover - Windows
            transport.kill()
