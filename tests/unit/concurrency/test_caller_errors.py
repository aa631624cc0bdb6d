"""The caller's exceptions are noted where they allow it, carried as values, and never replaced."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest

from aios3._concurrency.caller_errors import Outcome, async_block, note, note_besides


@dataclass(frozen=True)
class FrozenError(Exception):
    code: int


class SealedError(Exception):
    """Refuses every attribute, and to say what it is."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)

    def __str__(self) -> str:
        raise RuntimeError("no words")


class NotelessError(Exception):
    def add_note(self, text: str) -> None:
        raise RuntimeError("no notes")


def with_a_tuple_of_notes() -> Exception:
    error = ValueError("tuple")
    error.__notes__ = ("mine",)  # type: ignore[assignment]
    return error


REFUSING: list[BaseException] = [FrozenError(1), SealedError(), NotelessError(), with_a_tuple_of_notes()]
ODD: list[BaseException] = [
    *REFUSING,
    concurrent.futures.CancelledError(),
    concurrent.futures.InvalidStateError(),
    asyncio.CancelledError(),
    GeneratorExit(),
    TimeoutError(110, "timed out"),
    KeyboardInterrupt(),
    SystemExit(3),
    StopAsyncIteration("a"),
    ExceptionGroup("group", [ValueError("inner")]),
]


@pytest.mark.parametrize("error", REFUSING, ids=lambda error: type(error).__name__)
def test_an_error_that_takes_no_note_stays_as_it_is(error: BaseException) -> None:
    note(error, "aios3: text")
    note_besides(error, "besides", ValueError("other"))
    note_besides(ValueError("other"), "besides", error)


def test_notes_are_added_where_they_can_be() -> None:
    error = ValueError("words")
    note(error, "aios3: text")
    note_besides(error, "failed as well", OSError("words"))
    note_besides(error, "failed as well", OSError("others"))
    assert error.__notes__ == ["aios3: text", "aios3: failed as well: OSError('others')"]


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
def test_an_outcome_raises_the_very_object(error: BaseException) -> None:
    """Whatever a future would make of it."""

    def fail() -> None:
        raise error

    outcome = Outcome(fail)
    with pytest.raises(type(error)) as caught:
        outcome.unwrap()
    assert caught.value is error
    assert Outcome(lambda: 5).unwrap() == 5


@async_block
async def block(log: list[str]) -> AsyncGenerator[list[str]]:
    log.append("begun")
    try:
        yield log
        log.append("clean")
    finally:
        await asyncio.sleep(0)
        log.append("ended")


async def test_a_block_runs_around_its_caller() -> None:
    async with block([]) as log:
        log.append("within")
    assert log == ["begun", "within", "clean", "ended"]


@pytest.mark.parametrize("error", [*ODD, StopIteration("b")], ids=lambda error: type(error).__name__)
async def test_what_ends_a_block_passes_unchanged(error: BaseException) -> None:
    """After the block's clean-up has run, which may wait."""
    log: list[str] = []
    seen: Any = None
    try:
        async with block(log):
            raise error
    except BaseException as caught:
        seen = caught
    assert seen is error
    assert log == ["begun", "ended"]


async def test_a_block_may_fail_itself() -> None:
    @async_block
    async def failing() -> AsyncGenerator[None]:
        try:
            yield
        finally:
            raise OSError("ours")

    theirs = ValueError("theirs")
    with pytest.raises(OSError, match="ours") as caught:
        async with failing():
            raise theirs
    assert caught.value.__context__ is theirs
