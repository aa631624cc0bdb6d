"""A driver that is closed by the signals of its server."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from aios3 import ConfigurationError
from aios3.web import close_on_signal

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Driver:
    """Driver whose uploads end when the test says so, or when its closing is cancelled."""

    def __init__(self):
        self.graces = []
        self.is_aborted = False
        self.end = asyncio.Event()
        self.begun = asyncio.Event()

    async def aclose(self, *, grace):
        self.graces.append(grace)
        self.begun.set()
        try:
            await self.end.wait()
        except asyncio.CancelledError:
            self.is_aborted = True
            raise


async def handled():
    """Let the handlers of the signals that were sent run, and the loop act on them."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def driver():
    return Driver()


@pytest.fixture
def former():
    """Signals that reach the handler of the server."""
    numbers = []
    kept = {number: signal.signal(number, lambda got, _: numbers.append(got)) for number in SIGNALS}
    yield numbers
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_signal_closes_the_driver_and_reaches_the_server(driver, former, number):
    driver.end.set()
    async with close_on_signal(driver, grace=3):
        os.kill(os.getpid(), number)
        await driver.begun.wait()
    assert (driver.graces, former) == ([3], [number])


async def test_without_a_signal_nothing_is_closed_and_the_handlers_are_restored(driver, former):
    async with close_on_signal(driver):
        assert signal.getsignal(signal.SIGTERM).__name__ == "_handle"
    assert signal.getsignal(signal.SIGTERM).__name__ == "<lambda>"
    assert driver.graces == []


async def test_the_end_waits_for_the_closing(driver, former):
    async with close_on_signal(driver):
        os.kill(os.getpid(), signal.SIGTERM)
        await driver.begun.wait()
        asyncio.get_running_loop().call_later(0.01, driver.end.set)
    assert driver.end.is_set()
    assert not driver.is_aborted


@pytest.mark.parametrize("first", SIGNALS)
async def test_an_interrupt_after_a_signal_ends_the_grace_and_the_next_reaches_the_server(driver, former, first):
    async with close_on_signal(driver):
        for number in (first, signal.SIGINT, signal.SIGINT):
            os.kill(os.getpid(), number)
            await handled()
    assert driver.is_aborted
    assert former == [first, signal.SIGINT]


async def test_two_interrupts_before_the_loop_runs_end_the_grace(driver, former):
    async with close_on_signal(driver):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        await driver.begun.wait()
    assert driver.is_aborted


async def test_a_termination_beside_the_interrupt_of_a_supervisor_does_not_end_the_grace(driver, former):
    async with close_on_signal(driver):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
            os.kill(os.getpid(), number)
            await handled()
        assert not driver.is_aborted
        driver.end.set()
    assert driver.graces == [20.0]


async def test_a_cancellation_at_the_end_ends_the_grace(driver, former):
    async def lifespan():
        async with close_on_signal(driver):
            os.kill(os.getpid(), signal.SIGTERM)
            await driver.begun.wait()

    task = asyncio.create_task(lifespan())
    await driver.begun.wait()
    await handled()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await handled()
    assert driver.is_aborted


async def test_a_signal_that_the_server_does_not_handle_keeps_its_effect(driver, former):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    async with close_on_signal(driver):
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_a_handler_that_is_installed_later_stays(driver, former):
    async with close_on_signal(driver):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


async def test_signals_are_left_alone_outside_the_main_thread(driver, former):
    async def lifespan():
        async with close_on_signal(driver):
            return signal.getsignal(signal.SIGTERM).__name__

    assert await asyncio.to_thread(asyncio.run, lifespan()) == "<lambda>"


async def test_a_negative_grace_is_refused(driver):
    for wrong in (-1, float("nan")):
        with pytest.raises(ConfigurationError):
            async with close_on_signal(driver, grace=wrong):
                pass
