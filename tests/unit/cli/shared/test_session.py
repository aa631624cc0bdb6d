"""One run of a command: signals, the profile, and errors that are defects."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from dataclasses import replace
from typing import Any

import pytest

from aios3 import S3StorageDriver
from aios3.cli._shared.options import StoreOptions
from aios3.cli._shared.session import run
from aios3.cli._shared.threads import in_daemon_thread

STORE = StoreOptions(
    provider=None, endpoint_url="http://127.0.0.1:1", region=None, profile=None, anonymous=True, addressing=None,
    proxy=None, trust_env=False, journal=None, max_attempts=None,
)  # fmt: skip


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_cancels_the_work_and_is_the_exit_code(
    number: signal.Signals, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def work(driver: S3StorageDriver) -> None:
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()

    assert run(STORE, work) == code
    assert capfd.readouterr().err == f"aios3: ended by {number.name}\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_with_a_journal_a_second_signal_cancels_at_once_and_names_the_journal(
    tmp_path: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    async def work(driver: S3StorageDriver) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    assert run(replace(STORE, journal=str(tmp_path)), work) == 143
    assert capfd.readouterr().err == (
        f"aios3: ended by SIGTERM; uploads may still be open, see: aios3 uploads ls --journal {tmp_path}\n"
    )


def test_with_a_journal_work_that_waits_for_something_else_is_cancelled_shortly_after(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aios3.cli._shared.session._PATIENCE", 0.0)

    async def work(driver: S3StorageDriver) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    assert run(replace(STORE, journal=str(tmp_path)), work) == 143


def test_a_signal_that_the_parent_ignores_stays_ignored() -> None:
    async def work(driver: S3StorageDriver) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.02)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run(STORE, work) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_profile_that_was_typed_comes_before_keys_in_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-a-variable")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with replace(STORE, profile="typed").environment():
        assert os.environ["AWS_PROFILE"] == "typed"
        assert "AWS_ACCESS_KEY_ID" not in os.environ
    assert os.environ["AWS_ACCESS_KEY_ID"] == "from-a-variable"
    assert "AWS_PROFILE" not in os.environ


def test_a_warning_of_the_library_is_a_line_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    async def work(driver: S3StorageDriver) -> None:
        logging.getLogger("aios3").warning("the source %r is silent", "a\x1b")

    assert run(STORE, work) == 0
    assert capfd.readouterr().err == "aios3: the source 'a\\x1b' is silent\n"


def test_a_defect_is_raised() -> None:
    async def work(driver: S3StorageDriver) -> None:
        raise AssertionError

    with pytest.raises(AssertionError):
        run(STORE, work)


async def test_a_thread_gives_its_result_or_its_error_and_is_not_waited_for() -> None:
    assert await in_daemon_thread(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await in_daemon_thread(lambda: 1 / 0)
    reader, writer = os.pipe()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(in_daemon_thread(lambda: os.read(reader, 1)), 0.01)
    os.close(writer)
    while await in_daemon_thread(lambda: os.read(reader, 1)):
        pass
    os.close(reader)
