"""Sweep of a four-part upload in which one request fails in one way, once or always."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp

from aios3 import (
    CompletionUnknownError,
    RetryPolicy,
    S3StorageDriver,
    StorageError,
    Timeouts,
    TransferConfig,
    UploadReceipt,
)
from aios3.providers import Provider
from aios3.testing import Fault, S3Server

from .sweep import CONTENT, OLD, PART, SMALL_PARTS, Source, driver_on, left_behind

REQUESTS: dict[str, tuple[str, int | None]] = {
    "Create": ("CreateMultipartUpload", None),
    "part 1": ("UploadPart", 1),
    "part 2": ("UploadPart", 2),
    "part 3": ("UploadPart", 3),
    "part 4": ("UploadPart", 4),
    "Complete": ("CompleteMultipartUpload", None),
}
FOUR_PARTS = CONTENT[: 4 * PART - 100]
FOR_EVER = 1000


@dataclass
class Outcome:
    """Outcome of one run. `problems` is empty if the run kept every promise."""

    error: BaseException | None = None
    committed: bool = False
    receipt: UploadReceipt | None = None
    attempts: int = 0
    """Number of requests that a fault hit."""
    problems: list[str] = field(default_factory=list)

    @property
    def word(self) -> str:
        if self.problems:
            return "BROKEN: " + "; ".join(self.problems)
        return "exact" if self.error is None else type(self.error).__name__


def a_fault(kind: str, operation: str, part_number: int | None, times: int) -> Fault:
    page = b"<html>hello</html>"
    body = {"raw": b"\x00\xff not HTTP at all\r\n\r\n", "garbage_200": page, "garbage_after": page}.get(kind)
    status = 200 if kind == "garbage_after" else 503
    after = 1000 if kind == "drop_mid_body" and operation == "UploadPart" else 0
    code = "InternalError" if kind == "error_in_200" else "SlowDown"
    return Fault(kind, operation, part_number, times=times, status=status, body=body, after_bytes=after, code=code)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Way:
    """Way in which the bytes go to the store."""

    content: bytes
    mechanism: Literal["auto", "stream"] = "auto"


MULTIPART = Way(FOUR_PARTS)
ONE_PUT = Way(FOUR_PARTS[:1000])
STREAM = Way(FOUR_PARTS, "stream")
IMPATIENCE = Timeouts(connect=0.2, send=0.2, read=0.1, complete=0.1, cleanup=10)


class Defect:
    """Middleware of an aiohttp session that raises an error that no network raises, before or after a request."""

    def __init__(self, error: Exception, operation: str, part_number: int | None, times: int, *, is_sent: bool) -> None:
        self.error = error
        self.is_sent = is_sent
        self.met = 0
        self.is_armed = False
        self._which = (operation, part_number)
        self._times = times

    async def __call__(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> Any:
        query = request.url.query
        number = int(query["partNumber"]) if "partNumber" in query else None
        is_meant = self.is_armed and self.met < self._times
        if not is_meant or (_operation(request.method, query), number) != self._which:
            return await handler(request)
        self.met += 1
        if self.is_sent:
            (await handler(request)).close()
        raise self.error


def _operation(method: str, query: Mapping[str, str]) -> str | None:
    """Return the operation on the key that a request is."""
    if "uploadId" in query:
        names = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
        return names.get(method, "ListParts")
    return {"POST": "CreateMultipartUpload", "PUT": "PutObject", "HEAD": "HeadObject"}.get(method)


@asynccontextmanager
async def scene(
    outcome: Outcome,
    faults: tuple[Fault, ...],
    *,
    provider: Provider = SMALL_PARTS,
    way: Way = MULTIPART,
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    timeouts: Timeouts = IMPATIENCE,
    defect: Defect | None = None,
    **options: Any,
) -> AsyncIterator[tuple[S3Server, S3StorageDriver]]:
    """Yield a server with faults and a driver on it, and record in `outcome` what they leave behind.

    Args:
        outcome: gets the problems.
        faults: faults of the server, from the time at which the key holds `OLD`.
        provider: provider of the server and the driver.
        way: the way in which the driver uploads.
        tls: TLS contexts of the server and of the driver; ``None`` for http.
        timeouts: timeouts of the driver.
        defect: middleware of the driver's session.
        options: options of the server.
    """
    before = asyncio.all_tasks()
    server_context, client_context = tls or (None, None)
    async with AsyncExitStack() as stack:
        session = None if defect is None else aiohttp.ClientSession(middlewares=(defect,))
        if session is not None:
            await stack.enter_async_context(session)
        server = await stack.enter_async_context(
            S3Server(provider, ssl_context=server_context, accept_chunked=way.mechanism == "stream", **options)
        )
        driver = driver_on(
            server,
            provider,
            ssl_context=client_context,
            session=session,
            transfer=TransferConfig(part_size=PART, concurrency=2, memory_limit=16 * PART, mechanism=way.mechanism),
            retry=RetryPolicy(max_attempts=3, base_delay=0, throttle_base_delay=0),
            timeouts=timeouts,
        )
        await stack.enter_async_context(driver)
        await driver.upload_object_via_stream(OLD, "bucket", "key")
        for fault in faults:
            server.faults.add(fault)
        if defect is not None:
            defect.is_armed = True
        yield server, driver
        outcome.attempts = sum(request.fault is not None for request in server.requests)
        outcome.problems += await left_behind(server, driver._engine, before)
        if outcome.error is not None and not isinstance(outcome.error, StorageError):
            outcome.problems.append(f"untyped {outcome.error!r}")


async def upload_with(*faults: Fault, way: Way = MULTIPART, **surroundings: Any) -> Outcome:
    """Upload to a server with these faults, and record what is left. `surroundings` are options of `scene`."""
    outcome = Outcome()
    async with scene(outcome, faults, way=way, **surroundings) as (server, driver):
        source = Source(way.content)
        try:
            outcome.receipt = await driver.upload_object_via_stream(source, "bucket", "key")
        except Exception as error:
            outcome.error = error
        body = server.objects["bucket", "key"].body
        outcome.committed = body == way.content
        problems = outcome.problems
        if body not in {OLD, way.content}:
            problems.append("wrong bytes")
        if outcome.receipt is not None and not (outcome.committed and outcome.receipt.etag == _head_etag(server)):
            problems.append("reported as done, but not so")
        if outcome.committed and outcome.error is not None and not isinstance(outcome.error, CompletionUnknownError):
            problems.append(f"committed, but reported as {outcome.error!r}")
        if not source.is_closed:
            problems.append("source not closed")
    return outcome


async def download_with(*faults: Fault, **surroundings: Any) -> Outcome:
    """Download an object from a server with these faults, and record what is left."""
    outcome = Outcome()
    content = FOUR_PARTS * 20
    async with scene(outcome, faults, **surroundings) as (server, driver):
        server.objects["bucket", "large"] = dataclasses.replace(
            server.objects["bucket", "key"], size=len(content), pieces=(content,)
        )
        got = bytearray()
        try:
            async for chunk in driver.download_object_as_stream("bucket", "large", chunk_size=PART):
                got += chunk
        except Exception as error:
            outcome.error = error
        if not content.startswith(got) or (outcome.error is None and len(got) != len(content)):
            outcome.problems.append("wrong bytes")
    return outcome


def _head_etag(server: S3Server) -> str:
    return server.objects["bucket", "key"].etag.strip('"')
