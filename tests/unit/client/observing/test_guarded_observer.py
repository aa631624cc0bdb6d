"""Guard of an observer: foreign code fails nothing, and is not silenced either."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import Any

import pytest

from aios3 import ConfigurationError, ObservedUpload, Observer
from aios3._client.observing.guarded_observer import GuardedObserver, check_observer

UPLOAD = ObservedUpload("upload", "bucket", "key", None)


class Failing(Observer):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def upload_began(self, upload: ObservedUpload) -> None:
        raise self.error

    def waited(self, *_: Any) -> None:
        raise self.error


class Quiet(Observer):
    """Does nothing."""


def guarded(observer: Observer) -> GuardedObserver:
    return GuardedObserver(observer, lambda: 0.0)


@pytest.mark.parametrize("error", [ValueError("wrong"), asyncio.CancelledError(), StopIteration()])
def test_an_exception_is_logged_once_for_each_method(error, caplog) -> None:
    guard = guarded(Failing(error))
    for _ in range(3):
        guard.notify(guard.methods.upload_began, UPLOAD)
        guard.notify(guard.methods.waited, UPLOAD, "memory", 1.0)
    assert [record.getMessage().split(" raised ")[0] for record in caplog.records] == [
        "observer Failing: upload_began",
        "observer Failing: waited",
    ]
    assert all(record.exc_info and record.exc_info[1] is error for record in caplog.records)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_an_interrupt_is_raised(error, caplog) -> None:
    guard = guarded(Failing(error))
    with pytest.raises(type(error)):
        guard.notify(guard.methods.upload_began, UPLOAD)
    assert caplog.records == []


@pytest.mark.parametrize(("seconds", "lines"), [(0.05, 0), (0.0625, 1)])
def test_a_method_that_blocks_the_loop_is_logged_once(seconds, lines, caplog) -> None:
    now = itertools.cycle([0.0, seconds])
    guard = GuardedObserver(Quiet(), lambda: next(now))
    for _ in range(3):
        guard.notify(guard.methods.upload_began, UPLOAD)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * lines


def test_only_an_observer_is_taken() -> None:
    check_observer(None)
    check_observer(Failing(ValueError()))
    for other in (object(), Observer, print):
        with pytest.raises(TypeError, match="observer must be"):
            check_observer(other)


def test_a_coroutine_function_is_refused() -> None:
    class Wrong(Observer):
        async def waited(self, *_: Any) -> None:  # type: ignore[override]
            """Be awaited by no one."""

    with pytest.raises(ConfigurationError, match="waited must be a plain function"):
        check_observer(Wrong())
