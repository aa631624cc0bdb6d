"""Responses that no correct store sends, and correct responses for the rest of an upload."""

from __future__ import annotations

import contextlib
import gzip
import math
import zlib
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

from tests.support.wire import Peer, answer

Evil = Callable[[Peer], Awaitable[None]]

OK: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n"
XML: Final = b'<?xml version="1.0"?><Error><Code>InternalError</Code><Message>no</Message></Error>'

BYTES: Final[dict[str, bytes]] = {
    "nothing": b"",
    "http 0.9": b"<html>hello</html>\r\n\r\n",
    "noise": Random(269).randbytes(3000),
    "tls alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "status 99": b"HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n",
    "status 1000": b"HTTP/1.1 1000 X\r\nContent-Length: 0\r\n\r\n",
    "version 9.9": b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "negative length": OK + b"Content-Length: -1\r\n\r\n",
    "plus length": OK + b"Content-Length: +5\r\n\r\nhello",
    "huge length": OK + b"Content-Length: 99999999999999999\r\n\r\nx",
    "impossible length": OK + b"Content-Length: " + b"9" * 60 + b"\r\n\r\nx",
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 5\r\n\r\nhello",
    "length and chunks": OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk of garbage": CHUNKED + b"zz\r\nhello\r\n",
    "negative chunk": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "huge chunk": CHUNKED + b"fffffffffffffffff\r\nhello",
    "chunk too long": CHUNKED + b"2\r\nhello\r\n0\r\n\r\n",
    "chunk without end": CHUNKED + b"5\r\nhello\r\n",
    "unknown transfer encoding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "header without colon": OK + b"no colon\r\n\r\n",
    "header with nul": OK + b"X-A: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "header of bytes": OK + b'ETag: "\xff\xfe"\r\nX-Amz-Checksum-CRC32: \xff\r\nContent-Length: 0\r\n\r\n',
    "header with spaces": OK + b"X A : b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "megabyte header": OK + b"X-A: " + b"a" * 2**20 + b"\r\n\r\n",
    "ten thousand headers": OK + b"".join(b"X-%d: a\r\n" % number for number in range(10_000)) + b"\r\n",
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello",
    "no content, with content": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
    "two answers": answer(500, XML) + answer(200, b"", 'ETag: "second"'),
    "basic login": answer(401, b"", 'WWW-Authenticate: Basic realm="x"'),
    "digest login": answer(401, b"", 'WWW-Authenticate: Digest realm="x", nonce="y", qop="auth"'),
    "proxy login": answer(407, b"", 'Proxy-Authenticate: Basic realm="x"'),
    "cookie": answer(500, XML, "Set-Cookie: session=evil; Path=/", 'Set-Cookie: "\x01=;;', "Connection: keep-alive"),
    "gzip bomb": answer(200, gzip.compress(bytes(50 * 2**20)), "Content-Encoding: gzip", 'ETag: "x"'),
    "deflate bomb": answer(500, zlib.compress(bytes(50 * 2**20)), "Content-Encoding: deflate"),
    "broken gzip": answer(200, b"\x1f\x8bnot gzip", "Content-Encoding: gzip"),
    "page": answer(200, b"<!doctype html><html>Please log in", "Content-Type: text/html"),
    "odd date": answer(
        403, XML.replace(b"InternalError", b"RequestTimeTooSkewed"), "Date: Fri, 31 Dec 9999 23:59:59 GMT"
    ),
    "odd wait": answer(503, XML, "Retry-After: 999999999", "X-Amz-Retry-After: 999999999"),
    "odd words": answer(400, XML, "x-amz-meta-a: =?\xe9?B?eA==?=", "Last-Modified: Mon, 99 Foo 0000 99:99:99 -9999"),
}


async def reset(peer: Peer) -> None:
    """Reset the connection instead of sending a response."""
    peer.reset()


async def reset_in_the_body(peer: Peer) -> None:
    """Reset the connection after half of the response."""
    peer.send(OK + b"Content-Length: 10\r\n\r\nhello")
    await peer._writer.drain()
    peer.reset()


async def drip(peer: Peer) -> None:
    """Send the head one byte a packet, so slowly that it never ends."""
    for byte in OK + b"X-Padding: " + b"x" * 10_000:
        peer.send(bytes([byte]))
        await peer._writer.drain()
        await _pause(peer)


async def _pause(peer: Peer) -> None:
    """Wait a short time for the client to disconnect."""
    import asyncio

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.02):
            await peer.read_to_end()


def endless(start: bytes, piece: bytes, times: float = math.inf) -> Evil:
    """Return what sends `piece` again and again, as fast as it is read, until the client leaves.

    After so many times it only holds the connection open: what takes long to read would keep the machine busy.
    """

    async def evil(peer: Peer) -> None:
        peer.send(start)
        with contextlib.suppress(ConnectionError):
            sent = 0
            while not peer._writer.is_closing() and sent < times:
                peer.send(piece)
                await peer._writer.drain()
                sent += 1
        await peer.read_to_end()

    return evil


ENDLESS: Final[dict[str, Evil]] = {
    "endless headers": endless(OK, b"X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 1000),
    "endless header": endless(OK + b"X-A: ", b"a" * 65536),
    "endless status line": endless(b"HTTP/1.1 200 ", b"a" * 65536),
    "endless line breaks": endless(b"", b"\r\n" * 32768),
    "endless interim answers": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 3),
    "endless early hints": endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n" * 1000, 3),
    "endless body": endless(OK + b'ETag: "x"\r\n\r\n', b" " * 65536),
    "endless error": endless(b"HTTP/1.1 500 No\r\n\r\n<Error>", b"<a>b</a>" * 8192),
    "endless refusal": endless(b"HTTP/1.1 403 No\r\nContent-Length: 99999999999\r\n\r\n", b" " * 65536),
    "endless chunks": endless(CHUNKED, (b"400\r\n" + b"a" * 1024 + b"\r\n") * 60),
    "endless chunk extension": endless(CHUNKED + b"5;", b"a" * 65536),
    "endless trailers": endless(CHUNKED + b"0\r\n", b"X-A: a\r\n" * 8000),
}


def sends(data: bytes) -> Evil:
    """Return a handler that sends these bytes, then closes."""

    async def evil(peer: Peer) -> None:
        peer.send(data)

    return evil


EVILS: Final[dict[str, Evil]] = {
    **{name: sends(data) for name, data in BYTES.items()},
    **ENDLESS,
    "reset": reset,
    "reset in the body": reset_in_the_body,
    "drip": drip,
}

_UPLOAD_ID: Final = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
_COMPLETED: Final = b'<CompleteMultipartUploadResult><ETag>"e-3"</ETag></CompleteMultipartUploadResult>'
HONEST: Final[dict[str, bytes]] = {
    "CreateMultipartUpload": answer(200, _UPLOAD_ID),
    "UploadPart": answer(200, b"", 'ETag: "e"'),
    "CompleteMultipartUpload": answer(200, _COMPLETED),
    "AbortMultipartUpload": b"HTTP/1.1 204 No Content\r\n\r\n",
    "ListParts": answer(404, b"<Error><Code>NoSuchUpload</Code></Error>"),
    "ListMultipartUploads": answer(200, b"<ListMultipartUploadsResult/>"),
    "PutObject": answer(200, b"", 'ETag: "e"'),
    "HeadObject": b"HTTP/1.1 404 Not Found\r\n\r\n",
}


_OF_AN_UPLOAD: Final = {
    "PUT": "UploadPart",
    "POST": "CompleteMultipartUpload",
    "DELETE": "AbortMultipartUpload",
    "GET": "ListParts",
}


def operation_of(head: bytes) -> str:
    """Return the name of a request's operation."""
    method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
    path, _, query = target.partition("?")
    names = [pair.partition("=")[0] for pair in query.split("&")]
    if "uploads" in names:
        return "CreateMultipartUpload" if method == "POST" else "ListMultipartUploads"
    if "uploadId" in names:
        return _OF_AN_UPLOAD[method]
    is_object = path.count("/") > 1 and not path.endswith("/")
    if method == "GET" and not is_object:
        return "ListBuckets" if path == "/" else "ListObjectsV2"
    return {"PUT": "Put", "HEAD": "Head", "GET": "Get", "DELETE": "Delete"}[method] + (
        "Object" if is_object else "Bucket"
    )
