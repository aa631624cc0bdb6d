"""A client that writes requests byte by byte and signs them with a signer of its own."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from urllib.parse import quote

import pytest

from aios3.credentials import Credentials
from aios3.testing import S3Server


def sign(
    method: str,
    target: str,
    headers: Mapping[str, str],
    payload_hash: str,
    credentials: Credentials,
    region: str,
    now: datetime,
    leave_unsigned: tuple[str, ...] = (),
) -> dict[str, str]:
    """Return the headers with a signature; the target is already encoded as it goes on the wire."""
    date = now.strftime("%Y%m%dT%H%M%SZ")
    signed = {name.lower(): value for name, value in headers.items()}
    signed |= {"x-amz-date": date, "x-amz-content-sha256": payload_hash}
    if credentials.session_token:
        signed["x-amz-security-token"] = credentials.session_token
    names = sorted(set(signed) - set(leave_unsigned))
    path, _, query = target.partition("?")
    pairs = sorted(pair if "=" in pair else pair + "=" for pair in query.split("&") if pair)
    lines = [method, path, "&".join(pairs), *(f"{name}:{signed[name]}" for name in names), "", ";".join(names)]
    request = "\n".join([*lines, payload_hash])
    scope = f"{date[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    credential = f"{credentials.access_key_id}/{scope}"
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={';'.join(names)}, "
        f"Signature={_hmac_chain(credentials, scope, text)}"
    )
    return signed


def presign(method: str, path: str, host: str, credentials: Credentials, region: str, now: datetime) -> str:
    """Return a target that is good for an hour."""
    date = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{date[:8]}/{region}/s3/aws4_request"
    query = "&".join([
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        f"X-Amz-Credential={quote(f'{credentials.access_key_id}/{scope}', safe='')}",
        f"X-Amz-Date={date}&X-Amz-Expires=3600&X-Amz-SignedHeaders=host",
    ])  # fmt: skip
    request = "\n".join([method, path, query, f"host:{host}", "", "host", "UNSIGNED-PAYLOAD"])
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    return f"{path}?{query}&X-Amz-Signature={_hmac_chain(credentials, scope, text)}"


def _hmac_chain(credentials: Credentials, scope: str, text: str) -> str:
    key = b"AWS4" + credentials.secret_access_key.encode()
    for word in (*scope.split("/"), text):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key.hex()


_MARKERS = {
    "Marker": "marker",
    "KeyMarker": "key-marker",
    "VersionIdMarker": "version-id-marker",
    "UploadIdMarker": "upload-id-marker",
    "ContinuationToken": "continuation-token",
}
"""Parameter of each marker of a listing, by its element."""


@dataclass
class WireAnswer:
    """An answer as it came; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def element(self, name: str) -> str | None:
        """Return the text of the first element of that name."""
        found = re.search(rf"<{name}>(.*?)</{name}>".encode(), self.body, re.DOTALL)
        return found[1].decode() if found else None

    def elements(self, name: str) -> list[str]:
        """Return the texts of all elements of that name."""
        return [text.decode() for text in re.findall(rf"<{name}>(.*?)</{name}>".encode(), self.body, re.DOTALL)]

    @property
    def next_page(self) -> str:
        """The parameters that ask for the page after this page of any listing."""
        values = {parameter: self.element(f"Next{name}") for name, parameter in _MARKERS.items()}
        pairs = ((name, quote(unescape(value), safe="")) for name, value in values.items() if value is not None)
        return "".join(f"&{name}={value}" for name, value in pairs)

    @property
    def code(self) -> str | None:
        """The error code."""
        return self.element("Code")


class WireClient:
    """One connection to a server."""

    def __init__(self, server: S3Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer

    def head(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        signed: bool = True,
        host: str | None = None,
        length: int | None = None,
        payload_hash: str | None = None,
        credentials: Credentials | None = None,
        region: str | None = None,
        now: datetime | None = None,
        leave_unsigned: tuple[str, ...] = (),
    ) -> bytes:
        """Return a request's head as bytes."""
        given = {"host": host or self.server.endpoint_url.partition("://")[2], **(headers or {})}
        if signed:
            hashed = payload_hash or hashlib.sha256(body).hexdigest()
            who, where = credentials or self.server.credentials, region or self.server.region
            given = sign(method, target, given, hashed, who, where, now or datetime.now(UTC), leave_unsigned)
        if "transfer-encoding" not in given and length != -1 and (body or length or method in {"PUT", "POST"}):
            given["content-length"] = str(len(body) if length is None else length)
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        return "\r\n".join(lines).encode()

    async def send(self, *pieces: bytes) -> None:
        """Send bytes."""
        for piece in pieces:
            self.writer.write(piece)
        await self.writer.drain()

    async def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"", **options: object
    ) -> WireAnswer:
        """Send a whole request and read its answer."""
        await self.send(self.head(method, target, headers, body, **options), body)  # type: ignore[arg-type]
        return await self.read_answer(for_head=method == "HEAD")

    async def read_answer(self, *, for_head: bool = False) -> WireAnswer:
        """Read one answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split(" ")[1])
        if for_head or status in {100, 204}:
            return WireAnswer(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return WireAnswer(status, headers, await self._read_chunks())
        return WireAnswer(status, headers, await self.reader.readexactly(int(headers["content-length"])))

    async def _read_chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return body

    async def read_rest(self) -> bytes:
        """Read until the server closes."""
        return await self.reader.read()

    async def create(self, key: str = "key", headers: Mapping[str, str] | None = None) -> str:
        """Open an upload and return its id, encoded for a query."""
        answer = await self.request("POST", f"/bucket/{key}?uploads=", headers)
        assert answer.status == 200, answer.body
        upload_id = answer.element("UploadId")
        assert upload_id
        return quote(upload_id.replace("&#38;", "&"), safe="")

    async def upload_part(
        self, upload_id: str, number: int, body: bytes, headers: Mapping[str, str] | None = None
    ) -> str:
        """Send a part and return its ETag."""
        target = f"/bucket/key?partNumber={number}&uploadId={upload_id}"
        answer = await self.request("PUT", target, headers, body)
        assert answer.status == 200, answer.body
        return answer.headers["etag"]

    async def complete(
        self, upload_id: str, parts: list[tuple[int, str]] | bytes, headers: Mapping[str, str] | None = None
    ) -> WireAnswer:
        """Complete the upload with these numbers and ETags, or with this document."""
        body = parts if isinstance(parts, bytes) else completion(parts)
        return await self.request("POST", f"/bucket/key?uploadId={upload_id}", headers, body)

    def presigned(self, method: str, path: str) -> str:
        """Return the target of a request that needs no further signature."""
        host = self.server.endpoint_url.partition("://")[2]
        return presign(method, path, host, self.server.credentials, self.server.region, datetime.now(UTC))

    def abort(self) -> None:
        """Close at once."""
        self.writer.transport.abort()

    async def aclose(self) -> None:
        """Close, and wait until it is closed."""
        self.writer.transport.abort()
        with suppress(OSError):
            await self.writer.wait_closed()


def completion(parts: list[tuple[int, str]]) -> bytes:
    """Write the document that completes an upload."""
    listed = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts)
    namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
    return f'<CompleteMultipartUpload xmlns="{namespace}">{listed}</CompleteMultipartUpload>'.encode()


@asynccontextmanager
async def open_client(server: S3Server, **options: object) -> AsyncIterator[WireClient]:
    """Connect to a server for the length of a block."""
    host, port = server.endpoint_url.partition("://")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port), **options)  # type: ignore[arg-type]
    client = WireClient(server, reader, writer)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., object]]:
    """Start servers with the options of `S3Server`: ``server, client = await serve(...)``."""
    async with AsyncExitStack() as stack:

        async def start(**options: object) -> tuple[S3Server, WireClient]:
            server = await stack.enter_async_context(S3Server(**options))  # type: ignore[arg-type]
            return server, await stack.enter_async_context(open_client(server))

        yield start


@pytest.fixture
def connect() -> Callable[..., object]:
    """More connections: ``async with connect(server) as client``."""
    return open_client
