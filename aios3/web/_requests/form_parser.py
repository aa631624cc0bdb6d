"""Parser of ``multipart/form-data``: chunks of a body in, heads of parts and their bytes out, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from aios3.models import FrozenDict

from .errors import FormError, FormLimitError, NotAFormError

__all__ = ["FormEvent", "FormMark", "FormParser", "PartHead"]

_PIECE: Final = 64 * 1024
"""Bytes that are parsed at once, which bounds the events of one step."""

_PLAIN_ENCODINGS: Final = frozenset({"", "7bit", "8bit", "binary"})
"""Values of Content-Transfer-Encoding that change no byte. Browsers never send others."""


class FormMark(Enum):
    """Event without a value."""

    PART_END = auto()
    FORM_END = auto()


@dataclass(frozen=True, slots=True)
class PartHead:
    """Headers of one part of a form."""

    name: str
    filename: str | None
    """Name that the client gives the file; ``None`` for a plain field."""
    headers: Mapping[str, str]
    """Headers of the part by lower-case name."""


FormEvent = PartHead | bytes | FormMark


class FormParser:
    """Incremental parser with limits for everything that precedes the bytes of a part."""

    def __init__(self, content_type: str | None, *, max_headers: int, max_header_size: int) -> None:
        """Begin a form.

        Raises:
            NotAFormError: `content_type` is not ``multipart/form-data``.
            FormError: it has no boundary, or an invalid one.
        """
        try:
            from python_multipart import exceptions, multipart
        except ImportError as error:
            raise ImportError("forms need the extra web: pip install 'aios3-upload[web]'") from error
        self._library, self._parse_error = multipart, exceptions.FormParserError
        kind, options = multipart.parse_options_header(content_type)
        if kind != b"multipart/form-data":
            raise NotAFormError("the request has no body of type multipart/form-data")
        boundary = options.get(b"boundary", b"")
        if not boundary:
            raise FormError("the Content-Type has no boundary")
        self._max_headers, self._max_header_size = max_headers, max_header_size
        self._events: list[FormEvent] = []
        self._headers: dict[str, str] = {}
        self._name, self._value = bytearray(), bytearray()
        self._parser = self._begin(boundary)

    def _begin(self, boundary: bytes) -> Any:
        callbacks: Any = {
            "on_part_begin": self._headers.clear,
            "on_header_field": lambda data, start, end: self._header_bytes(self._name, data[start:end]),
            "on_header_value": lambda data, start, end: self._header_bytes(self._value, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": lambda data, start, end: self._events.append(data[start:end]),
            "on_part_end": lambda: self._events.append(FormMark.PART_END),
            "on_end": lambda: self._events.append(FormMark.FORM_END),
        }
        try:
            return self._library.MultipartParser(
                boundary,
                callbacks,
                max_header_count=self._max_headers + 1,  # so that the limits here are the ones that are named
                max_header_size=self._max_header_size + 1024,
            )
        except self._parse_error as error:
            raise FormError(f"the boundary is invalid: {error}") from None

    def feed(self, chunk: bytes) -> list[FormEvent]:
        """Return the events of the next bytes. What follows the last boundary is ignored.

        Raises:
            FormError: the bytes are not a form.
            FormLimitError: a part has too many or too long headers.
        """
        self._events = []
        try:
            for start in range(0, len(chunk), _PIECE):
                piece = chunk if len(chunk) <= _PIECE else chunk[start : start + _PIECE]
                self._parser.write(piece)
                if self._events and self._events[-1] is FormMark.FORM_END:
                    break
        except self._parse_error as error:
            raise FormError(f"the form is invalid: {error}") from None
        return self._events

    def _header_bytes(self, target: bytearray, data: bytes) -> None:
        target += data
        if len(self._name) + len(self._value) > self._max_header_size:
            raise FormLimitError("max_header_size", self._max_header_size)

    def _end_header(self) -> None:
        name, value = _text(self._name).lower(), _text(self._value)
        self._name.clear()
        self._value.clear()
        if name in self._headers:
            raise FormError(f"a part has two headers {name}")
        self._headers[name] = value
        if len(self._headers) > self._max_headers:
            raise FormLimitError("max_headers", self._max_headers)

    def _end_headers(self) -> None:
        headers = FrozenDict(self._headers)
        if headers.get("content-transfer-encoding", "").lower() not in _PLAIN_ENCODINGS:
            raise FormError("a part has a Content-Transfer-Encoding, which forms do not have")
        disposition = headers.get("content-disposition", "").encode()
        kind, options = self._library.parse_options_header(disposition)
        name, filename = options.get(b"name"), options.get(b"filename")
        if kind != b"form-data" or name is None:
            raise FormError("a part has no name")
        self._events.append(PartHead(_text(name), None if filename is None else _text(filename), headers))


def _text(data: bytes | bytearray) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise FormError("a header of a part is not UTF-8") from None
