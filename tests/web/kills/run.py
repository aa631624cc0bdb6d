"""Run of one script during which a process dies, and what is wrong afterwards."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiohttp

from aios3.testing import S3Server
from aios3.testing.wire.answers import Answer, Refusal

from .scripts import Script
from .servers import MAX_AGE, PROVIDER, Servers, Serving

__all__ = ["KillingStore", "Point", "Result", "count_requests", "run_point"]

_TUS: Final = {"Tus-Resumable": "1.0.0"}
_CHUNK: Final = {"Content-Type": "application/offset+octet-stream"}
_MOST_TRIES: Final = 12
_AFTER_A_DEATH: Final = 13.0
"""Seconds by the store's clock that pass before the client continues. By then a lease of the dead process is over."""


@dataclass(frozen=True, slots=True)
class Point:
    """Moment of a death: one request to the store."""

    script: Script
    request: int | None
    """Number of the request, from 1 on; ``None`` for no death."""
    is_processed: bool = False
    """Whether the store processes the request before the process dies."""


@dataclass(slots=True)
class Result:
    """What a point found wrong, by kind of defect."""

    point: Point
    problems: dict[str, str] = field(default_factory=dict)


class KillingStore(S3Server):
    """Store that kills the process whose request it has received, by plan."""

    def __init__(self) -> None:
        super().__init__(PROVIDER, clock=lambda: datetime.now(UTC) + self.ahead)
        self.point: Point | None = None
        self.victim: Serving | None = None
        self.seen = 0

    ahead = timedelta()
    """Time by which the store's clock is ahead."""

    def begin(self, point: Point, victim: Serving) -> None:
        """Forget everything, and wait for the request of a point."""
        self.store.objects.clear()
        self.store.uploads.clear()
        self.requests.clear()
        self.ahead = timedelta()
        self.point, self.victim, self.seen = point, victim, 0

    def process(self, request: Any, body: Any) -> Answer:
        """Process a request, and kill its sender before or after that."""
        self.seen += 1
        if self.point is None or self.seen != self.point.request:
            return super().process(request, body)
        assert self.victim is not None
        if not self.point.is_processed:
            self.victim.kill()
            return Refusal(503, "SlowDown").answer("killed")
        answer = super().process(request, body)
        self.victim.kill()
        return answer


class _DiedError(Exception):
    """The process died during the request."""


class Client:
    """Honest client: after a lost response it asks for the offset, and continues there through another process."""

    def __init__(self, session: aiohttp.ClientSession, store: KillingStore, servings: list[Serving]) -> None:
        self._session = session
        self._store = store
        self._servings = iter(servings)
        self._serving = next(self._servings)
        self.problems: dict[str, str] = {}

    async def call(self, method: str, path: str = "", data: bytes | None = None, **headers: str) -> tuple[int, Any]:
        """Send one request."""
        sent = {**_TUS, **{name.replace("_", "-"): value for name, value in headers.items()}}
        url = self._serving.url + path
        try:
            async with self._session.request(method, url, headers=sent, data=data) as response:
                await response.read()
                return response.status, response.headers
        except (aiohttp.ClientError, OSError):
            self._serving = next(self._servings, self._serving)
            self._store.ahead += timedelta(seconds=_AFTER_A_DEATH)
            raise _DiedError from None

    async def persist(self, method: str, path: str = "", data: bytes | None = None, **headers: str) -> tuple[int, Any]:
        """Send a request until a response comes that asks for no other attempt."""
        for _ in range(_MOST_TRIES):
            try:
                status, found = await self.call(method, path, data, **headers)
            except _DiedError:
                continue
            if status not in (423, 500, 503):
                return status, found
            await asyncio.sleep(0.05)
        raise AssertionError(f"{method} has no success")

    async def upload(self, script: Script, content: bytes, **headers: str) -> str:
        """Upload `content`, and return the path of the upload."""
        is_deferred = script.kind == "deferred"
        length = {"Upload_Defer_Length": "1"} if is_deferred else {"Upload_Length": str(len(content))}
        first = content[: script.chunks[0]] if script.kind == "with_upload" else None
        extra = {name.replace("-", "_"): value for name, value in _CHUNK.items()} if first else {}
        status, found = await self.persist("POST", "", first, **length, **extra, **headers)
        if status != 201:
            raise AssertionError(f"the creation got {status}")
        path = "/" + found["Location"].rpartition("/")[2]
        offset = int(found.get("Upload-Offset", 0)) if first else 0
        chunks = iter(script.chunks)
        size = script.chunks[0]
        for _ in range(len(content) // min(script.chunks[-1], len(content)) + 40):
            if offset == len(content):
                break
            size = next(chunks, size)
            offset = await self._append(script, path, content, offset, size)
        if await self._offset(path, offset) != len(content):
            self.problems.setdefault("incomplete", f"{path} never had all bytes")
        return path

    async def _append(self, script: Script, path: str, content: bytes, offset: int, size: int) -> int:
        """Send one chunk, and return the offset at which the client continues."""
        chunk = content[offset : offset + size]
        headers = {"Upload_Offset": str(offset), "Content_Type": _CHUNK["Content-Type"]}
        if script.kind == "deferred" and offset + len(chunk) == len(content):
            headers["Upload_Length"] = str(len(content))
        if script.kind == "checksum":
            headers["Upload_Checksum"] = f"sha1 {base64.b64encode(hashlib.sha1(chunk).digest()).decode()}"
        try:
            status, found = await self.call("PATCH", path, chunk, **headers)
        except _DiedError:
            return await self._offset(path, offset)
        if status == 204:
            offset = int(found["Upload-Offset"])
        return await self._offset(path, offset)

    async def _offset(self, path: str, acknowledged: int) -> int:
        """Return the offset that the server names, which must not be lower than one that it has named."""
        status, found = await self.persist("HEAD", path)
        if status != 200:
            self.problems["lost"] = f"HEAD gets {status} behind byte {acknowledged}"
            raise AssertionError(self.problems["lost"])
        offset = int(found["Upload-Offset"])
        if offset < acknowledged:
            self.problems["went back"] = f"from {acknowledged} to {offset}"
        return offset

    async def play(self, script: Script) -> None:
        """Play a script to its end."""
        content = script.content
        if script.kind == "concatenated":
            middle = len(content) // 2
            paths = [
                await self.upload(script, part, Upload_Concat="partial")
                for part in (content[:middle], content[middle:])
            ]
            urls = " ".join(f"/files{path}" for path in paths)
            status, _ = await self.persist("POST", Upload_Concat=f"final;{urls}")
            if status != 201:
                self.problems["incomplete"] = f"the concatenation got {status}"
            return
        path = await self.upload(script, content)
        if script.kind == "terminated":
            status, _ = await self.persist("DELETE", path)
            after, _ = await self.persist("HEAD", path)
            if status not in (204, 404, 410) or after not in (404, 410):
                self.problems["undead"] = f"DELETE got {status}, HEAD {after}"


async def run_point(store: KillingStore, servers: Servers, point: Point) -> Result:
    """Play a script with the death of a point, then sweep, and judge."""
    servings = servers.take_two()
    store.begin(point, servings[0])
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as session:
        client = Client(session, store, servings)
        try:
            async with asyncio.timeout(120):
                await client.play(point.script)
        except (AssertionError, TimeoutError) as error:
            client.problems.setdefault("incomplete", repr(error))
        result = Result(point, client.problems)
        requests = store.seen
        _judge_objects(store, servers, result)
        store.point = None
        store.ahead += timedelta(seconds=MAX_AGE * 1.1)
        await session.post(servings[1].url.replace("/files", "/sweep"))
    _judge_rest(store, servers, result)
    store.seen = requests
    return result


def _judge_objects(store: KillingStore, servers: Servers, result: Result) -> None:
    """Judge the objects that users see. A client that never heard of a creation repeats it, so there may be two."""
    script = result.point.script
    found = [stored.body for (_, key), stored in store.objects.items() if not servers.is_helper(key)]
    if any(body != script.content for body in found):
        result.problems["not exact"] = f"objects of {[len(body or b'') for body in found]} bytes"
    needed = 0 if script.kind == "terminated" else 1
    spare = 1 if script.kind != "plain" else 0  # it was finished by the request whose response was lost
    if not needed <= len(found) <= needed + spare:
        result.problems.setdefault("not exact", f"{len(found)} objects")


def _judge_rest(store: KillingStore, servers: Servers, result: Result) -> None:
    if store.store.uploads:
        result.problems["left open"] = f"{len(store.store.uploads)} multipart uploads"
    helpers = [key for _, key in store.objects if servers.is_helper(key)]
    if left := [key for key in helpers if not servers.is_description(key) or servers.forgets]:
        result.problems["left lying about"] = ", ".join(key.rpartition(".")[2] for key in left)


async def count_requests(store: KillingStore, servers: Servers, script: Script) -> tuple[int, Result]:
    """Play a script without a death, and return its number of requests to the store."""
    result = await run_point(store, servers, Point(script, None))
    return store.seen, result
