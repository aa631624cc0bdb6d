"""Messages of `DirectUploads`: bounded requests in, JSON and XML responses out."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from html import escape, unescape
from typing import Any, Final
from urllib.parse import parse_qsl

from aios3.models import UploadedPart
from aios3.options import KIB, MIB
from aios3.web._requests.bodies import Receive, Scope, Send, body_of
from aios3.web._requests.errors import RequestError
from aios3.web._requests.streams import send_chunks

__all__ = [
    "MOST_COMPLETION",
    "MOST_PARTS",
    "DeclaredFile",
    "RefusedError",
    "Response",
    "content_type_of",
    "declared_file",
    "json_response",
    "part_number",
    "part_numbers",
    "parts_of_json",
    "parts_of_xml",
    "query_of",
    "read_body",
    "read_json",
    "send_response",
    "xml_response",
]

MOST_PARTS: Final = 10_000
MOST_BODY: Final = 32 * KIB
"""Bytes of a request about an upload."""
MOST_COMPLETION: Final = 2 * MIB
"""Bytes of the list of all parts."""
MOST_QUERY: Final = 16 * KIB
MOST_BATCH: Final = 200
"""Part numbers of one batch."""
MOST_METADATA: Final = 2 * KIB
"""Bytes of all names and values of the metadata, with file name and type. They travel in every token."""

_TYPE: Final = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}(?:\s*;[\x20-\x7e]{1,200})?", re.ASCII)
_METADATA_NAME: Final = re.compile(r"metadata\[([^\]]*)\]")
_PART: Final = re.compile(r"<PartNumber>(\d{1,5})</PartNumber>\s*<ETag>([^<]{0,200})</ETag>")


class RefusedError(RequestError):
    """The request is refused with a status of its own."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class DeclaredFile:
    """What a client says of the file that it wants to upload."""

    metadata: Mapping[str, str]
    """Metadata of the client, with ``filename`` and ``type`` if they are known."""
    content_type: str
    size: int | None
    """Size in bytes; ``None`` if the client does not declare it."""


def query_of(scope: Scope) -> dict[str, str]:
    """Return the query of a request by name; of repeated names the last counts."""
    text = bytes(scope.get("query_string", b""))
    if len(text) > MOST_QUERY:
        raise RefusedError(414, f"the query has more than {MOST_QUERY} bytes")
    try:
        return dict(parse_qsl(text.decode("ascii"), keep_blank_values=True, max_num_fields=100, errors="strict"))
    except ValueError:
        raise RefusedError(400, "the query is invalid") from None


async def read_body(scope: Scope, receive: Receive, limit: int = MOST_BODY) -> bytes:
    """Return the whole body of a request.

    Raises:
        RefusedError: it has more than `limit` bytes.
        ClientDisconnectedError: the client has gone.
    """
    body = body_of((scope, receive))
    content = bytearray()
    while chunk := await body.next_chunk():
        content += chunk
        if len(content) > limit:
            raise RefusedError(413, f"the request has more than {limit} bytes")
    return bytes(content)


async def read_json(scope: Scope, receive: Receive, limit: int = MOST_BODY) -> dict[str, Any]:
    """Return the JSON object in the body of a request."""
    try:
        value = json.loads(await read_body(scope, receive, limit) or b"{}")
    except (ValueError, RecursionError):
        raise RefusedError(400, "the body is not JSON") from None
    if not isinstance(value, dict):
        raise RefusedError(400, "the body is not a JSON object")
    return value


def declared_file(known: Mapping[str, Any]) -> DeclaredFile:
    """Read ``filename``, ``type``, ``size``, ``metadata`` of a JSON object, or of a query with ``metadata[name]``."""
    given = known.get("metadata")
    if given is None:
        given = {found[1]: value for name, value in known.items() if (found := _METADATA_NAME.fullmatch(name))}
    if not isinstance(given, Mapping):
        raise RefusedError(400, "metadata is not an object")
    texts = {name: _metadata_text(name, value) for name, value in given.items() if value is not None}
    for name in ("filename", "type"):
        if known.get(name) is not None:
            texts[name] = _metadata_text(name, known[name])
    if sum(
        len(name.encode(errors="replace")) + len(value.encode(errors="replace")) for name, value in texts.items()
    ) > (MOST_METADATA):
        raise RefusedError(413, f"the metadata has more than {MOST_METADATA} bytes")
    size = known["size"] if known.get("size") is not None else texts.get("size")
    return DeclaredFile(texts, content_type_of(texts.get("type")), None if size in (None, "") else _size(size))


def _metadata_text(name: str, value: object) -> str:
    if not isinstance(value, str | int | float):
        raise RefusedError(400, f"metadata {name!r:.80} is neither text nor a number")
    text = str(value)
    if any(0xD800 <= ord(character) < 0xE000 for character in name + text):
        raise RefusedError(400, f"metadata {name!r:.80} is not Unicode text")
    return text


def content_type_of(text: str | None) -> str:
    """Return a content type that may become a header."""
    if not text:
        return "application/octet-stream"
    if not _TYPE.fullmatch(text):
        raise RefusedError(400, "the content type is invalid")
    return text


def _size(value: object) -> int:
    text = str(value)
    if isinstance(value, bool | float) or not text.isascii() or not text.isdigit() or len(text) > 15:
        raise RefusedError(400, "size is not a number of bytes")
    return int(text)


def part_number(value: object) -> int:
    """Return a part number, from 1 to 10,000."""
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or len(text) > 5:
        raise RefusedError(400, "the part number is not a number")
    if not 1 <= int(text) <= MOST_PARTS:
        raise RefusedError(400, f"a part number is from 1 to {MOST_PARTS}")
    return int(text)


def part_numbers(text: str) -> list[int]:
    """Return the part numbers of a batch, which are separated by commas."""
    numbers = text.split(",", MOST_BATCH)
    if len(numbers) > MOST_BATCH:
        raise RefusedError(400, f"a batch has at most {MOST_BATCH} part numbers")
    return [part_number(number) for number in numbers]


def parts_of_json(known: Mapping[str, Any]) -> dict[int, str]:
    """Return the ETags that a client has seen, by part number."""
    parts = known.get("parts")
    if not isinstance(parts, list) or len(parts) > MOST_PARTS or not all(isinstance(part, dict) for part in parts):
        raise RefusedError(400, "parts is not a list of parts")
    return {part_number(part.get("PartNumber")): str(part.get("ETag")).strip('"') for part in parts}


def parts_of_xml(body: bytes) -> dict[int, str]:
    """Return the ETags of the body of a CompleteMultipartUpload, by part number. No XML parser reads it."""
    found = _PART.findall(body.decode(errors="replace"))
    return {part_number(number): unescape(etag).strip('"') for number, etag in found}


@dataclass(frozen=True, slots=True)
class Response:
    """Response to a client."""

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: AsyncGenerator[bytes] | None = field(default=None, repr=False)
    """Body that is made while it is sent; ``None`` if it is `body`."""


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response of JSON."""
    return Response(status, json.dumps(value, separators=(",", ":")).encode(), headers=headers or {})


def xml_response(name: str, children: Mapping[str, object], parts: list[UploadedPart] | None = None) -> Response:
    """Return a response as S3 sends it: an element with texts, and with parts."""
    inner = "".join(f"<{child}>{escape(str(text))}</{child}>" for child, text in children.items())
    for part in parts or ():
        etag = escape(f'"{part.etag}"')
        inner += f"<Part><PartNumber>{part.number}</PartNumber><ETag>{etag}</ETag><Size>{part.size}</Size></Part>"
    return Response(200, f"<{name}>{inner}</{name}>".encode(), "application/xml")


async def send_response(response: Response, receive: Receive, send: Send) -> None:
    """Send a response that no cache may keep, because presigned URLs are secrets."""
    headers = {"cache-control": "no-store", **{name.lower(): value for name, value in response.headers.items()}}
    if response.status != 204:
        headers["content-type"] = response.content_type
    if response.status != 204 and response.chunks is None:
        headers["content-length"] = str(len(response.body))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": raw})
    if response.chunks is None:
        await send({"type": "http.response.body", "body": response.body})
    else:
        await send_chunks(receive, send, response.chunks)
