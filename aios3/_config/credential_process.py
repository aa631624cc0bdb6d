"""Credentials that another program prints (``credential_process``)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import Final

from aios3._config.credential_documents import PROCESS_FIELDS, parse_object, read_credentials
from aios3._config.refreshing import RefreshingCredentials
from aios3._upload.clock import Clock
from aios3._upload.shielding import finish_despite_cancellation
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

__all__ = ["ProcessCredentials"]

_MAX_OUTPUT: Final = 64 * 1024
_END_SECONDS: Final = 5.0
"""How long a killed program may take to be gone."""


class ProcessCredentials(RefreshingCredentials):
    """Runs a program without a shell, reads the credentials that it prints, and runs it again in time.

    Its output may have 64 KiB. It has no input, and what it writes to its standard error goes to ours. When time
    runs out, or whoever waits is cancelled, it is killed with all that it started, and waited for.

    Args:
        command: the program and its arguments, quoted as for a shell.
        seconds: that it may run.
        clock: tells when the credentials expire.

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
        process = await self._start()
        try:
            async with asyncio.timeout(self._seconds):
                output = await _read_output(process)
                status = await process.wait()
        except TimeoutError:
            raise ConfigurationError(f"credential_process did not end within {self._seconds:g} s") from None
        finally:
            await _end(process)
        if status != 0:
            raise ConfigurationError(f"credential_process ended with status {status}: run it by hand to see why")
        return _read_credentials(output)

    async def _start(self) -> Process:
        try:
            # In a session of its own, so that what it starts can be ended with it.
            return await asyncio.create_subprocess_exec(
                *self._arguments, stdin=DEVNULL, stdout=PIPE, start_new_session=True
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "its arguments cannot be passed on"
            raise ConfigurationError(f"credential_process cannot be started: {reason}") from None


def _split(command: str) -> list[str]:
    try:
        arguments = shlex.split(command, posix=os.name != "nt")
    except ValueError:
        arguments = []
    if not arguments:
        raise ConfigurationError("credential_process is empty, or its quotes do not match")
    return arguments


async def _read_output(process: Process) -> bytes:
    assert process.stdout is not None
    output = bytearray()
    while piece := await process.stdout.read(_MAX_OUTPUT):
        output += piece
        if len(output) > _MAX_OUTPUT:
            raise ConfigurationError(f"credential_process printed over {_MAX_OUTPUT} bytes")
    return bytes(output)


async def _end(process: Process) -> None:
    """Make sure that it is gone, whatever happens to us meanwhile."""
    if process.returncode is not None:
        return
    _kill(process)
    finished = await finish_despite_cancellation(
        process.wait, deadline=_END_SECONDS, name="aios3: end credential_process"
    )
    if finished.cancellation is not None:
        raise finished.cancellation


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:  # pragma: no cover - Windows has no groups of processes
            process.kill()


def _read_credentials(output: bytes) -> Credentials:
    origin = "the output of credential_process"
    document = parse_object(output, origin)
    if document.get("Version") != 1:
        raise ConfigurationError(f"{origin} is not of version 1")
    return read_credentials(document, PROCESS_FIELDS, origin)
