"""Fakes of time, the network and the caller's source, which record calls and never wait."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote, unquote

from aios3._client.attempts import FailedAttempts
from aios3._client.client import OperationClient
from aios3._concurrency.clock import Clock
from aios3._protocol.attributes.headers import ObjectHeaders
from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._protocol.parts.part_plan import PartPlan
from aios3._protocol.wire.messages import Request, Response
from aios3._protocol.wire.uri import Endpoint
from aios3._transport.interface import StreamedResponse
from aios3._upload.multipart.guard import CancellationGuard
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.integrity import ObjectChecksum
from aios3._upload.shared.job import UploadJob
from aios3._upload.shared.journal_interface import NoJournal, UploadJournal
from aios3._upload.source.kinds import as_view
from aios3._upload.source.readers import END, SourceReader
from aios3.errors import TransportError
from aios3.options import KIB, RetryPolicy, Timeouts, TransferConfig
from aios3.providers import Provider

PART = 4 * KIB
"""Bytes of a part in the jobs of `make_job`."""

SMALL_PARTS = Provider("small", min_part_size=1, complete_etag_is_final=True)
HEADERS = ObjectHeaders({"content-type": "video/mp4"}, {"x-part": "p"}, {"if-none-match": "*"}, {"x-every": "e"})

Answer = Response | Exception | Callable[[Request], Awaitable[Response | None] | Response | None]


class FakeClock:
    """Clock that moves only when a task sleeps. Sleeping takes no real time."""

    def __init__(self, *, random: float = 1.0) -> None:
        self.moment = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
        self.slept: list[float] = []
        self.random = random
        self._began = self.moment

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)

    def __call__(self) -> Clock:
        return Clock(
            now=lambda: self.moment,
            monotonic=lambda: (self.moment - self._began).total_seconds(),
            sleep=self._sleep,
            random=lambda: self.random,
        )


def refusal(status: int, code: str = "", **headers: str) -> Response:
    """Return an error response. An empty `code` sends no document."""
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode() if code else b""
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@dataclass(eq=False)
class Gate:
    """Response that is held until the gate opens."""

    entered: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    answer: Response | Exception | None = None
    """Response or error; ``None`` lets the store process the request."""

    async def __call__(self, request: Request) -> Response | None:
        self.entered.set()
        await self.opened.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class FakeStore:
    """Transport with a small correct store behind it. Scripted responses come before those of the store."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._script: dict[str, deque[Answer]] = {}
        self.skew = timedelta()
        """Difference by which the store's clock is ahead."""
        self.sent: list[Request] = []
        self.bodies: list[bytes] = []
        self.patience: list[float | None] = []
        """Read timeout of each request; ``None`` is the usual one."""
        self.uploads: dict[str, tuple[str, datetime | None, dict[int, bytes]]] = {}
        """Key, start and parts of the open uploads, by id."""
        self.objects: dict[str, tuple[bytes, str, datetime]] = {}
        """Bytes, ETag and time of each object, by key."""
        self.nonces: dict[str, str | None] = {}
        self.parts_in_flight = 0
        self.most_parts_in_flight = 0
        self.is_closed = False
        self._created = 0

    @property
    def operations(self) -> list[str]:
        return [request.operation for request in self.sent]

    def requests(self, operation: str) -> list[Request]:
        return [request for request in self.sent if request.operation == operation]

    def on(self, operation: str, *answers: Answer) -> None:
        """Script the responses to the next requests of an operation, one each."""
        self._script.setdefault(operation, deque()).extend(answers)

    def lose(self, request: Request) -> Response:
        """Process a request and lose the response. For use as a scripted response."""
        self._process(request)
        raise TransportError("the connection was reset")

    def open_upload(self, upload_id: str, key: str = "key", *, at: datetime | None = None, parts: int = 0) -> None:
        """Open an upload, as another client would."""
        self.uploads[upload_id] = (key, at, dict.fromkeys(range(1, parts + 1), b""))

    async def send(
        self, request: Request, *, read_timeout: float | None = None, on_sent: Callable[[], None] | None = None
    ) -> Response:
        self.sent.append(
            dataclasses.replace(request, body=tuple(request.body))
        )  # a copy, because the body is emptied after it was sent
        self.bodies.append(b"".join(request.body))
        self.patience.append(read_timeout)
        is_part = request.operation == "UploadPart"
        self.parts_in_flight += is_part
        self.most_parts_in_flight = max(self.most_parts_in_flight, self.parts_in_flight)
        try:
            await asyncio.sleep(0)
            if on_sent is not None:
                on_sent()
            response = await self._scripted(request)
        finally:
            self.parts_in_flight -= is_part
        response = response or self._process(request)
        date = format_datetime(self._clock.moment + self.skew, usegmt=True)
        return Response(response.status, {"date": date, **response.headers}, response.body)

    async def _scripted(self, request: Request) -> Response | None:
        script = self._script.get(request.operation)
        if not script:
            return None
        answer = script.popleft()
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Response):
            return answer
        outcome = answer(request)
        return outcome if outcome is None or isinstance(outcome, Response) else await outcome

    @asynccontextmanager
    async def open(self, request: Request, *, chunk_size: int) -> AsyncIterator[StreamedResponse]:
        response = await self.send(request)

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(response.body), chunk_size):
                yield response.body[start : start + chunk_size]

        yield StreamedResponse(response.status, response.headers, chunks())

    async def aclose(self) -> None:
        self.is_closed = True

    # The store.

    def _process(self, request: Request) -> Response:
        key = unquote(request.path.removeprefix("/bucket").removeprefix("/"))
        query = dict(request.query)
        upload_id = query.get("uploadId", "")
        if "uploadId" in query and upload_id not in self.uploads:
            return refusal(404, "NoSuchUpload")
        name = re.sub("(?=[A-Z])", "_", request.operation).lower()
        return getattr(self, name)(request, key, upload_id, query)

    def _create_multipart_upload(self, request: Request, key: str, *_: object) -> Response:
        self._created += 1
        self.open_upload(f"upload-{self._created}", key, at=self._clock.moment + self.skew)
        upload_id = f"<UploadId>upload-{self._created}</UploadId>"
        return Response(200, {}, f"<InitiateMultipartUploadResult>{upload_id}</InitiateMultipartUploadResult>".encode())

    def _upload_part(self, request: Request, key: str, upload_id: str, query: dict[str, str]) -> Response:
        body = b"".join(request.body)
        self.uploads[upload_id][2][int(query["partNumber"])] = body
        return Response(200, {"etag": f'"{md5(body)}"'})

    def _complete_multipart_upload(self, request: Request, key: str, upload_id: str, *_: object) -> Response:
        numbers = [int(found) for found in re.findall(rb"<PartNumber>(\d+)<", b"".join(request.body))]
        parts = self.uploads.pop(upload_id)[2]
        assert numbers == sorted(parts), "Complete must list all parts in order"
        etag = f'"{multipart_md5([parts[number] for number in numbers])}"'
        self.put(key, b"".join(parts[number] for number in numbers), etag)
        body = f"<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>"
        return Response(200, {"x-amz-request-id": "commit"}, body.encode())

    def _abort_multipart_upload(self, request: Request, key: str, upload_id: str, *_: object) -> Response:
        del self.uploads[upload_id]
        return Response(204, {})

    def _list_parts(self, request: Request, key: str, upload_id: str, *_: object) -> Response:
        listed = "".join(
            f'<Part><PartNumber>{number}</PartNumber><Size>{len(body)}</Size><ETag>"{md5(body)}"</ETag></Part>'
            for number, body in sorted(self.uploads[upload_id][2].items())
        )
        return Response(200, {}, f"<ListPartsResult>{listed}</ListPartsResult>".encode())

    def _list_multipart_uploads(self, *_: object) -> Response:
        listed = "".join(
            f"<Upload><Key>{quote(key)}</Key><UploadId>{upload_id}</UploadId>"
            + (f"<Initiated>{at:%Y-%m-%dT%H:%M:%S.000Z}</Initiated></Upload>" if at else "</Upload>")
            for upload_id, (key, at, _) in self.uploads.items()
        )
        document = f"<EncodingType>url</EncodingType>{listed}"
        return Response(200, {}, f"<ListMultipartUploadsResult>{document}</ListMultipartUploadsResult>".encode())

    def _put_object(self, request: Request, key: str, *_: object) -> Response:
        body = b"".join(request.body)
        self.put(key, body, f'"{md5(body)}"', nonce=request.headers.get("x-amz-meta-aios3-nonce"))
        return Response(200, {"etag": f'"{md5(body)}"', "x-amz-version-id": "v1"})

    def _head_object(self, request: Request, key: str, *_: object) -> Response:
        if key not in self.objects:
            return refusal(404)
        body, etag, at = self.objects[key]
        headers = {"content-length": str(len(body)), "etag": etag, "last-modified": format_datetime(at, usegmt=True)}
        if self.nonces[key] is not None:
            headers["x-amz-meta-aios3-nonce"] = str(self.nonces[key])
        return Response(200, {**headers, "x-amz-version-id": "v2"})

    def put(self, key: str, body: bytes, etag: str = '"other"', *, nonce: str | None = None) -> None:
        """Put an object there."""
        self.objects[key] = (body, etag, self._clock.moment + self.skew)
        self.nonces[key] = nonce


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def multipart_md5(parts: list[bytes]) -> str:
    return f"{md5(b''.join(bytes.fromhex(md5(part)) for part in parts))}-{len(parts)}"


def make_client(
    store: FakeStore, clock: FakeClock, *, attempts: int = 4, credentials: object = None, budget: int = 500
) -> OperationClient:
    return OperationClient(
        transport=store,
        endpoint=Endpoint.parse("http://store.test", "path"),
        region="us-east-1",
        credentials=credentials,  # type: ignore[arg-type]
        policy=RetryPolicy(max_attempts=attempts, budget=budget),
        payload_signing="sha256",
        clock=clock(),
    )


def make_engine(
    store: FakeStore,
    clock: FakeClock,
    *,
    memory_limit: int = 64 * PART,
    provider: Provider = SMALL_PARTS,
    timeouts: Timeouts = Timeouts(cleanup=5.0),
    **transfer_options: Any,
) -> Engine:
    transfer = TransferConfig(part_size=PART, memory_limit=memory_limit, **transfer_options)
    return Engine(make_client(store, clock), provider, transfer, timeouts)


def make_guard(
    client: OperationClient,
    log: FailedAttempts,
    *,
    deadline: float = 60.0,
    known: set[str] | None = None,
    journal: UploadJournal | None = None,
    **job: object,
) -> CancellationGuard:
    """Return a guard of one upload, with `deadline` seconds for its clean-up."""
    engine = Engine(client, SMALL_PARTS, TransferConfig(part_size=PART), Timeouts(cleanup=deadline))
    engine.known_uploads = set() if known is None else known
    engine.journal = journal or NoJournal()
    return CancellationGuard(engine, make_job(**job), log)


def make_job(**changes: object) -> UploadJob:
    defaults: dict[str, object] = {
        "bucket": "bucket",
        "key": "key",
        "headers": HEADERS,
        "plan": PartPlan(PART, PART, 1000),
        "concurrency": 2,
        "checksum": None,
        "size": None,
        "max_size": None,
        "on_progress": None,
    }
    if isinstance(changes.get("checksum"), str):
        changes["checksum"] = ObjectChecksum(str(changes["checksum"]), is_full_object=False)
    return UploadJob(**{**defaults, **changes})  # type: ignore[arg-type]


async def read_all(source: Any, hint: int = 100) -> bytes:
    """Read as an upload does: copy each chunk before the next one is asked for."""
    collected = bytearray()
    async with SourceReader(source) as reader:
        while (chunk := await reader.pull(hint)) is not END:
            collected += as_view(chunk)
        assert await reader.pull(hint) is END
    return bytes(collected)


class RecordingSource:
    """Source that gives `chunks`, raises the exceptions among them, and counts its reads and its closings."""

    def __init__(self, *chunks: object, close_error: Exception | None = None) -> None:
        self._chunks = deque(chunks)
        self._close_error = close_error
        self.pulls = 0
        self.closed = 0

    def __aiter__(self) -> RecordingSource:
        return self

    async def __anext__(self) -> object:
        self.pulls += 1
        if not self._chunks:
            raise StopAsyncIteration
        chunk = self._chunks.popleft()
        if isinstance(chunk, BaseException):
            raise chunk
        if isinstance(chunk, asyncio.Event):
            await chunk.wait()
            return b""
        return chunk

    async def aclose(self) -> None:
        self.closed += 1
        if self._close_error is not None:
            raise self._close_error


async def turns(count: int = 20) -> None:
    """Let every task run that can."""
    for _ in range(count):
        await asyncio.sleep(0)


class FakePart:
    """A part in memory that counts how often it was closed."""

    is_on_disk = False

    def __init__(self, number: int, content: bytes, closed: Callable[[int], object] = lambda _: None) -> None:
        starts = range(0, len(content), SEGMENT_SIZE)
        self.number = number
        self.size = len(content)
        self.body = [memoryview(content)[at : at + SEGMENT_SIZE] for at in starts]
        self._closed = closed

    async def open(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        self._closed(self.number)
