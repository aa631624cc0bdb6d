"""Kinds of sources: the objects that can be read, as types and at run time, and the way to read each.

Buffers are used as bytes. Objects with a ``read(n)`` are read by it; other objects are iterated. Bodies of web
frameworks and HTTP clients that have neither are recognized by their methods, because no such library is imported.
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
"""Size in bytes of the pieces that a source gives in a requested size."""

_FIELD_NAMES: Final = re.compile(":[^:]*:")
"""Field names in the format of a buffer."""


class Buffer(Protocol):
    """Bytes-like object: `bytes`, `bytearray`, `memoryview`, arrays, and all others with the buffer protocol."""

    def __buffer__(self, flags: int, /) -> memoryview:
        """Return the memory."""


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
"""Type of the objects that can be uploaded."""


def is_buffer(source: object) -> TypeGuard[Buffer]:
    """Return whether `source` has the buffer protocol.

    Raises:
        ValueError, BufferError: `source` has it, but cannot give its bytes, because it is closed, for example.
    """
    if isinstance(source, bytes | bytearray):
        return True
    try:
        memoryview(source).release()  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def as_view(chunk: object) -> memoryview:
    """Return the bytes of a buffer in C order, without a copy if they are in that order.

    Raises:
        TypeError: `chunk` has no buffer protocol, or holds Python objects.
    """
    if type(chunk) is bytes:  # the usual case first, because it is cheap
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
    """Return the object to read and close instead of `source`; usually `source` itself.

    For a file of aiofiles it is the file inside, because a cancelled read of aiofiles continues unseen in its thread.
    For a blocking response of httpx it is the iterator of its bytes, because the response has no asynchronous close.
    """
    if isinstance(source, AsyncBase):
        return getattr(source, "_file", source)
    if _has_method(source, "aiter_bytes") and _has_method(source, "iter_bytes"):
        stream = getattr(source, "stream", None)
        if hasattr(stream, "__iter__") and not hasattr(stream, "__aiter__"):
            return source.iter_bytes()
    return source


def readable_of(source: object) -> object:
    """Return the object to read for a source that is no buffer: it has a ``read(n)``, or it can be iterated.

    Raises:
        TypeError: `source` cannot be read; the error says what to pass instead, if that is known.
    """
    name, read = type(source).__name__, getattr(source, "read", None)
    if read is None and hasattr(source, "__aiter__"):  # the usual case first, because it is cheap
        return source
    _refuse_lookalikes(source)
    if callable(read) and _takes_size(read):
        return source
    if (body := _body_of(source)) is not None:
        return body
    if isinstance(source, Mapping | Set):  # after `_body_of`, because requests of web frameworks are mappings
        raise TypeError(f"a {name} is not a source: its items have no order of bytes")
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
    if inspect.isbuiltin(read):  # the reads of files do, and a check costs more than a read
        return True
    try:
        inspect.signature(read).bind(1)
    except TypeError:
        return False
    except ValueError:  # compiled code without a signature
        return True
    return True


def _body_of(source: Any) -> Any:
    """Return the body of a request, of a response or of a part, found by its method; ``None`` for other objects."""
    if _has_method(source, "aiter_bytes"):  # httpx
        return source.aiter_bytes()
    if _has_method(source, "iter_content"):  # requests, whose `content` would read all at once
        return source.iter_content(_PIECE_SIZE)
    if _has_method(source, "read_chunk"):  # a part of aiohttp
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
    """Adapter for a part of a multipart body of aiohttp, with a usual ``read(n)``."""

    _LEAST = 8 * KIB
    """Smallest read in bytes, because aiohttp looks for the boundary in each chunk."""
    _MOST_EMPTY = 4
    """Empty chunks in a row after which a part without an end is given up. Some releases of aiohttp do not."""

    def __init__(self, part: Any) -> None:
        self._part = part

    async def read(self, size: int) -> bytes:
        for _ in range(self._MOST_EMPTY):
            try:
                chunk: bytes = await self._part.read_chunk(max(size, self._LEAST))
            except AssertionError as error:  # of releases of aiohttp that check the body by assertions
                raise ValueError(str(error)) from error
            if chunk or self._part.at_eof():  # a truncated body gives an empty chunk before its end
                return chunk
        raise ValueError("the part ends without its boundary")


def _refuse_lookalikes(source: object) -> None:
    """Refuse objects that could be iterated, but are passed by mistake."""
    name = type(source).__name__
    if isinstance(source, str):
        raise TypeError("a source must be bytes, not str; for a path use upload_object")
    if isinstance(source, io.TextIOBase):
        raise TypeError("a file must be opened in binary mode to be a source")
    if hasattr(source, "__array__") or hasattr(source, "__dlpack__"):
        raise TypeError(f"a {name} without the buffer protocol is not a source: pass its bytes")
    if inspect.iscoroutine(source):
        source.close()
        raise TypeError("a coroutine is not a source; await it first")
    if inspect.isasyncgenfunction(source) or inspect.isgeneratorfunction(source):
        raise TypeError("a generator function is not a source; call it first")
