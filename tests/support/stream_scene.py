"""Scene with a store that takes streamed bodies, and uploads to it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

from aios3._protocol.parts.part_plan import StreamPlan
from aios3._protocol.wire.messages import Request, Response
from aios3._transport.interface import BodyFeed
from aios3.models import UploadReceipt

from .fakes import PART, FakeClock, FakeStore, make_engine
from .upload_scene import Block, UploadScene

LIMIT = 100 * PART


class StreamStore(FakeStore):
    """Store that reads streamed bodies to their end, or fails in the middle."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.received = bytearray()
        """Received bytes of the last body, even if it broke off."""
        self.lengths: list[int | None] = []
        self.read_timeouts: list[float | None] = []
        self.failures: list[tuple[int, Response | Exception]] = []
        """Number of body bytes and the response or error after them, one for each of the next requests."""
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.waits_for_the_end = True
        self.on_body_read: Callable[[], object] = lambda: None

    async def send_stream(
        self, request: Request, body: BodyFeed, *, read_timeout: float | None = None, **_: object
    ) -> Response:
        self.lengths.append(body.length)
        self.read_timeouts.append(read_timeout)
        self.received = received = bytearray()
        limit, answer = self.failures.pop(0) if self.failures else (None, None)
        if limit != 0:
            pieces = body.pieces()
            while (piece := await anext(pieces, None)) is not None:
                await self.may_read.wait()
                received += piece
                if (limit is not None and len(received) >= limit) or not self.waits_for_the_end:
                    break
        self.on_body_read()
        if isinstance(answer, Exception):
            self.sent.append(request)
            raise answer
        if answer is not None:
            self.sent.append(request)
            return answer
        return await self.send(dataclasses.replace(request, body=(bytes(received),)))


class StreamScene(UploadScene):
    store: StreamStore

    def __init__(self, **engine: Any) -> None:
        self.clock = FakeClock()
        self.store = StreamStore(self.clock)
        self.engine = make_engine(self.store, self.clock, **engine)

    async def upload(self, body: bytes | Block, **job: Any) -> UploadReceipt:
        """Upload as one stream what is longer than a part."""
        return await super().upload(body, **{"plan": StreamPlan(PART, PART, 1 << 62, LIMIT), "nonce": "n", **job})
