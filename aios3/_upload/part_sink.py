"""Interface between an uploader, which makes parts, and the requests that store them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from aios3._upload.memory.held_part import HeldPart
from aios3.checkpoints import UploadCheckpoint
from aios3.errors import UploadSuspendedError
from aios3.models import UploadReceipt

__all__ = ["PartSink"]


class PartSink(Protocol):
    """Stores the parts of one upload in order, and makes the object out of them.

    There are three: `MultipartSink` makes each part an UploadPart, `PutSink` sends all of them in one PutObject, and
    `PartsSink` adds parts to an upload that stays open.
    """

    @property
    def guard(self) -> AbstractAsyncContextManager[object]:
        """Surrounds all that the sink does. It ends what is open at the store when its block fails."""

    @property
    def upload_id(self) -> str | None:
        """Id of the multipart upload; ``None`` if none is open."""

    @property
    def has_begun(self) -> bool:
        """A request was begun, so the upload can no longer become one PutObject of its first part."""

    @property
    def is_settled(self) -> bool:
        """`wait_until_open` has nothing to wait for."""

    @property
    def is_starved(self) -> bool:
        """The connection waits for bytes."""

    def wants(self, *, is_full: bool, is_last: bool) -> bool:
        """Return whether a part should be sent although no byte behind it has come.

        Args:
            is_full: nothing more fits the part.
            is_last: the part ends at the declared size of the source.
        """

    def expect(self, size: int | None) -> None:
        """Begin what can begin before the first part is full, for a source of `size` bytes; ``None`` if unknown.

        Raises:
            StorageError: the upload has failed already.
        """

    async def wait_until_open(self) -> None:
        """Wait for the response to what has begun.

        Raises:
            StorageError: the store refused, or the upload has failed meanwhile.
        """

    async def send(self, part: HeldPart) -> None:
        """Take `part` over, and return when another one may be made. The sink closes it, also if this raises.

        Raises:
            StorageError: the upload has failed.
            OSError: a part on disk cannot be read.
        """

    async def complete(self, count: int, size: int) -> UploadReceipt | None:
        """Make the object, of `size` bytes, after `count` parts were sent; ``None`` if that is not its work.

        Raises:
            StorageError: a part or the commit failed.
        """

    async def abort(self) -> bool:
        """End what is open from a task that does not run the upload; return ``False`` if its own task does that."""

    def suspend(self, reason: UploadSuspendedError) -> None:
        """Leave the upload open if `reason`, this very object, ends its block and parts may be stored."""

    def checkpoint(self) -> UploadCheckpoint | None:
        """Return the checkpoint of an upload that was left open; ``None`` if nothing is open."""
