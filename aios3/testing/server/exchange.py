"""Exchange of one request and one response, changed by a fault."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

from aios3.testing.wire.answers import Answer, Refusal, error_document
from aios3.testing.wire.aws_chunked import is_aws_chunked
from aios3.testing.wire.bodies import CHECKSUM_PREFIX, DIGEST_SIZES, Body
from aios3.testing.wire.faults import Fault, FaultKind
from aios3.testing.wire.received import ReceivedRequest

from .connection import Connection, Ending

__all__ = ["Exchange", "Site"]

_DEFAULT_PIECE: Final = 4096
_NO_FAULT: Final = Fault("answer")
_DATA_OPERATIONS: Final = frozenset({"PutObject", "UploadPart"})
_XML: Final = {"Content-Type": "application/xml"}
_ENDINGS: Final[Mapping[FaultKind, Ending]] = MappingProxyType(
    {
        "close_after": "close",
        "ragged_close": "ragged",
        "half_close": "half",
        "reset_after": "reset",
        "unasked_408": "close",
    }
)
_UNANNOUNCED: Final = frozenset({"reset_after", "unasked_408"})
"""Endings that the response before them does not announce."""


class Site(Protocol):
    """Interface of the server to an exchange."""

    keep_bodies: bool
    check_signatures: bool

    def render(self, request: ReceivedRequest, answer: Answer, *, close: bool) -> tuple[bytes, bytes]:
        """Return the head and the body of a response as bytes."""

    def admit(self, request: ReceivedRequest) -> None:
        """Refuse a request that S3 refuses before it reads the body, or before it asks for the body."""

    def gate(self, exchange: Exchange) -> None:
        """Call `Exchange.respond` for a complete request, now or when its operation is released."""

    def process(self, request: ReceivedRequest, body: Body) -> Answer:
        """Process a request, and return its response, which may be a refusal."""

    def notify(self) -> None:
        """Check the predicates of `S3Server.wait_for` again."""

    def finish(self, request: ReceivedRequest) -> None:
        """Record that a request has ended."""

    def is_last_on_its_connection(self, connection: Connection) -> bool:
        """Return whether a connection has had its last allowed request."""


class Exchange:
    """Reads one request, lets the server process it, and sends the response."""

    def __init__(self, site: Site, connection: Connection, request: ReceivedRequest) -> None:
        self.request = request
        self._site = site
        self._connection = connection
        self._fault = request.fault or _NO_FAULT
        self._kind = request.fault.kind if request.fault else None
        self._body = Body(0)

    def begin(self) -> None:
        """Start to read the body, unless the fault prevents that."""
        if self._kind == "drop_before":
            self._connection.reset()
        elif self._kind == "stall_before":
            self._connection.stall()
        else:
            self._read_body()

    def _read_body(self) -> None:
        request = self.request
        try:
            self._site.admit(request)
        except Refusal as refusal:
            self._send_early(refusal.answer(request.request_id))
            return
        is_data = request.operation in _DATA_OPERATIONS
        keep = self._site.keep_bodies or not is_data or is_aws_chunked(request.head)
        algorithms = _algorithms(request, check_signatures=self._site.check_signatures)
        length = None if request.head.is_chunked else request.head.content_length or 0
        self._body = Body(length, keep=keep, algorithms=algorithms)
        limit = self._fault.after_bytes if self._kind in {"drop_mid_body", "early_answer"} else None
        piece = (self._fault.after_bytes or _DEFAULT_PIECE) if self._kind == "slow_read" else None
        if request.expects_continue and limit != 0:
            self._connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._connection.read_body(self._body, limit=limit, piece=piece)

    def progress(self) -> None:
        """Record the number of received bytes of the body."""
        self.request.body_received = self._body.received
        self._site.notify()

    def body_arrived(self) -> None:
        """Process the request, or apply the fault that comes instead."""
        self.request.body = self._body.kept
        if self._kind == "drop_mid_body":
            self._connection.reset()
        elif self._kind == "early_answer":
            self._send_early(self._scripted_response())
        else:
            if self._kind == "whitespace_200":
                self._send_white_space()
            self._site.gate(self)

    def respond(self) -> None:
        """Process the request and send the response, as the fault says."""
        if self._kind == "raw":
            self._connection.send(self._fault.body or b"")
            self._finish_and_close()
        elif self._kind in {"answer", "error_in_200", "garbage_200"}:
            self._send(self._scripted_response())
        else:
            self._deliver(self._site.process(self.request, self._body))

    def lost(self) -> None:
        """Record that the connection has ended."""
        if self.request.body is None:
            self.request.body = self._body.kept
        self._site.finish(self.request)

    def _deliver(self, response: Answer) -> None:
        if self._kind == "drop_after":
            self._connection.reset()
        elif self._kind in {"drop_mid_answer", "reset_mid_answer"}:
            self._send_half(response)
        elif self._kind == "garbage_after":
            self._send(Answer(self._fault.status, {}, self._fault.body or b""))
        elif self._kind == "whitespace_200":
            self._send_last_chunk(response)
        elif self._kind == "no_etag":
            self._send(response.without_header("ETag"))
        elif self._kind != "stall_after":
            self._send(response)

    def _scripted_response(self) -> Answer:
        fault, request_id = self._fault, self.request.request_id
        message = "A fault that the test asked for."
        if self._kind == "garbage_200":
            response = Answer(200, _XML, fault.body or b"")
        elif self._kind == "error_in_200":
            response = Answer(200, _XML, error_document(fault.code, message, request_id))
        elif fault.body is not None:
            response = Answer(fault.status, {}, fault.body)
        else:
            response = Refusal(fault.status, fault.code, message).answer(request_id)
        return response.with_headers(fault.headers)

    def _send(self, response: Answer) -> None:
        response = response.with_headers(self._fault.headers)
        is_to_close = response.says_close or "close" in (self.request.header("Connection") or "").lower()
        ending = _ENDINGS.get(self._kind) if self._kind else None
        if ending is None and (is_to_close or self._site.is_last_on_its_connection(self._connection)):
            ending = "close"
        is_announced = ending is not None and self._kind not in _UNANNOUNCED
        if not self._connection.is_open:
            return
        data = self._render(response, close=is_announced)
        if ending is None:
            self._connection.send(data)
        else:
            self._connection.send_last(data, ending, self._time_out if self._kind == "unasked_408" else None)
        self._site.finish(self.request)
        if ending is None:
            self._connection.next_request()

    def _time_out(self) -> None:
        """Send a response that belongs to no request."""
        refusal = Refusal(408, "RequestTimeout", "Idle connections will be closed.").answer(self.request.request_id)
        self._connection.send(b"".join(self._site.render(self.request, refusal, close=True)))

    def _send_early(self, response: Answer) -> None:
        if self._connection.is_open:
            self._connection.send(self._render(response, close=True))
        length = self.request.head.content_length
        without_length = self.request.header("Transfer-Encoding") is not None
        self._connection.linger(None if without_length else (length or 0) - self._body.received)
        self._site.finish(self.request)

    def _send_half(self, response: Answer) -> None:
        head, body = self._site.render(self.request, response, close=False)
        self.request.status = response.status
        half = head + body[: len(body) // 2]
        self._connection.send_last(half, "reset" if self._kind == "reset_mid_answer" else "close")
        self._site.finish(self.request)

    def _render(self, response: Answer, *, close: bool) -> bytes:
        """Return the response as bytes, and record its status."""
        self.request.status = response.status
        return b"".join(self._site.render(self.request, response, close=close))

    def _send_white_space(self) -> None:
        head, _ = self._site.render(self.request, Answer(200, {**_XML, "Transfer-Encoding": "chunked"}), close=False)
        self.request.status = 200
        self._connection.send(head, *(_chunk(piece) for piece in (b" ", b"\n  ", b" " * 64)))

    def _send_last_chunk(self, response: Answer) -> None:
        self._connection.send(_chunk(response.body) if response.body else b"", b"0\r\n\r\n")
        self._site.finish(self.request)
        self._connection.next_request()

    def _finish_and_close(self) -> None:
        self._connection.close()
        self._site.finish(self.request)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _algorithms(request: ReceivedRequest, *, check_signatures: bool) -> set[str]:
    """Return the algorithms of the digests that processing compares."""
    wanted = {name for name in DIGEST_SIZES if request.header(CHECKSUM_PREFIX + name) is not None}
    if request.operation in _DATA_OPERATIONS or request.header("Content-MD5") is not None:
        wanted.add("md5")
    if check_signatures and len(request.header("x-amz-content-sha256") or "") == 64:
        wanted.add("sha256")
    return wanted
