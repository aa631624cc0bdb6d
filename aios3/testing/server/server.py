"""Server class: accepts connections, records requests, and lets tests inspect and hold them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import count
from types import TracebackType
from typing import Final, Self

from aios3.credentials import Credentials
from aios3.providers import Provider, find_provider
from aios3.testing.dispatch.operations import admit, check_head, process
from aios3.testing.store.cors import CorsRule, cross_origin_headers
from aios3.testing.store.state import OpenUpload, Store, StoredObject
from aios3.testing.wire.answers import Answer, Refusal, render
from aios3.testing.wire.bodies import Body
from aios3.testing.wire.faults import FaultPlan
from aios3.testing.wire.heads import MalformedHeadError, RequestHead
from aios3.testing.wire.received import ReceivedRequest, understand

from .connection import Connection
from .exchange import Exchange
from .peer_watch import PeerWatch
from .server_thread import LoopThread

__all__ = ["TEST_CREDENTIALS", "S3Server"]

TEST_CREDENTIALS: Final = Credentials("AIOS3TESTACCESSKEY", "aios3-test-secret-access-key")
"""The default keys of a server."""


def _now() -> datetime:
    return datetime.now(UTC)


class S3Server:
    """Loopback S3 server that fails on command.

    ``async with S3Server() as server`` runs the server in the event loop of the test. ``with S3Server() as server``
    runs it in a thread of its own, for tests without an event loop, or with fixtures that may not share one. Then
    everything public also works from the test's thread.

    The server holds everything in memory. It never sleeps, and its ids are numbers in order, so tests are repeatable.
    Leaving the block closes the listening socket and every connection at once, including stalled and held ones. The
    event loop must be able to watch a file descriptor (`asyncio.loop.add_reader`). All loops can, except the proactor
    of Windows.

    Args:
        provider: name or record of the store whose limits the server applies. Requests may also name a bucket before
            the host name of that store.
        credentials: the only accepted keys; `TEST_CREDENTIALS` by default.
        region: the region that signatures must name, unless the provider takes any region.
        buckets: names of the buckets that exist from the start.
        ssl_context: TLS context of the server, which is then https on ``localhost``; ``None`` for http.
        clock: returns the server's time, aware, for tests of clock skew, dates and expiry.
        check_signatures: whether signatures and the signed hashes of bodies are checked.
        keep_bodies: whether object data stays in memory. If not, GetObject gets 501. Bodies that SDKs send as
            ``aws-chunked`` are kept in any case.
        public_buckets: names of the buckets that take unsigned requests.
        versioned_buckets: names of the buckets that keep a version of every object.
        forget_completed: whether a repeated CompleteMultipartUpload gets NoSuchUpload.
        page_limit: limit of the entries on a page of any listing.
        accept_chunked: whether object data may come with ``Transfer-Encoding: chunked`` although the provider has
            multipart uploads. S3 itself refuses that with 501.
        cors: what the scripts of pages may do with all buckets. ``None`` refuses their preflights, as S3 does without
            a rule.
        port: the TCP port of the server on 127.0.0.1; 0 chooses a free one.
        requests_per_connection: number of requests after which a connection ends. Its last response has
            ``Connection: close``. S3 takes about 100. ``None`` is no limit.
    """

    def __init__(
        self,
        provider: Provider | str = "generic",
        credentials: Credentials = TEST_CREDENTIALS,
        region: str = "us-east-1",
        buckets: Iterable[str] = ("bucket",),
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], datetime] = _now,
        *,
        check_signatures: bool = True,
        keep_bodies: bool = True,
        public_buckets: Iterable[str] = (),
        versioned_buckets: Iterable[str] = (),
        forget_completed: bool = False,
        page_limit: int = 1000,
        accept_chunked: bool = False,
        cors: CorsRule | None = None,
        requests_per_connection: int | None = None,
        port: int = 0,
    ) -> None:
        self.store = Store(find_provider(provider), region, clock, page_limit, forget_completed, accept_chunked, cors)
        self.store.buckets.update((name, clock()) for name in buckets)
        self.store.versioned_buckets.update(versioned_buckets)
        self.credentials = credentials
        self.check_signatures = check_signatures
        self.keep_bodies = keep_bodies
        self.requests_per_connection = requests_per_connection
        self.public_buckets = set(public_buckets)
        self.requests: list[ReceivedRequest] = []
        """All requests so far, in the order of their heads."""
        self.faults = FaultPlan()
        """Faults of the next requests."""
        self.protocol_errors: list[str] = []
        """Descriptions of what clients sent that is not HTTP."""
        self.max_parts_in_progress = 0
        """Largest number of UploadPart requests in progress at one time so far."""
        self.peer_watch = PeerWatch()
        self._ssl_context = ssl_context
        self._port = port
        self._request_ids = count(1)
        self._listener: socket.socket | None = None
        self._accepting: dict[asyncio.Task[None], tuple[Connection, socket.socket]] = {}
        self._connections: set[Connection] = set()
        self._in_progress: dict[str, ReceivedRequest] = {}
        self._held: dict[str, list[Exchange]] = {}
        self._waiters: dict[asyncio.Future[None], Callable[[S3Server], object]] = {}
        self._thread: LoopThread | None = None

    # The life of the server.

    async def __aenter__(self) -> Self:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if self._port:
                # The port is free again at once after a server that had connections.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind(("127.0.0.1", self._port))
            listener.listen(128)
        except (OSError, OverflowError):  # the second for a number that is no port
            listener.close()
            raise
        self._listener = listener
        asyncio.get_running_loop().add_reader(self._listener, self._accept)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._listener
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        self._listener = None
        self._held.clear()
        for future in self._waiters:
            if not future.done():
                future.set_exception(RuntimeError("the server was closed while wait_for was waiting"))
        for task in self._accepting:
            task.cancel()
        for connection in self._connections:
            connection.abort()
        try:
            # Transports report their end in a later turn of the loop, and close their sockets after that.
            await self.wait_for(lambda _: not self._connections and not self._accepting)
            await asyncio.sleep(0)
        finally:
            self.peer_watch.close()

    def __enter__(self) -> Self:
        self._thread = LoopThread("aios3 S3Server")
        try:
            self._thread.run(self.__aenter__())
        except BaseException:
            self._thread.close()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._thread
        try:
            self._thread.run(self.__aexit__(exc_type, exc, traceback))
        finally:
            self._thread.close()
            self._thread = None

    def _other_thread(self) -> LoopThread | None:
        """Return the thread of the server, or ``None`` if the caller runs in the server's loop."""
        return None if self._thread is None or self._thread.is_current else self._thread

    # State for tests.

    @property
    def endpoint_url(self) -> str:
        """URL of the server, for example ``"http://127.0.0.1:41234"``."""
        assert self._listener, "the server runs inside its async with block"
        port = self._listener.getsockname()[1]
        return f"https://localhost:{port}" if self._ssl_context else f"http://127.0.0.1:{port}"

    @property
    def region(self) -> str:
        """Region that signatures must name."""
        return self.store.region

    @property
    def objects(self) -> dict[tuple[str, str], StoredObject]:
        """Stored objects, by bucket and key."""
        return self.store.objects

    @property
    def open_uploads(self) -> list[OpenUpload]:
        """Multipart uploads that are neither completed nor aborted, oldest first."""
        return list(self.store.uploads.values())

    @property
    def open_connections(self) -> int:
        """Number of connections that are accepted and not closed."""
        return len(self._connections)

    @property
    def requests_in_progress(self) -> int:
        """Number of requests with a received head, and without a response or the end of their connection."""
        return len(self._in_progress)

    @property
    def held_requests(self) -> list[ReceivedRequest]:
        """Complete requests that wait for `release`."""
        return [exchange.request for held in list(self._held.values()) for exchange in list(held)]

    async def wait_for(self, predicate: Callable[[S3Server], object]) -> None:
        """Wait, without a limit, until ``predicate(server)`` is true.

        The server calls the predicate at once, and after each event: a connection that is made or closed, a received
        head, received bytes of a body, or a request that is held, processed, lost, or has its response. If the server
        runs in a thread of its own, it calls the predicate in that thread.

        Raises:
            RuntimeError: the server was closed first.
        """
        if thread := self._other_thread():
            await asyncio.wrap_future(thread.begin(self.wait_for(predicate)))
            return
        if predicate(self):
            return
        future = asyncio.get_running_loop().create_future()
        self._waiters[future] = predicate
        try:
            await future
        finally:
            del self._waiters[future]

    def hold(self, operation: str) -> None:
        """Keep complete requests of an operation from now on: neither process them nor send a response."""
        self._held.setdefault(operation, [])

    def release(self, operation: str) -> None:
        """Process the held requests of an operation in order, and stop holding that operation.

        A request is processed even if its client has disconnected. A store that has received all of it would do so.
        """
        if thread := self._other_thread():
            thread.run(self._release(operation))
            return
        for exchange in self._held.pop(operation, ()):
            exchange.respond()

    async def _release(self, operation: str) -> None:
        self.release(operation)

    # For connections and exchanges.

    def disconnected(self, connection: Connection) -> None:
        """Forget a closed connection."""
        self._connections.discard(connection)
        self.notify()

    def read_request(self, connection: Connection, head: RequestHead) -> Exchange:
        """Record a request, and choose its fault."""
        provider = self.store.provider
        form = provider.endpoint or provider.endpoint_form
        request = understand(head, f"{next(self._request_ids):016X}", form)
        request.fault = self.faults.take(request.operation, request.part_number)
        self.requests.append(request)
        self._in_progress[request.request_id] = request
        parts = sum(other.operation == "UploadPart" for other in self._in_progress.values())
        self.max_parts_in_progress = max(self.max_parts_in_progress, parts)
        self.notify()
        return Exchange(self, connection, request)

    def refuse_head(self, connection: Connection, error: MalformedHeadError) -> None:
        """Refuse bytes that are not HTTP with 400, and close the connection."""
        self.protocol_errors.append(str(error))
        request_id = f"{next(self._request_ids):016X}"
        response = Refusal(400, "BadRequest", str(error)).answer(request_id)
        connection.send(*render(response, now=self.store.clock(), request_id=request_id, close=True))
        connection.linger(None)

    def render(self, request: ReceivedRequest, answer: Answer, *, close: bool) -> tuple[bytes, bytes]:
        """Return the head and the body of a response as bytes."""
        now, for_head = self.store.clock(), request.method == "HEAD"
        answer = answer.with_headers(cross_origin_headers(self.store.cors, request).items())
        return render(answer, now=now, request_id=request.request_id, for_head=for_head, close=close)

    def admit(self, request: ReceivedRequest) -> None:
        """Refuse a request that S3 refuses before it reads the body, or before it asks for the body."""
        admit(self.store, request, is_tls=self._ssl_context is not None)
        if request.expects_continue:
            credentials = self.credentials if self.check_signatures else None
            check_head(self.store, request, credentials, self.public_buckets)

    def gate(self, exchange: Exchange) -> None:
        """Process a complete request now, or hold it until its operation is released."""
        held = self._held.get(exchange.request.operation)
        if held is None:
            exchange.respond()
        else:
            held.append(exchange)
            self.notify()

    def process(self, request: ReceivedRequest, body: Body) -> Answer:
        """Process a request, and return its response."""
        credentials = self.credentials if self.check_signatures else None
        response = process(self.store, request, body, credentials, self.public_buckets)
        self.notify()
        return response

    def finish(self, request: ReceivedRequest) -> None:
        """Record that a request has ended."""
        self._in_progress.pop(request.request_id, None)
        self.notify()

    def is_last_on_its_connection(self, connection: Connection) -> bool:
        """Return whether a connection has had its last allowed request."""
        return self.requests_per_connection is not None and connection.requests >= self.requests_per_connection

    def notify(self) -> None:
        """Check the predicates of `wait_for` again."""
        for future, predicate in tuple(self._waiters.items()):
            if future.done():
                continue
            try:
                if predicate(self):
                    future.set_result(None)
            except Exception as error:  # noqa: BLE001 - raised by wait_for
                future.set_exception(error)

    # Not asyncio.Server: closing that one loses a connection that was accepted in the same turn of the loop.

    def _accept(self) -> None:
        assert self._listener
        with contextlib.suppress(BlockingIOError):
            while True:
                accepted, _ = self._listener.accept()
                accepted.setblocking(False)
                connection = Connection(self)
                self._connections.add(connection)
                self.notify()
                task = asyncio.get_running_loop().create_task(self._connect(connection, accepted))
                self._accepting[task] = (connection, accepted)
                task.add_done_callback(self._accepted)

    async def _connect(self, connection: Connection, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: connection, accepted, ssl=self._ssl_context)

    def _accepted(self, task: asyncio.Task[None]) -> None:
        connection, accepted = self._accepting.pop(task)
        # A client that refuses the certificate, or disconnects during the handshake, is no failure of the server.
        if task.cancelled() or task.exception():
            # A task that is cancelled before its first step has closed nothing. A transport closes its socket itself.
            asyncio.get_running_loop().call_soon(accepted.close)
            self._connections.discard(connection)
        self.notify()
