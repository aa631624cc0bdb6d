"""Programs that are fed and weighed."""

from __future__ import annotations

import os
import sys

import pytest

from benchmarks.clients.program import Program
from benchmarks.job import MIB
from benchmarks.source import Source

COUNTING = "import sys, time; got = len(sys.stdin.buffer.read()); time.sleep(0.1); sys.exit(got != {expected})"


@pytest.fixture
def program() -> Program:
    """Return a program that runs in our environment."""
    return Program(os.environ, at_once=2)


async def test_a_program_is_fed_every_byte_and_weighed(program):
    await program.run_idle(sys.executable, "-c", "import time; time.sleep(0.1)")
    await program.run(sys.executable, "-c", COUNTING.format(expected=20 * MIB), source=Source(20 * MIB, MIB))
    figures = program.figures()
    assert figures["cpu_seconds"] > 0
    assert figures["over_idle_bytes"] > 15 * MIB


async def test_a_program_that_ends_badly_is_an_error(program):
    with pytest.raises(RuntimeError, match="ended with 1"):
        await program.run(sys.executable, "-c", COUNTING.format(expected=1), source=Source(2, 1))


async def test_what_a_program_costs_that_does_nothing_is_left_out_of_its_memory(program):
    await program.run_idle(sys.executable, "-c", "import time; time.sleep(0.1)")
    await program.run(sys.executable, "-c", "import time; time.sleep(0.1)")
    assert program.figures()["over_idle_bytes"] < 5 * MIB
