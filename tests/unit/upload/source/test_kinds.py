"""Kinds of sources: bodies of web libraries, buffers, and objects that are refused with what to pass instead."""

from __future__ import annotations

import array
import ctypes
import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from starlette.requests import Request

from aios3._upload.source.kinds import is_buffer, readable_of
from aios3._upload.source.readers import SourceReader
from tests.support.fakes import read_all

CONTENT = bytes(range(256)) * 300
PIECES = [CONTENT[:10], b"", CONTENT[10:50_000], CONTENT[50_000:]]


async def pieces() -> AsyncIterator[bytes]:
    for piece in PIECES:
        yield piece


class Httpx:
    """As a response of httpx: ``read`` takes no size, and ``content`` raises until it is read."""

    class _Async:
        def __aiter__(self) -> AsyncIterator[bytes]:
            return pieces()

    class _Blocking:
        def __iter__(self) -> Iterator[bytes]:
            return iter(PIECES)

    def __init__(self, *, is_async: bool) -> None:
        self.stream = self._Async() if is_async else self._Blocking()
        self.is_closed = False

    @property
    def content(self) -> bytes:
        raise RuntimeError("not read yet")

    def read(self) -> bytes:
        raise RuntimeError("not this one")

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        async for piece in self.stream:  # type: ignore[union-attr]
            yield piece

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        yield from self.stream  # type: ignore[misc]

    async def aclose(self) -> None:
        if isinstance(self.stream, self._Blocking):
            raise RuntimeError("Attempted to call an async close on a sync stream.")
        self.is_closed = True


class Requests:
    @property
    def content(self) -> bytes:
        raise AssertionError("all at once")

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("in tiny pieces")

    def iter_content(self, chunk_size: int) -> Iterator[bytes]:
        assert chunk_size >= 4096
        yield from PIECES


def starlette_request() -> Request:
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in PIECES]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        return messages.pop(0)

    return Request({"type": "http", "method": "PUT", "headers": []}, receive)


@pytest.mark.parametrize(
    "make", [lambda: Httpx(is_async=True), lambda: Httpx(is_async=False), Requests, starlette_request]
)
async def test_bodies_of_web_libraries_are_read_in_pieces(make: Callable[[], Any]) -> None:
    source = make()
    assert await read_all(source) == CONTENT
    if isinstance(source, Httpx):
        assert source.is_closed is isinstance(source.stream, Httpx._Async)


RECORD = [("number", ctypes.c_int), ("thing", ctypes.py_object)]


async def served(handler: Any) -> tuple[web.AppRunner, str]:
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/"


async def test_a_response_and_a_request_of_aiohttp_are_read() -> None:
    bodies: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        bodies.append(await read_all(request))
        return web.Response(body=CONTENT)

    runner, url = await served(answer)
    try:
        async with aiohttp.ClientSession() as session, session.put(url, data=CONTENT) as response:
            bodies.append(await read_all(response))
    finally:
        await runner.cleanup()
    assert bodies == [CONTENT, CONTENT]


@pytest.mark.parametrize("hint", [1, 100_000])
async def test_parts_of_a_form_of_aiohttp_are_read(hint: int) -> None:
    contents = [CONTENT, b"", b"x", b"\r\n--" * 5000]
    bodies: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        bodies.extend([await read_all(part, hint) async for part in await request.multipart()])
        return web.Response()

    runner, url = await served(answer)
    try:
        form = aiohttp.FormData()
        for number, content in enumerate(contents):
            form.add_field(f"file{number}", content, filename="f", content_type="video/mp4")
        async with aiohttp.ClientSession() as session, session.post(url, data=form) as response:
            assert response.status == 200
    finally:
        await runner.cleanup()
    assert bodies == contents


async def test_a_part_of_a_form_that_breaks_off_is_an_error() -> None:
    errors: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        part = await (await request.multipart()).next()
        try:
            await read_all(part)
        except ValueError as error:
            errors.append(str(error))
        return web.Response()

    runner, url = await served(answer)
    try:
        body = b'--B\r\nContent-Disposition: form-data; name="f"\r\n\r\n' + CONTENT  # and no boundary after it
        headers = {"content-type": "multipart/form-data; boundary=B"}
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers):
            pass
    finally:
        await runner.cleanup()
    assert errors == ["Reading after EOF"]


class ReadsAll:
    def read(self) -> bytes:
        return CONTENT


class ReadsAllAsync:
    content = CONTENT

    async def read(self, *, decode: bool = False) -> bytes:
        return CONTENT


class NeedsMore(ReadsAll):
    def read(self, size: int, offset: int) -> bytes:  # type: ignore[override]
        return CONTENT

    def __iter__(self) -> Iterator[bytes]:
        return iter(PIECES)


@pytest.mark.parametrize("make", [ReadsAll, ReadsAllAsync, NeedsMore])
def test_a_read_that_takes_no_size_is_a_type_error(make: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match=r"its read\(\) does not take a number of bytes; pass an async iterator"):
        SourceReader(make())


async def test_a_read_without_a_signature_is_tried() -> None:
    class Compiled:
        read = dict  # has no signature

    assert readable_of(source := Compiled()) is source


async def test_an_empty_chunk_of_a_form_part_is_its_end_only_at_eof() -> None:
    chunks = [b"", b"a", b"", b"b"]

    class Part:
        async def read_chunk(self, size: int) -> bytes:
            return chunks.pop(0) if chunks else b""

        def at_eof(self) -> bool:
            return not chunks

    assert await read_all(Part()) == b"ab"


@pytest.mark.parametrize("kind", [ctypes.py_object * 2, type("Record", (ctypes.Structure,), {"_fields_": RECORD})])
async def test_a_buffer_of_python_objects_is_a_type_error(kind: Any) -> None:
    """A field may have any name."""
    with pytest.raises(TypeError, match="of Python objects, whose bytes are addresses"):
        await read_all(kind())

    class Harmless(ctypes.Structure):
        _fields_ = [("O", ctypes.c_ubyte)]

    assert await read_all(Harmless(7)) == b"\7"


class Tensor:
    __dlpack__ = None

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


async def coroutine() -> bytes:
    return b"a"


def generator() -> Iterator[bytes]:
    yield b"a"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: "path/to/file", "not str; for a path use upload_object"),
        (lambda: io.StringIO("text"), "binary mode"),
        (lambda: {b"a": b"b"}, "dict is not a source"),
        (lambda: frozenset({b"a"}), "frozenset is not a source"),
        (lambda: pieces, "generator function"),
        (lambda: generator, "call it first"),
        (coroutine, "await it first"),
        (lambda: len, "cannot read from builtin_function_or_method"),
        (lambda: 5, r"cannot read from int: .* or something with read\(n\)"),
        (lambda: None, "cannot read from NoneType"),
        (Tensor, "a Tensor without the buffer protocol is not a source"),
        (type("Array", (Tensor,), {"__array__": None}), "an? Array without the buffer protocol is not a source"),
    ],
)
def test_an_object_that_is_no_source_is_a_type_error_at_once(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        SourceReader(make())


def test_a_released_view_is_an_error() -> None:
    view = memoryview(b"abc")
    view.release()
    with pytest.raises(ValueError, match="released"):
        SourceReader(view)
    assert is_buffer(array.array("d"))
    assert not is_buffer([b"a"])
