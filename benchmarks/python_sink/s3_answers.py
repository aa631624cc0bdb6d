"""What the sink answers: as much of S3 as an upload needs. Sizes are kept, bytes are not."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from itertools import count
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree as ET

from benchmarks.python_sink.framing import Body, Chunked, Collector, Counter, FixedLength

__all__ = ["Answer", "Exchange", "Store"]

_STATISTICS_PATH: Final = "/-/statistics"
_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(slots=True)
class Answer:
    """One response. ``length`` is for HEAD, which announces a body it does not send."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None

    def encode(self) -> bytes:
        """Return the response as it goes over the wire."""
        length = len(self.body) if self.length is None else self.length
        lines = [f"HTTP/1.1 {self.status} -", f"Content-Length: {length}", "x-amz-request-id: SINK"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class Exchange:
    """One request: its head, and its body as far as it has come."""

    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, target, _ = first.split(" ", 2)
        parts = urlsplit(target)
        self.path = unquote(parts.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        pairs = (line.partition(":") for line in lines)
        self.headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        self.payload: Counter | Collector = Collector() if self.method == "POST" else Counter()
        self.body = self._framing()

    def _framing(self) -> Body:
        inside = "aws-chunked" in self.headers.get("content-encoding", "")
        consumer = Chunked(self.payload) if inside else self.payload
        if "chunked" in self.headers.get("transfer-encoding", ""):
            return Chunked(consumer)
        return FixedLength(int(self.headers.get("content-length", 0)), consumer)


class Store:
    """Objects and uploads by size, and the answers about them."""

    def __init__(self) -> None:
        self.bytes_received = 0
        self.connections = 0
        self.tls: str | None = None
        self._ids = count(1)
        self._objects: dict[str, tuple[int, str]] = {}
        self._uploads: dict[str, dict[int, tuple[int, str]]] = {}
        self._paths: dict[str, str] = {}
        self._requests = 0

    def answer(self, exchange: Exchange) -> Answer:
        """Return the answer to a request whose body has come in full."""
        if isinstance(exchange.payload, Counter):
            self.bytes_received += exchange.payload.size
        self._requests += exchange.path != _STATISTICS_PATH
        handler = {
            "PUT": self._upload_part if "partNumber" in exchange.query else self._put_object,
            "POST": self._create if "uploads" in exchange.query else self._complete,
            "DELETE": self._abort,
            "HEAD": self._head_object,
            "GET": self._statistics if exchange.path == _STATISTICS_PATH else self._list_parts,
        }.get(exchange.method)
        return handler(exchange) if handler else _error(405, "MethodNotAllowed")

    def _put_object(self, exchange: Exchange) -> Answer:
        size = _size(exchange)
        # The suffix keeps clients from taking it for the object's MD5.
        etag = f'"{size:032x}-1"'
        self._objects[exchange.path] = size, etag
        return Answer(200, headers={"ETag": etag})

    def _create(self, exchange: Exchange) -> Answer:
        upload_id = f"upload-{next(self._ids)}"
        self._uploads[upload_id] = {}
        self._paths[upload_id] = exchange.path
        bucket, _, key = exchange.path[1:].partition("/")
        return _document(
            "InitiateMultipartUploadResult",
            f"<Bucket>{bucket}</Bucket><Key>{key}</Key><UploadId>{upload_id}</UploadId>",
        )

    def _upload_part(self, exchange: Exchange) -> Answer:
        parts = self._uploads.get(exchange.query["uploadId"])
        if parts is None:
            return _error(404, "NoSuchUpload")
        number, size = int(exchange.query["partNumber"]), _size(exchange)
        etag = f'"{number:016x}{size:016x}"'
        parts[number] = size, etag
        return Answer(200, headers={"ETag": etag})

    def _complete(self, exchange: Exchange) -> Answer:
        assert isinstance(exchange.payload, Collector)
        upload_id = exchange.query.get("uploadId", "")
        parts = self._uploads.get(upload_id)
        if parts is None:
            return _error(404, "NoSuchUpload")
        listed = _listed_parts(bytes(exchange.payload.data))
        # Not what a store does: bytes sent in a part that is not listed were sent for nothing, which a benchmark
        # must not hide.
        if listed != {number: etag for number, (_, etag) in parts.items()}:
            return _error(400, "InvalidPart")
        del self._uploads[upload_id]
        tags = b"".join(bytes.fromhex(etag.strip('"')) for _, (_, etag) in sorted(parts.items()))
        etag = f'"{hashlib.md5(tags, usedforsecurity=False).hexdigest()}-{len(parts)}"'
        self._objects[exchange.path] = sum(size for size, _ in parts.values()), etag
        return _document("CompleteMultipartUploadResult", f"<ETag>{etag}</ETag>")

    def _abort(self, exchange: Exchange) -> Answer:
        if exchange.path == _STATISTICS_PATH:
            self._objects.clear()
            self._uploads.clear()
            return Answer(204)
        known = self._uploads.pop(exchange.query.get("uploadId", ""), None) is not None
        return Answer(204) if known else _error(404, "NoSuchUpload")

    def _head_object(self, exchange: Exchange) -> Answer:
        if exchange.path not in self._objects:
            return Answer(404)
        size, etag = self._objects[exchange.path]
        return Answer(200, headers={"ETag": etag}, length=size)

    def _list_parts(self, exchange: Exchange) -> Answer:
        parts = self._uploads.get(exchange.query.get("uploadId", ""))
        if parts is None:
            return _error(404, "NoSuchUpload")
        rows = (
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag><Size>{size}</Size></Part>"
            for number, (size, etag) in sorted(parts.items())
        )
        return _document("ListPartsResult", f"<IsTruncated>false</IsTruncated>{''.join(rows)}")

    def _statistics(self, exchange: Exchange) -> Answer:
        prefix = exchange.query.get("prefix", "")
        sizes = [size for path, (size, _) in self._objects.items() if path.startswith(prefix)]
        figures = {
            "objects": len(sizes),
            "bytes": sum(sizes),
            "least": min(sizes, default=0),
            "most": max(sizes, default=0),
            "open_uploads": sum(self._paths[upload_id].startswith(prefix) for upload_id in self._uploads),
            "bytes_received": self.bytes_received,
            "requests": self._requests,
            "throttled": 0,
            "connections": self.connections,
            "cpu_seconds": time.process_time(),
            "tls": self.tls or "",
        }
        return Answer(200, json.dumps(figures).encode())


def _size(exchange: Exchange) -> int:
    assert isinstance(exchange.payload, Counter)
    return exchange.payload.size


def _listed_parts(document: bytes) -> dict[int, str]:
    listed = {}
    for part in ET.fromstring(document).iterfind("{*}Part"):
        number = int(part.findtext("{*}PartNumber", ""))
        listed[number] = '"' + part.findtext("{*}ETag", "").strip('"') + '"'
    return listed


def _document(name: str, inside: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="{_NAMESPACE}">{inside}</{name}>'
    return Answer(200, body.encode(), {"Content-Type": "application/xml"})


def _error(status: int, code: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})
