"""S3 store in memory: the handlers of `aios3.testing`, run by timers of the virtual loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final
from urllib.parse import unquote

from aios3._protocol.wire.messages import Request, Response
from aios3.providers import Provider
from aios3.testing.dispatch.operations import process
from aios3.testing.store.state import OpenUpload, Store, StoredPart
from aios3.testing.wire.answers import Answer, Refusal
from aios3.testing.wire.bodies import Body
from aios3.testing.wire.heads import RequestHead
from aios3.testing.wire.received import understand

from .faults import Plan

__all__ = ["BUCKET", "Exchange", "SimulatedStore"]

BUCKET: Final = "bucket"
BEGIN: Final = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

_REFUSALS: Final = {
    "slow_down": (503, "SlowDown"),
    "early_refusal": (503, "SlowDown"),
    "error_500": (500, "InternalError"),
    "error_500_done": (500, "InternalError"),
    "request_timeout": (400, "RequestTimeout"),
    "denied": (403, "AccessDenied"),
}


@dataclass(eq=False, slots=True)
class Exchange:
    """Attempt, as seen by both sides."""

    number: int
    request: Request
    plan: Plan
    began: float
    answer: asyncio.Future[Response]
    body: bytearray = field(default_factory=bytearray)
    is_whole: bool = False
    """Whether the store has, or will have, every byte."""
    is_over: bool = False
    """Whether the client has stopped waiting for the response."""
    is_processed: bool = False
    processing: asyncio.TimerHandle | None = None
    made: str | None = None
    """Id of the upload that it has created."""

    @property
    def operation(self) -> str:
        return self.request.operation

    @property
    def key(self) -> str:
        """Key of the object, or prefix of a listing."""
        return dict(self.request.query).get("prefix") or unquote(self.request.path.removeprefix(f"/{BUCKET}/"))

    @property
    def upload_id(self) -> str:
        return dict(self.request.query).get("uploadId", "")

    def __str__(self) -> str:
        part = dict(self.request.query).get("partNumber")
        return f"#{self.number} {self.operation}{f' {part}' if part else ''} {self.key}"


class SimulatedStore:
    """Store that processes complete requests at planned times."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, provider: Provider, *, skew: float, resurrects: bool, forgets: bool
    ) -> None:
        self._loop = loop
        self._skew = timedelta(seconds=skew)
        self._resurrects = resurrects
        self.state = Store(provider, "us-east-1", self.now, forget_completed=forgets)
        self.state.buckets[BUCKET] = self.now()
        self.created_unheard: set[str] = set()
        """Uploads of a Create whose client had stopped waiting."""
        self.heard: set[str] = set()
        """Uploads whose ids have reached the client."""
        self.stored_late: set[str] = set()
        """Keys of a PutObject that was processed after its client had stopped waiting."""
        self.created: dict[str, str] = {}
        """Key of every upload that ever existed, by upload id."""
        self._storing: dict[str, list[Exchange]] = {}
        self._ghosts: dict[str, OpenUpload] = {}
        """Aborted uploads with a part that is still being stored."""

    def now(self) -> datetime:
        """Return the time of the store's clock."""
        return BEGIN + timedelta(seconds=self._loop.time()) + self._skew

    def body_of(self, key: str) -> bytes | None:
        """Return the content of a key."""
        found = self.state.objects.get((BUCKET, key))
        return None if found is None else found.body

    def open_uploads(self, key: str) -> list[str]:
        """Return the open uploads of a key, including aborted ones that a part will bring back."""
        known = {**self._ghosts, **self.state.uploads}
        return [upload_id for upload_id, upload in known.items() if upload.key == key]

    # the times

    def receive(self, exchange: Exchange) -> None:
        """Take a complete request."""
        exchange.is_whole = True
        plan = exchange.plan
        if exchange.operation == "UploadPart":
            self._storing.setdefault(exchange.upload_id, []).append(exchange)
        if not plan.kind.endswith(("_late", "_before")):
            exchange.processing = self._loop.call_later(plan.processing, self._process, exchange)

    def give_up(self, exchange: Exchange) -> None:
        """Record that the client has stopped waiting. A request that has arrived may still be processed later."""
        plan = exchange.plan
        if not exchange.is_whole or exchange.is_processed:
            return
        if exchange.processing is not None:
            exchange.processing.cancel()
        will_be = plan.kind.endswith("_late") or (plan.is_processed and plan.survives_cut)
        if will_be:
            exchange.processing = self._loop.call_later(plan.lateness, self._process, exchange)
        else:
            self._stored(exchange)

    def _process(self, exchange: Exchange) -> None:
        exchange.is_processed = True
        kind = exchange.plan.kind
        answer = None
        if exchange.plan.is_processed or kind.endswith("_late") or kind == "expired":
            if kind == "expired":
                self.state.uploads.pop(exchange.upload_id, None)
            answer = self._perform(exchange)
        self._stored(exchange)
        if not exchange.is_over and not kind.endswith(("_after", "_late", "_before")):
            response = self._respond(exchange, answer)
            self._loop.call_later(exchange.plan.answering, _deliver, exchange.answer, response)

    # the work

    def _perform(self, exchange: Exchange) -> Answer:
        request = exchange.request
        length = ("Content-Length", str(len(exchange.body)))
        headers = (("Host", request.host), length, *request.headers.items())
        head = RequestHead(request.method, request.path, request.path, tuple(request.query), headers)
        received = understand(head, f"request-{exchange.number}")
        algorithms = {name.removeprefix("x-amz-checksum-") for name, _ in headers} & {"crc32", "crc32c", "sha256"}
        body = Body(len(exchange.body), algorithms={"md5", *algorithms})
        body.feed(bytes(exchange.body))
        if exchange.operation == "PutObject" and exchange.is_over:
            self.stored_late.add(exchange.key)
        before = set(self.state.uploads)
        upload = self.state.uploads.get(exchange.upload_id)
        if exchange.operation == "ListParts" and exchange.upload_id in self._ghosts:
            self.state.uploads[exchange.upload_id] = self._ghosts[exchange.upload_id]
            answer = process(self.state, received, body, None, ())
            del self.state.uploads[exchange.upload_id]
            return answer
        if exchange.operation == "UploadPart" and exchange.upload_id in self._ghosts:
            self.state.uploads[exchange.upload_id] = self._ghosts.pop(exchange.upload_id)
        answer = process(self.state, received, body, None, ())
        for upload_id in set(self.state.uploads) - before:
            self.created.setdefault(upload_id, exchange.key)
            exchange.made = upload_id
            if exchange.operation == "CreateMultipartUpload" and exchange.is_over:
                self.created_unheard.add(upload_id)
        if exchange.operation == "AbortMultipartUpload" and upload is not None:
            self._aborted(upload)
        return answer

    def _aborted(self, upload: OpenUpload) -> None:
        if self._resurrects and self._storing.get(upload.upload_id):
            upload.parts.clear()
            self._ghosts[upload.upload_id] = upload

    def _stored(self, exchange: Exchange) -> None:
        storing = self._storing.get(exchange.upload_id, [])
        if exchange in storing:
            storing.remove(exchange)
        if not storing:
            self._ghosts.pop(exchange.upload_id, None)

    def _respond(self, exchange: Exchange, answer: Answer | None) -> Response:
        plan = exchange.plan
        wait = {"Retry-After": str(plan.asks_to_wait)} if plan.asks_to_wait else {}
        if plan.kind in _REFUSALS:
            answer = Refusal(*_REFUSALS[plan.kind]).answer("fault")
        elif plan.kind.startswith("bad_gateway"):
            answer = Answer(502, {}, b"<html>bad gateway</html>")
        elif plan.kind.startswith("error_in_200"):
            answer = Answer(200, {}, Refusal(500, "InternalError").answer("fault").body)
        elif plan.kind.startswith("cut_200"):
            answer = Answer((200, 202, 204)[exchange.number % 3], {}, b'<?xml version="1.0" encoding="UTF-8"?>')
        elif plan.kind.startswith("no_etag"):
            answer = Answer((200, 202, 204)[exchange.number % 3])
        assert answer is not None
        return self.render(exchange, answer.with_headers(wait.items()) if answer.status == 503 else answer)

    def refuse_early(self, exchange: Exchange) -> Response:
        """Return a response before the body has come."""
        return self.render(exchange, Refusal(*_REFUSALS["early_refusal"]).answer("early"))

    def render(self, exchange: Exchange, answer: Answer) -> Response:
        """Return a response as the transport gives it."""
        headers = {"content-length": str(len(answer.body)), "date": format_datetime(self.now(), usegmt=True)}
        headers |= {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status, headers, b"" if exchange.request.method == "HEAD" else answer.body)

    def parts_of(self, key: str) -> tuple[StoredPart, ...]:
        """Return the parts of an object."""
        return self.state.objects[BUCKET, key].parts


def _deliver(answer: asyncio.Future[Response], response: Response) -> None:
    if not answer.done():
        answer.set_result(response)
