"""Standard input, standard output, and the input of a producer."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from aios3.cli._files.sources import standard_input, the_output_of, write_to_standard_output
from aios3.cli._shared.exit_codes import UnusableSourceError
from aios3.options import MIB
from tests.support.command_line import python


@contextmanager
def pipe_as_standard_streams() -> Iterator[int]:
    """Let standard output write into the pipe that is standard input; yield the writing end."""
    kept = os.dup(0), os.dup(1)
    reader, writer = os.pipe()
    os.dup2(reader, 0)
    os.dup2(writer, 1)
    try:
        yield writer
    finally:
        for number, descriptor in enumerate(kept):
            os.dup2(descriptor, number)
        for descriptor in (*kept, reader, writer):
            os.close(descriptor)


async def test_all_bytes_are_written_even_if_the_pipe_is_full() -> None:
    with pipe_as_standard_streams(), standard_input() as source:
        writing = asyncio.ensure_future(write_to_standard_output(bytes(MIB)))
        read = 0
        while read < MIB:
            read += len(await asyncio.to_thread(source.read, 65536))
        await writing


def test_standard_input_that_is_closed_is_named() -> None:
    kept = os.dup(0)
    os.close(0)
    try:
        with pytest.raises(UnusableSourceError, match=r"standard input cannot be read \(Bad file descriptor\)"):
            standard_input()
    finally:
        os.dup2(kept, 0)
        os.close(kept)


@pytest.mark.parametrize(("is_terminal", "read"), [(False, b"given"), (True, b"")])
async def test_a_producer_has_our_input_unless_that_is_a_terminal(
    is_terminal: bool, read: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.StringIO()
    monkeypatch.setattr(stdin, "isatty", lambda: is_terminal)
    monkeypatch.setattr(sys, "stdin", stdin)
    with pipe_as_standard_streams() as writer:
        os.write(writer, b"given")
        output = the_output_of(python("import os; os.write(1, os.read(0, 5))"))
        assert b"".join([chunk async for chunk in output]) == read
