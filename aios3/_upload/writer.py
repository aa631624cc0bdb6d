"""Writer of one upload, which ``open_upload`` gives to its caller."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

from aios3._concurrency.blocking_file import BlockingFile
from aios3._upload.source.kinds import Buffer, Source, as_view
from aios3._upload.source.readers import SourceReader
from aios3.errors import ConfigurationError, DriverClosedError, StorageError
from aios3.models import UploadReceipt

from .uploader import Uploader

__all__ = ["UploadWriter"]


class UploadWriter:
    """Feeds one upload. Made by ``open_upload``; usable inside its block only.

    Leaving the block cleanly commits what was written; leaving it by an
    exception or a cancellation aborts, and nothing is committed.
    """

    def __init__(self, upload: Uploader) -> None:
        """Wrap `upload`; callers get writers from ``open_upload``."""
        self._upload = upload

    @property
    def receipt(self) -> UploadReceipt:
        """Receipt of the committed object, after the block was left cleanly.

        Raises:
            ConfigurationError: the block has not been left yet, or not cleanly.
        """
        if self._upload.receipt is None:
            raise ConfigurationError(
                "there is no receipt, because the upload was not committed; read it after a clean end of the block"
            )
        return self._upload.receipt

    @property
    def bytes_durable(self) -> int:
        """Bytes from the beginning of the object that the store has acknowledged without a gap; never goes down.

        They are not an object before the commit. If the upload can be resumed from a checkpoint, the source need not
        keep these bytes: a consumer of a log, for example, can commit its offset.
        """
        return self._upload.bytes_durable

    @property
    def is_seekable(self) -> bool:
        """``True`` if the upload was opened with ``seekable_head``, so `seek` can move back to the beginning."""
        return self._upload.is_seekable

    def tell(self) -> int:
        """Return the offset in bytes at which the next write begins."""
        return self._upload.position

    async def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Let the next write begin at another offset, and return that offset in bytes.

        The offset may be in the seekable head, as far as that is written, or at the end. A write in the head
        overwrites, and a write at the end appends. A write may go past the end of the head only if no byte is written
        there yet. The call waits for a running write of another task.

        Args:
            offset: bytes from the place that `whence` names.
            whence: as in `io.IOBase.seek`: ``SEEK_SET``, ``SEEK_CUR`` or ``SEEK_END``.

        Raises:
            ConfigurationError: nothing can be written there. The upload can be written to as before.
        """
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._upload.position, io.SEEK_END: self._upload.bytes_read}
        if whence not in base:
            raise ConfigurationError(f"whence must be SEEK_SET, SEEK_CUR or SEEK_END, not {whence!r}")
        await self._upload.seek(base[whence] + offset)
        return self._upload.position

    def as_file(self) -> BinaryIO:
        """Return a binary file for blocking code in a thread: `wave`, `zipfile`, PyAV. Call this on the event loop.

        What the thread writes goes to this writer, and a call returns when the writer has taken the bytes. The file
        has no buffer. ``seekable()`` is true if the upload has a seekable head. Closing the file neither commits nor
        aborts, and the thread must have ended before the block does. After the block every call raises, so a thread
        that still writes then ends. Bytes cannot be read back.

        In the file's methods the errors are those of `write` and `seek`. ``seek`` without a seekable head raises
        `io.UnsupportedOperation`. A call in the thread of the event loop raises `ConfigurationError`.
        """
        return cast("BinaryIO", BlockingFile(self, f"{self._upload.name} (an upload, which cannot be read back)"))

    async def write(self, data: Buffer) -> None:
        """Write `data`, of any length; return when it is copied. Its buffer may then be reused.

        The call waits while the parts in flight or the driver's memory limit leave no room. The bytes of two writes
        never mix, even if several tasks write. A write that fails or is cancelled has lost bytes, so the upload can no
        longer be committed.

        Raises:
            TypeError: `data` is not bytes-like.
            ObjectTooLargeError: more than ``max_size`` was written.
            SizeMismatchError: more than ``size`` was written.
            PartLimitError: the store's parts cannot hold more.
            ConfigurationError: the block was left already.
            DriverClosedError: the driver was closed. Other tasks that write get it here; the task that opened the
                upload gets it when it leaves the block.
            StorageError: a request of the upload has failed: its error, for other tasks that write. Or the block has
                failed: ``__cause__`` is its error. The task that opened the upload is cancelled instead.
        """
        view = as_view(data)
        try:
            if not self._upload.add_at_once(view):
                await self._upload.add(view)
        except StorageError as error:
            self._tell_of_the_end(error)
            raise

    def _tell_of_the_end(self, error: StorageError) -> None:
        """Raise the error that stopped the upload, if `error` says only that the upload has ended or failed."""
        stopped_by = self._upload.stopped_by
        if isinstance(stopped_by, DriverClosedError) and type(error) in (StorageError, ConfigurationError):
            raise DriverClosedError(str(stopped_by)) from error

    async def write_from(self, source: Source) -> None:
        """Write all of `source`. Then close it and every iterator made to read it, also after a failure.

        After a failure or a cancellation the upload can no longer be committed. A blocking read that is then running
        cannot be stopped, and the call does not wait for it. Its bytes are dropped, and until it has ended the same
        object is refused as a source. An async source gets ``Timeouts.cleanup`` seconds to end after it was closed, or
        its task was cancelled. Then a further cancellation interrupts it.

        Raises:
            TypeError: `source`, or a chunk of it, is not what a source may be.
            ConfigurationError: a read of an earlier upload still runs in `source`.
            Exception: whatever the source raises, unchanged; and all that `write` raises.
        """
        async with SourceReader(source, deadline=self._upload.closing_deadline(source)) as reader:
            await self.write_all(reader)

    async def write_all(self, reader: SourceReader) -> None:
        """Write everything that `reader` still gives, and leave it open."""
        if reader.deadline is not None:
            reader.deadline.begin(lambda: self._upload.bytes_read)
        while True:
            try:
                if not await self._upload.add_from(reader):
                    return
            except StorageError as error:
                self._tell_of_the_end(error)
                raise
            await self._upload.let_others_run()  # a source that never waits must not keep other tasks from running
