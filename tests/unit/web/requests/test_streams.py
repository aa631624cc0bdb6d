"""Bodies that are made while they are sent."""

from __future__ import annotations

import asyncio

import pytest

from aios3.web._requests.streams import send_chunks


class Chunks:
    """Source of two chunks that then waits, and that shows whether it was closed."""

    def __init__(self, error=None):
        self.is_closed = False
        self.error = error

    async def read(self):
        try:
            yield b"1"
            yield b"2"
            if self.error is not None:
                raise self.error
            await asyncio.get_running_loop().create_future()
        finally:
            self.is_closed = True


async def never():
    await asyncio.get_running_loop().create_future()


async def ignore(message):
    pass


async def test_a_client_that_goes_closes_the_source():
    """Although `send` does not say so: many servers drop what is sent then."""
    sent, messages = asyncio.Event(), [{"type": "http.request"}, {"type": "http.disconnect"}]
    chunks = Chunks()

    async def receive():
        await sent.wait()
        return messages.pop(0)

    async def send(message):
        if message.get("body") == b"2":
            sent.set()

    await send_chunks(receive, send, chunks.read())
    assert chunks.is_closed


async def test_an_error_of_the_source_is_raised():
    with pytest.raises(KeyError):
        await send_chunks(never, ignore, Chunks(KeyError()).read())


async def test_a_receive_that_fails_is_the_end():
    async def receive():
        raise RuntimeError

    await send_chunks(receive, ignore, Chunks().read())


async def test_a_cancelled_response_closes_the_source():
    chunks = Chunks()
    sending = asyncio.create_task(send_chunks(never, ignore, chunks.read()))
    await asyncio.sleep(0.01)
    sending.cancel()
    await asyncio.wait({sending})
    assert sending.cancelled()
    assert chunks.is_closed
