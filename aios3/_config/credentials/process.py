"""Credentials that another program prints (``credential_process``)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from subprocess import DEVNULL, PIPE
from typing import Final

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._concurrency.clock import Clock
from aios3._concurrency.shielding import finish_despite_cancellation
from aios3._config.credential_requests.documents import PROCESS_FIELDS, parse_object, read_credentials
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

__all__ = ["ProcessCredentials"]

_MAX_OUTPUT: Final = 64 * 1024
_END_SECONDS: Final = 5.0
"""Limit of the wait for a killed program."""


class ProcessCredentials(RefreshingCredentials):
    """Runs a program without a shell, reads the credentials that it prints, and runs it again before they expire.

    The program may print 64 KiB at most. It has no input, and inherits the standard error of this process. After a
    timeout or a cancellation, the program is killed with all processes that it started. The call waits for its end.

    Args:
        command: the program and its arguments, quoted as for a shell.
        seconds: limit of one run, in seconds.
        clock: source of the time.

    Raises:
        ConfigurationError: the command is empty, or its quotes do not match. The message does not hold it.
    """

    def __init__(
        self,
        command: str,
        *,
        seconds: float = 60.0,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(self._run, clock=clock, name="credentials of credential_process")
        self._arguments = _split(command)
        self._seconds = seconds

    async def _run(self) -> Credentials:
        transport, program = await self._start()
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.wait({program.has_ended, program.has_said_too_much}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise ConfigurationError(f"credential_process did not end within {self._seconds:g} s") from None
        finally:
            await _end(transport, program)
        if program.has_said_too_much.done():
            raise ConfigurationError(f"credential_process printed over {_MAX_OUTPUT} bytes")
        status = transport.get_returncode()
        if status != 0:
            raise ConfigurationError(f"credential_process ended with status {status}: run it by hand to see why")
        return _read_credentials(bytes(program.output))

    async def _start(self) -> tuple[asyncio.SubprocessTransport, _Program]:
        try:
            # In a new session, its whole process group can be killed.
            return await asyncio.get_running_loop().subprocess_exec(
                _Program, *self._arguments, stdin=DEVNULL, stdout=PIPE, stderr=None, start_new_session=True
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "its arguments cannot be passed on"
            raise ConfigurationError(f"credential_process cannot be started: {reason}") from None


class _Program(asyncio.SubprocessProtocol):
    """Output and end of a running program."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.output = bytearray()
        self.has_said_too_much: asyncio.Future[None] = loop.create_future()
        self.has_ended: asyncio.Future[None] = loop.create_future()
        """Done when the program is reaped and no process holds its output open."""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if len(self.output) <= _MAX_OUTPUT:
            self.output += data
        if len(self.output) > _MAX_OUTPUT and not self.has_said_too_much.done():
            self.has_said_too_much.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.has_ended.set_result(None)


def _split(command: str) -> list[str]:
    try:
        arguments = shlex.split(command, posix=os.name != "nt")
    except ValueError:
        arguments = []
    if not arguments:
        raise ConfigurationError("credential_process is empty, or its quotes do not match")
    return arguments


async def _end(transport: asyncio.SubprocessTransport, program: _Program) -> None:
    """Kill the program if it runs, and wait for its end despite a cancellation, which is raised afterwards."""
    if not program.has_ended.done():
        _kill_group(transport.get_pid())
    transport.close()
    finished = await finish_despite_cancellation(
        lambda: _wait_for(program.has_ended), deadline=_END_SECONDS, name="aios3: end credential_process"
    )
    if finished.cancellation is not None:
        raise finished.cancellation


async def _wait_for(future: asyncio.Future[None]) -> None:
    await asyncio.wait({future})


def _kill_group(pid: int) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _read_credentials(output: bytes) -> Credentials:
    origin = "the output of credential_process"
    document = parse_object(output, origin)
    if document.get("Version") != 1:
        raise ConfigurationError(f"{origin} is not of version 1")
    return read_credentials(document, PROCESS_FIELDS, origin)
