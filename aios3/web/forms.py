"""Files of ``multipart/form-data`` requests, streamed one after the other, without a temporary file."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aios3.options import KIB

from ._requests.bodies import RequestBody, body_of
from ._requests.errors import FormError, FormLimitError, RequestError
from ._requests.form_parser import FormEvent, FormMark, FormParser, PartHead

__all__ = ["FormFile", "FormFiles", "iterate_form_files"]

_NO_FILE: Final = ""
"""Filename in the part of a file input in which the user chose no file."""


@dataclass(frozen=True, slots=True)
class _Limits:
    max_size: int | None
    max_files: int
    max_file_size: int | None
    max_fields: int
    max_field_size: int


def iterate_form_files(
    request: Any,
    *,
    max_size: int | None = None,
    max_files: int = 1000,
    max_file_size: int | None = None,
    max_fields: int = 100,
    max_field_size: int = 64 * KIB,
    max_headers: int = 16,
    max_header_size: int = 8 * KIB,
) -> FormFiles:
    """Iterate over the files of a ``multipart/form-data`` request while its body arrives.

    Pass each file to `upload_object_via_stream` as the source. The iteration skips what you did not read of a file.
    Nothing is written to disk. Memory holds one chunk of the body and the plain fields, at most
    ``max_fields * max_field_size`` bytes. Nothing is read before the first iteration. Each limit raises
    `FormLimitError` during the iteration.

    Args:
        request: a request of Starlette, FastAPI, Litestar or ``aiohttp.web``, or an ASGI pair ``(scope, receive)``.
        max_size: limit of the bytes of the whole body; ``None`` for any.
        max_files: limit of the number of files.
        max_file_size: limit of the bytes of each file; ``None`` for any.
        max_fields: limit of the number of plain fields.
        max_field_size: limit of the bytes of each plain field.
        max_headers: limit of the number of headers of each part.
        max_header_size: limit of the bytes of the name and the value of one header.

    Raises:
        TypeError: `request` is no request.
        RuntimeError: the body of the request was read before.
        ImportError: the extra ``web`` is not installed.
        NotAFormError: the request has another content type.
        FormError: the content type has no valid boundary.
    """
    body = body_of(request)
    parser = FormParser(body.content_type, max_headers=max_headers, max_header_size=max_header_size)
    return FormFiles(body, parser, _Limits(max_size, max_files, max_file_size, max_fields, max_field_size))


class FormFile:
    """File of a form, as an async iterator of its bytes. It is a source for uploads.

    An iteration that raises has not given all bytes: the client disconnected (`ClientDisconnectedError`), the body is
    no valid form (`FormError`) or exceeds a limit (`FormLimitError`), or the form has gone on to the next file
    (`RuntimeError`). An upload of the file is then aborted.
    """

    def __init__(self, form: FormFiles, head: PartHead) -> None:
        self._form = form
        self.name: str = head.name
        """Name of the form's input."""
        self.filename: str = head.filename or ""
        """Name that the client gives the file. Do not use it as a key or a path unchecked."""
        self.headers: Mapping[str, str] = head.headers
        """Headers of the part, by lower-case name."""
        self.size: int = 0
        """Bytes that have been read or skipped so far."""
        self._is_ended = False

    @property
    def content_type(self) -> str | None:
        """Content type that the client declares; ``None`` if it declares none."""
        return self.headers.get("content-type")

    def __aiter__(self) -> FormFile:
        return self

    async def __anext__(self) -> bytes:
        if self._is_ended:
            raise StopAsyncIteration
        chunk = await self._form._next_chunk(self)
        if chunk is None:
            self._is_ended = True
            raise StopAsyncIteration
        self.size += len(chunk)
        return chunk

    def __repr__(self) -> str:
        return f"FormFile(name={self.name!r}, filename={self.filename!r}, content_type={self.content_type!r})"


class FormFiles:
    """Async iterator of the files of a form, from `iterate_form_files`."""

    def __init__(self, body: RequestBody, parser: FormParser, limits: _Limits) -> None:
        self._body, self._parser, self._limits = body, parser, limits
        self.fields: dict[str, list[str]] = {}
        """Plain fields so far, by name, in the order of the form. It has all fields when the iteration has ended."""
        self._events: deque[FormEvent] = deque()
        self._file: FormFile | None = None
        self._files_seen = self._fields_seen = self._bytes_read = 0
        self._is_ended = False
        self._has_failed = False

    def __aiter__(self) -> FormFiles:
        return self

    async def __anext__(self) -> FormFile:
        """Return the next file, after skipping what was not read of the current one.

        Raises:
            ClientDisconnectedError: the client has gone.
            FormLimitError: the form exceeds a limit.
            FormError: the body is no valid form, or ends before the form does.
        """
        while (file := self._file) is not None and (chunk := await self._next_chunk(file)) is not None:
            file.size += len(chunk)
        while not self._is_ended:
            head = await self._next_event()
            if head is FormMark.FORM_END:
                self._is_ended = True
            elif isinstance(head, PartHead) and (file := await self._begin_part(head)) is not None:
                return file
        raise StopAsyncIteration

    async def _begin_part(self, head: PartHead) -> FormFile | None:
        if head.filename is None:
            await self._collect_field(head.name)
            return None
        self._files_seen += 1
        self._check("max_files", self._limits.max_files, self._files_seen)
        file = FormFile(self, head)
        self._file = None if head.filename == _NO_FILE else file
        return self._file

    async def _collect_field(self, name: str) -> None:
        self._fields_seen += 1
        self._check("max_fields", self._limits.max_fields, self._fields_seen)
        value = bytearray()
        while isinstance(chunk := await self._next_event(), bytes):
            value += chunk
            self._check("max_field_size", self._limits.max_field_size, len(value))
        try:
            self.fields.setdefault(name, []).append(value.decode())
        except UnicodeDecodeError:
            raise self._failed(FormError(f"the field {name!r:.80} is not UTF-8")) from None

    async def _next_chunk(self, file: FormFile) -> bytes | None:
        """Return the next bytes of the current file; ``None`` at its end."""
        if self._file is not file:
            raise RuntimeError(f"the rest of {file!r} was skipped: read each file before you ask for the next")
        event = await self._next_event()
        if not isinstance(event, bytes):
            self._file = None
            return None
        self._check("max_file_size", self._limits.max_file_size, file.size + len(event))
        return event

    async def _next_event(self) -> FormEvent:
        while not self._events:
            if self._has_failed:
                raise FormError("an earlier error has ended this form")
            try:
                self._events.extend(self._parser.feed(await self._read()))
            except RequestError as error:
                raise self._failed(error) from error.__cause__
        return self._events.popleft()

    async def _read(self) -> bytes:
        self._check("max_size", self._limits.max_size, self._body.length or 0)
        chunk = await self._body.next_chunk()
        if not chunk:
            raise FormError("the body ends before the form does")
        self._bytes_read += len(chunk)
        self._check("max_size", self._limits.max_size, self._bytes_read)
        return chunk

    def _check(self, limit: str, maximum: int | None, value: int) -> None:
        if maximum is not None and value > maximum:
            raise self._failed(FormLimitError(limit, maximum))

    def _failed(self, error: RequestError) -> RequestError:
        """Return the error, after which the form gives nothing more."""
        self._has_failed = True
        self._events.clear()
        return error
