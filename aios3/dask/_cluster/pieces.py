"""Tasks of the workers for one object: produce a piece, send its whole parts, send the parts that pieces share.

Each task may run again, on any worker, and then does the same.
"""

from __future__ import annotations

import hashlib
import inspect
import io
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aios3._concurrency.threads import CallerThread, in_library_thread
from aios3._upload.source.kinds import Source, as_view
from aios3._upload.source.readers import END, SourceReader
from aios3.checkpoints import MultipartUpload
from aios3.driver import S3StorageDriver
from aios3.errors import SizeMismatchError
from aios3.models import UploadedPart
from aios3.options import MIB

from .grid import FragmentName, PiecePlace
from .workers import run_in_call

__all__ = [
    "Fragment",
    "PartsSent",
    "PieceSize",
    "Producer",
    "fragment_of",
    "parts_of",
    "produce",
    "send_piece",
    "send_shared_part",
    "size_of",
]

Producer = Callable[[], Source | Awaitable[Source]]

_READ_SIZE: Final = MIB
_NOTHING: Final = memoryview(b"")


@dataclass(frozen=True, slots=True)
class PieceSize:
    """Size of a piece that was produced, in bytes."""

    index: int
    size: int


@dataclass(frozen=True, slots=True)
class PartsSent:
    """Whole parts of a piece, or one part of several pieces, that the store has."""

    parts: tuple[UploadedPart, ...]
    origins: tuple[tuple[int, str], ...]
    """Number of each piece that has bytes in these parts, and the digest of all its bytes. The digest shows whether a
    second run of the producer gave other bytes."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """One end of a piece, shorter than a part."""

    origin: tuple[int, str]
    """Number and digest of the piece."""
    content: bytes


@dataclass(frozen=True, slots=True)
class _SentPiece:
    """Result of `send_piece`, which stays on its worker. Only what others need leaves it."""

    sent: PartsSent
    head: bytes
    tail: bytes


async def produce(call: str, producer: Producer) -> bytearray:
    """Run a producer to its end, and return its bytes, which the engine keeps."""

    async def work(driver: S3StorageDriver) -> bytearray:
        content = bytearray()
        async with _opened(producer) as reader:
            while (chunk := await reader.pull(_READ_SIZE)) is not END:
                content += as_view(chunk)
        return content

    return await run_in_call(call, work)


def size_of(index: int, content: bytearray) -> PieceSize:
    """Return the size of a piece."""
    return PieceSize(index, len(content))


async def send_piece(call: str, upload: MultipartUpload, place: PiecePlace, source: Producer | bytearray) -> _SentPiece:
    """Send the whole parts of a piece, and keep its ends.

    Raises:
        SizeMismatchError: the piece has another size than its place. Its neighbours' parts are untouched.
        Exception: the error of the producer or of the store.
    """
    return await run_in_call(call, lambda driver: _send_piece(driver, upload, place, source))


async def _send_piece(
    driver: S3StorageDriver, upload: MultipartUpload, place: PiecePlace, source: Producer | bytearray
) -> _SentPiece:
    parts: tuple[UploadedPart, ...] = ()
    async with _opened(source) as reader, aclosing(_exactly(reader, place)) as chunks:
        piece = _Splitter(chunks)
        head = await piece.take(place.head)
        if place.has_parts:
            sent = await driver.upload_parts(upload, piece.rest(), first_part=place.first_part, last=False)
            parts, tail = sent.parts, sent.tail
        else:
            tail = await piece.take(place.tail)
            async for _ in piece.rest():  # the source has no further byte, or raises
                pass
    digest = await in_library_thread(_digest, head, parts, tail)
    return _SentPiece(PartsSent(parts, ((place.index, digest),)), head, tail)


def _digest(head: bytes, parts: tuple[UploadedPart, ...], tail: bytes) -> str:
    digest = hashlib.sha256(head)
    for part in parts:
        digest.update(f"{part.number} {part.size} {part.checksum or part.etag}\n".encode())
    digest.update(tail)
    return digest.hexdigest()


def parts_of(piece: _SentPiece) -> PartsSent:
    """Return what the caller needs of a piece."""
    return piece.sent


def fragment_of(piece: _SentPiece, name: FragmentName) -> Fragment:
    """Return one end of a piece, for the part that it shares."""
    return Fragment(piece.sent.origins[0], piece.head if name == "head" else piece.tail)


async def send_shared_part(call: str, upload: MultipartUpload, number: int, *fragments: Fragment) -> PartsSent:
    """Send a part that consists of ends of several pieces.

    Raises:
        Exception: the error of the store.
    """
    content = [fragment.content for fragment in fragments]
    part = await run_in_call(call, lambda driver: driver.upload_part(upload, number, content))
    return PartsSent((part,), tuple(fragment.origin for fragment in fragments))


@asynccontextmanager
async def _opened(source: Producer | bytearray) -> AsyncIterator[SourceReader]:
    """Call a producer in a thread, because it may block, and read what it gives."""
    thread = CallerThread()
    try:
        given = await thread.call(source) if callable(source) else source
        if inspect.isawaitable(given):
            given = await given
        try:
            async with SourceReader(given, thread) as reader:
                yield reader
        finally:
            if isinstance(given, io.IOBase):  # it was opened for us
                await thread.call(given.close)
    finally:
        thread.close()


async def _exactly(reader: SourceReader, place: PiecePlace) -> AsyncGenerator[memoryview, None]:
    left = place.size
    while (chunk := await reader.pull(min(_READ_SIZE, left + 1))) is not END:
        view = as_view(chunk)
        left -= len(view)
        if left < 0:
            raise SizeMismatchError(f"producer {place.index} gave more than its {place.size} bytes")
        if view:
            yield view
        del view, chunk  # a producer may resize its buffer for the next chunk
    if left:
        raise SizeMismatchError(f"producer {place.index} gave {place.size - left} of its {place.size} bytes")


class _Splitter:
    """Takes bytes from the beginning of chunks."""

    def __init__(self, chunks: AsyncIterable[memoryview]) -> None:
        self._chunks = aiter(chunks)
        self._left = _NOTHING

    async def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        taken = bytearray()
        while len(taken) < count:
            if not self._left:
                self._left = await anext(self._chunks)
            wanted = count - len(taken)
            taken += self._left[:wanted]
            self._left = self._left[wanted:] if wanted < len(self._left) else _NOTHING
        return bytes(taken)

    async def rest(self) -> AsyncGenerator[memoryview, None]:
        """Yield all further bytes."""
        while True:
            while self._left:
                view, self._left = self._left, _NOTHING
                yield view
                del view
            try:
                self._left = await anext(self._chunks)
            except StopAsyncIteration:
                return
