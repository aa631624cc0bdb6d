"""ASGI without a framework."""

from __future__ import annotations

from aios3.web._resumable.asgi import headers_of, run_lifespan, send_response
from aios3.web._resumable.messages import Response


def test_repeated_headers_are_joined():
    assert headers_of({"headers": [(b"A", b"1"), (b"a", b"2"), (b"b", b"\xff")]}) == {"a": "1, 2", "b": "\xff"}


async def test_a_client_that_vanishes_during_the_response_is_no_error():
    async def send(message):
        raise OSError

    await send_response(None, send, Response(200, {}, b"x"), has_body=True)


async def test_the_lifespan_is_taken_part_in():
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message["type"])

    await run_lifespan(receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
