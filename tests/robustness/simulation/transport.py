"""Transport of the simulation, which behaves and fails like `AiohttpTransport`, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from aios3._protocol.wire.messages import Request, Response
from aios3._transport.exceptions import MappedExceptions
from aios3._transport.interface import BodyFeed, StreamedResponse
from aios3.errors import TransportError, TransportTimeoutError
from aios3.options import Timeouts

from .faults import Faults
from .store import Exchange, SimulatedStore

__all__ = ["SimulatedTransport"]

Piece = bytes | bytearray | memoryview


class SimulatedTransport:
    """Transport over a simulated connection.

    The slices of a body are read one by one while it is sent, so memory that is
    reused too early shows in the stored bytes. A cancellation cuts the connection.
    An incomplete request is lost, and a complete one may be processed.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: SimulatedStore,
        faults: Faults,
        timeouts: Timeouts,
        note: Callable[[str, Exchange], None],
    ) -> None:
        self._loop = loop
        self._store = store
        self._faults = faults
        self._timeouts = timeouts
        self._note = note
        self._is_closed = False
        self.in_flight: list[Exchange] = []
        self.begun = 0
        self.last_begun: dict[str, Exchange] = {}
        """Last attempt by key."""

    async def send(self, request: Request, *, read_timeout: float | None = None, **_: object) -> Response:
        """See `Transport.send`."""
        return await self._exchange(request, _slices(request.body), read_timeout)

    async def send_stream(
        self, request: Request, body: BodyFeed, *, read_timeout: float | None = None, **_: object
    ) -> Response:
        """See `Transport.send_stream`."""
        return await self._exchange(request, body.pieces(), read_timeout)

    @asynccontextmanager
    async def open(self, request: Request, *, chunk_size: int) -> AsyncIterator[StreamedResponse]:
        """Raise an error, because no upload reads an object."""
        raise NotImplementedError
        yield

    async def aclose(self) -> None:
        """Cut requests in flight, and refuse later ones."""
        self._is_closed = True
        for exchange in self.in_flight:
            if not exchange.answer.done():
                exchange.answer.set_exception(TransportError(f"{exchange}: the session was closed"))

    async def _exchange(self, request: Request, body: AsyncIterator[Piece], read_timeout: float | None) -> Response:
        if self._is_closed:
            raise _never_sent("the driver was closed", is_permanent=True)
        self.begun += 1
        plan = self._faults.plan(request)
        exchange = Exchange(self.begun, request, plan, self._loop.time(), self._loop.create_future())
        self.in_flight.append(exchange)
        self.last_begun[exchange.key] = exchange
        self._note("begins", exchange)
        try:
            with MappedExceptions(request, is_owner=True, is_closed=lambda: self._is_closed):
                response = await self._play(exchange, body, read_timeout)
        except BaseException as error:
            if isinstance(error, TransportError) and plan.kind.startswith("reset"):
                error.on_reused_connection = request.method in ("PUT", "POST") and plan.is_reused
            self._note(f"raises {type(error).__name__} ({plan.kind})", exchange)
            raise
        else:
            self._note(f"is answered {response.status} ({plan.kind})", exchange)
            if exchange.made is not None and plan.kind == "ok":
                self._store.heard.add(exchange.made)
            return response
        finally:
            exchange.is_over = True
            self._store.give_up(exchange)
            exchange.answer.cancel()
            self.in_flight.remove(exchange)

    async def _play(self, exchange: Exchange, body: AsyncIterator[Piece], read_timeout: float | None) -> Response:
        plan = exchange.plan
        for _ in range(plan.turns):
            await asyncio.sleep(0)
        await self._pass(plan.connecting)
        answer = self._timeouts.answer if read_timeout is None else read_timeout
        if plan.kind == "refused":
            raise _never_sent(f"{exchange}: refused")
        if plan.kind == "stall_connect":
            await self._stand_still(exchange, self._timeouts.connect)
        early = await self._send(exchange, body)
        if early is not None:
            return early
        self._note("has left", exchange)
        self._store.receive(exchange)
        if plan.kind.startswith("reset"):
            await self._pass(plan.processing + plan.answering)
            raise self._reset(exchange)
        timer = self._loop.call_later(answer, _time_out, exchange)
        try:
            return await exchange.answer
        finally:
            timer.cancel()

    async def _send(self, exchange: Exchange, body: AsyncIterator[Piece]) -> Response | None:
        """Send the body, and return an early response, or ``None``."""
        plan, sent = exchange.plan, 0
        async for piece in body:
            early = await self._break(exchange) if sent == plan.breaks_after else None
            if early is not None:
                return early
            await self._pass(plan.sending)
            exchange.body += piece  # only now: until then the socket has a view of it
            sent += 1
        return await self._break(exchange) if sent <= plan.breaks_after else None

    async def _break(self, exchange: Exchange) -> Response | None:
        kind = exchange.plan.kind
        if kind == "reset_body":
            raise self._reset(exchange)
        if kind == "stall_body":
            await self._stand_still(exchange, self._timeouts.send)
        return self._store.refuse_early(exchange) if kind == "early_refusal" else None

    async def _stand_still(self, exchange: Exchange, limit: float) -> None:
        await self._pass(limit)
        raise TransportTimeoutError(f"{exchange}: nothing moved for {limit:g} s")

    def _reset(self, exchange: Exchange) -> Exception:
        if exchange.plan.is_defect:
            return AttributeError(f"{exchange}: the transport is closed, and cannot be asked")
        return TransportError(f"{exchange}: reset")

    async def _pass(self, seconds: float) -> None:
        if seconds:
            await asyncio.sleep(seconds)


def _time_out(exchange: Exchange) -> None:
    if not exchange.answer.done():
        exchange.answer.set_exception(TransportTimeoutError(f"{exchange}: no answer"))


async def _slices(body: Sequence[Piece]) -> AsyncIterator[Piece]:
    for piece in body:
        yield piece


def _never_sent(message: str, *, is_permanent: bool = False) -> TransportError:
    error = TransportError(message)
    error.was_sent, error.is_permanent = False, is_permanent
    return error
