"""Checks of the parts that the store holds of an open upload, before the upload is resumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from io import FileIO

from aios3._client.client import OperationClient
from aios3._client.paging import iterate_pages
from aios3._protocol.checksums.digests import checksum_of, md5_hex
from aios3._protocol.operations import ListedPart, ListParts
from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._protocol.wire.response_headers import unquote_etag
from aios3._upload.source.files import OpenedFile
from aios3.checkpoints import MultipartUpload, UploadCheckpoint
from aios3.errors import IntegrityError
from aios3.models import UploadedPart

__all__ = ["as_uploaded", "check_checkpoint", "holds_parts", "list_stored_parts", "usable_parts"]


async def list_stored_parts(
    client: OperationClient, upload: MultipartUpload, headers: Mapping[str, str]
) -> list[ListedPart]:
    """Return all parts that the store lists, in its order.

    Raises:
        UploadNotFoundError: the upload is not open.
        StorageError: the store refused, or no response came.
    """
    async with aclosing(iterate_pages(client, ListParts(*upload.place, headers=headers))) as pages:
        return [part async for page in pages for part in page.parts]


def as_uploaded(part: ListedPart) -> UploadedPart:
    """Return a listed part as the caller sees it."""
    return UploadedPart(part.number, part.size, unquote_etag(part.etag), part.checksum)


def usable_parts(
    stored: Sequence[ListedPart | UploadedPart], *, part_size: int, checksum: str | None
) -> tuple[UploadedPart, ...]:
    """Return the parts from number 1 on, without a gap, that further parts can follow.

    A part that is shorter than `part_size` was the last part of its source, and nothing can follow it. If the upload
    sends a `checksum`, a part without a listed checksum is not usable: the object's checksum could not be computed.
    """
    usable: list[UploadedPart] = []
    for part in sorted(stored, key=lambda part: part.number):
        if part.number != len(usable) + 1 or part.size < part_size or (checksum is not None and part.checksum is None):
            break
        sent = None if checksum is None else part.checksum
        usable.append(UploadedPart(part.number, part.size, unquote_etag(part.etag), sent))
    return tuple(usable)


async def check_checkpoint(client: OperationClient, checkpoint: UploadCheckpoint, headers: Mapping[str, str]) -> None:
    """Make sure that the store still holds what the checkpoint says.

    Raises:
        UploadNotFoundError: the upload is no longer open.
        IntegrityError: a part is gone, or was replaced since.
        StorageError: the store refused, or no response came.
    """
    stored = await list_stored_parts(client, MultipartUpload.of(checkpoint), headers)
    held = {part.number: (part.size, unquote_etag(part.etag)) for part in stored}
    for part in checkpoint.parts:
        if held.get(part.number) != (part.size, part.etag):
            raise IntegrityError(
                f"part {part.number} of upload {checkpoint.upload_id} of {checkpoint.bucket}/{checkpoint.key} is not "
                "what the checkpoint says; the upload is still open"
            )


async def holds_parts(path: str, parts: Sequence[UploadedPart], checksum: str | None) -> bool:
    """Return whether the file at `path` begins with the bytes of all `parts`.

    Parts are compared by their checksums, or by their ETags if the upload sends no checksum. A part whose ETag is not
    an MD5 (it may be encrypted) proves nothing, and counts as different. The file is read in a thread; a cancellation
    does not wait for it.

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
