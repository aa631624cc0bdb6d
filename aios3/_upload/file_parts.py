"""Compares the parts that a store holds with the file that they are said to come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import FileIO

from aios3._client.hashing import md5_hex
from aios3._protocol.checksums import checksum_of
from aios3._protocol.cutter import SEGMENT_SIZE
from aios3._upload.source.files import OpenedFile
from aios3.models import UploadedPart

__all__ = ["holds_parts"]


async def holds_parts(path: str, parts: Sequence[UploadedPart], checksum: str | None) -> bool:
    """Return whether the file at `path` begins with the bytes of all `parts`.

    By their checksums where they have them, else by their ETags; a part that has neither a checksum nor an MD5 for an
    ETag (it is encrypted, perhaps) proves nothing, and counts as different. The file is read in its thread, which a
    cancellation does not wait for.

    Raises:
        OSError: the file cannot be read.
    """
    async with OpenedFile(path) as opened:
        for part in parts:
            if not await opened.thread.call(_holds_next, opened.file, part, checksum):
                return False
    return True


def _holds_next(file: FileIO, part: UploadedPart, checksum: str | None) -> bool:
    if checksum is not None:
        return checksum_of(checksum, _read(file, part.size)) == part.checksum
    return md5_hex(_read(file, part.size)) == part.etag


def _read(file: FileIO, size: int) -> Iterator[bytes]:
    """Yield the next `size` bytes; fewer if the file ends."""
    while size and (piece := file.read(min(size, SEGMENT_SIZE))):
        size -= len(piece)
        yield piece
