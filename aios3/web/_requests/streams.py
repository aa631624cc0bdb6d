"""Bodies of responses that are made while they are sent, and that end when the client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from .bodies import Receive, Send

__all__ = ["send_chunks"]


async def send_chunks(receive: Receive, send: Send, chunks: AsyncGenerator[bytes]) -> None:
    """Send the chunks of a body until they end, or the client has gone. The generator is closed in any case.

    Many servers do not say in `send` that the client has gone, so only `receive` shows it.

    Raises:
        Exception: whatever `chunks` or `send` raises.
    """
    sending = asyncio.create_task(_send_all(send, chunks), name="aios3: send a body")
    leaving = asyncio.create_task(_wait_until_gone(receive), name="aios3: watch for the client's end")
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        sending.cancel()
        leaving.cancel()
        await asyncio.wait({sending, leaving})
    if not leaving.cancelled():
        leaving.exception()  # a `receive` that fails shows no client either
    if not sending.cancelled():
        sending.result()


async def _send_all(send: Send, chunks: AsyncGenerator[bytes]) -> None:
    async with aclosing(chunks):
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
