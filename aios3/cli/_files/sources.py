"""Standard input and the output of commands as sources, and standard output for bytes."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Sequence
from io import FileIO
from subprocess import DEVNULL
from typing import Final

from aios3.cli._shared.exit_codes import UnusableSourceError
from aios3.cli._shared.threads import in_daemon_thread
from aios3.commands import command_output

__all__ = ["standard_input", "the_output_of", "write_to_standard_output"]

_STANDARD_INPUT: Final = 0
_STANDARD_OUTPUT: Final = 1


def standard_input() -> FileIO:
    """Return standard input as a source.

    It has no buffer: a thread that still reads at the exit of the program would hold the lock of a buffer.

    Raises:
        UnusableSourceError: standard input is closed.
    """
    try:
        return FileIO(_STANDARD_INPUT, closefd=False)
    except OSError as error:
        raise UnusableSourceError(f"standard input cannot be read ({error.strerror})") from None


def the_output_of(command: Sequence[str]) -> AsyncGenerator[bytes, None]:
    """Return what a command writes as a source.

    The command has the environment of this call and our standard error. It has our standard input unless that is a
    terminal, from which a command in another session cannot read.
    """
    has_input = sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty()
    return command_output(*command, env=dict(os.environ), stdin=None if has_input else DEVNULL)


async def write_to_standard_output(chunk: bytes) -> None:
    """Write all of `chunk`, in a thread, because a pipe may be full without end.

    Raises:
        BrokenPipeError: the reader has gone.
        OSError: the bytes cannot be written.
    """
    await in_daemon_thread(lambda: _write(chunk))


def _write(chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(_STANDARD_OUTPUT, rest) :]
