"""Kinds of sources: which objects can be read, as types and at run time, and what is read of each.

Buffers are bytes as they are. What has a ``read(n)`` is read by it; other
objects are iterated. The bodies of web frameworks and HTTP clients that have
neither are known by what they look like, so that none of them is imported.
"""

from __future__ import annotations

import inspect
import io
import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Set
from typing import Any, Final, Protocol, TypeGuard

from aiofiles.base import AsyncBase

from aios3.options import KIB

__all__ = ["Buffer", "Source", "as_view", "inner_source", "is_buffer", "readable_of"]

_PIECE_SIZE: Final = 64 * KIB
"""Bytes asked of what gives pieces of a size for the asking."""

_FIELD_NAMES: Final = re.compile(":[^:]*:")
"""In the format of a buffer."""


class Buffer(Protocol):
    """Bytes-like: `bytes`, `bytearray`, `memoryview`, arrays, whatever has the buffer protocol."""

    def __buffer__(self, flags: int, /) -> memoryview:
        """Return the memory."""
        ...  # pragma: no cover - a protocol has no body


class _Reader(Protocol):
    """A file or a stream reader, asynchronous or blocking; an empty read is its end."""

    def read(self, size: int, /) -> Buffer | Awaitable[Buffer]: ...  # pragma: no cover


class _HasContent(Protocol):
    """A response or a request of aiohttp."""

    @property
    def content(self) -> _Reader: ...  # pragma: no cover


class _ReadsChunks(Protocol):
    """A part of a multipart body of aiohttp."""

    async def read_chunk(self, size: int = ..., /) -> bytes: ...  # pragma: no cover


class _IteratesBytes(Protocol):
    """A response of httpx."""

    def aiter_bytes(self) -> AsyncIterator[bytes]: ...  # pragma: no cover


class _Streams(Protocol):
    """A request of Starlette or FastAPI."""

    def stream(self) -> AsyncIterator[bytes]: ...  # pragma: no cover


Source = (
    AsyncIterable[Buffer] | Iterable[Buffer] | Buffer | _Reader | _HasContent | _ReadsChunks | _IteratesBytes | _Streams
)
"""What can be uploaded."""


def is_buffer(source: object) -> TypeGuard[Buffer]:
    """Return whether `source` has the buffer protocol.

    Raises:
        ValueError, BufferError: it has, but cannot give its bytes: it is closed, for example.
    """
    if isinstance(source, bytes | bytearray):
        return True
    try:
        memoryview(source).release()  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def as_view(chunk: object) -> memoryview:
    """Return the bytes of a buffer, in C order, without a copy where they lie so.

    Raises:
        TypeError: it has no buffer protocol, or holds Python objects.
    """
    if type(chunk) is bytes:  # the usual case, which needs no look
        return memoryview(chunk)
    try:
        view = memoryview(chunk)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"the source gave {type(chunk).__name__}, but its chunks must be bytes-like") from None
    if view.ndim == 1 and view.format == "B" and view.c_contiguous:
        return view
    if "O" in _FIELD_NAMES.sub("", view.format):
        raise TypeError(f"the source gave {type(chunk).__name__} of Python objects, whose bytes are addresses")
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


def inner_source(source: Any) -> object:
    """Return what is to be read, and closed, in the place of `source`; mostly that itself.

    Of aiofiles the file: a read of theirs that is cancelled goes on in its thread, where it cannot be seen. Of a
    blocking response of httpx its bytes: it cannot be closed asynchronously.
    """
    if isinstance(source, AsyncBase):
        return getattr(source, "_file", source)
    if _has_method(source, "aiter_bytes") and _has_method(source, "iter_bytes"):
        stream = getattr(source, "stream", None)
        if hasattr(stream, "__iter__") and not hasattr(stream, "__aiter__"):
            return source.iter_bytes()
    return source


def readable_of(source: object) -> object:
    """Return what to read of a source that is no buffer: it has a ``read(n)``, or it can be iterated.

    Raises:
        TypeError: it is no source; the error says what to pass instead, if that is known.
    """
    name, read = type(source).__name__, getattr(source, "read", None)
    if read is None and hasattr(source, "__aiter__"):  # the usual case, which needs no look
        return source
    _refuse_lookalikes(source)
    if callable(read) and _takes_size(read):
        return source
    if (body := _body_of(source)) is not None:
        return body
    if isinstance(source, Mapping | Set):  # requests of web frameworks are, besides
        raise TypeError(f"a {name} is no source: its items have no order of bytes")
    if callable(read):
        raise TypeError(
            f"cannot read from {name}: its read() does not take a number of bytes; pass an async iterator over its "
            "bytes, or an object whose read(n) returns at most n of them"
        )
    if hasattr(source, "__iter__"):
        return source
    raise TypeError(
        f"cannot read from {name}: a source is an async or sync iterable of bytes, bytes-like, "
        "or something with read(n)"
    )


def _takes_size(read: Callable[..., object]) -> bool:
    if inspect.isbuiltin(read):  # those of files do, and to look costs more than a read
        return True
    try:
        inspect.signature(read).bind(1)
    except TypeError:
        return False
    except ValueError:  # it is compiled, and does not say
        return True
    return True


def _body_of(source: Any) -> Any:
    """Return the body of a request, a response or a part of one, by what its library calls it; ``None`` of others."""
    if _has_method(source, "aiter_bytes"):  # httpx
        return source.aiter_bytes()
    if _has_method(source, "iter_content"):  # requests, whose `content` would read all at once
        return source.iter_content(_PIECE_SIZE)
    if _has_method(source, "read_chunk"):  # a part of aiohttp's
        return _Part(source)
    if inspect.isasyncgenfunction(getattr(source, "stream", None)):  # Starlette
        return source.stream()
    if inspect.iscoroutinefunction(getattr(source, "read", None)):
        content = getattr(source, "content", None)  # aiohttp
        if callable(read := getattr(content, "read", None)) and _takes_size(read):
            return content
    return None


def _has_method(source: object, name: str) -> bool:
    return callable(getattr(source, name, None))


class _Part:
    """A part of a multipart body of aiohttp, with a ``read(n)`` as all have it."""

    _LEAST = 8 * KIB
    """Bytes that it must be asked for at least: it looks for its boundary in them."""

    def __init__(self, part: Any) -> None:
        self._part = part

    async def read(self, size: int) -> bytes:
        while True:
            chunk: bytes = await self._part.read_chunk(max(size, self._LEAST))
            if chunk or self._part.at_eof():  # an empty chunk before its end is that of a body that breaks off
                return chunk


def _refuse_lookalikes(source: object) -> None:
    """Refuse what could be iterated but cannot be meant."""
    name = type(source).__name__
    if isinstance(source, str):
        raise TypeError("a source must be bytes, not str; for a path use upload_object")
    if isinstance(source, io.TextIOBase):
        raise TypeError("a file must be opened in binary mode to be a source")
    if hasattr(source, "__array__") or hasattr(source, "__dlpack__"):
        raise TypeError(f"a {name} without the buffer protocol is no source: pass its bytes")
    if inspect.iscoroutine(source):
        source.close()
        raise TypeError("a coroutine is no source; await it first")
    if inspect.isasyncgenfunction(source) or inspect.isgeneratorfunction(source):
        raise TypeError("a generator function is no source; call it first")
