"""Files for coroutines: streamed readers, and writers that an exception or a cancellation discards."""

from __future__ import annotations

import sys
import warnings
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Self

from fsspec.asyn import AbstractAsyncStreamedFile

from aios3.driver import S3StorageDriver
from aios3.models import UploadReceipt

from .files import is_unwinding
from .held_upload import HeldUpload
from .paths import Info, os_errors, split_path

__all__ = ["AsyncReadFile", "AsyncWriteFile"]


class AsyncReadFile(AbstractAsyncStreamedFile):  # type: ignore[misc]
    """File that reads one version of an object. Reads that follow one another share one request."""

    def __init__(self, fs: Any, driver: S3StorageDriver, info: Info, options: Mapping[str, Any]) -> None:
        """Read the object that `info` describes; nothing is sent before the first read."""
        self._details = info
        super().__init__(fs, info["name"], "rb", cache_type="none", size=info["size"])
        self._driver = driver
        self._options = {"if_match": info["ETag"], **options}
        self._chunks: AsyncGenerator[bytes] | None = None
        self._rest = b""
        """Bytes of the stream that no call has taken yet."""
        self._position = 0
        """Offset of `_rest`."""

    async def read(self, length: int = -1) -> bytes:
        """Read `length` bytes, fewer only at the end of the object; all the rest if it is negative.

        After a failure or a cancellation the next call reads from the same offset.

        Raises:
            ValueError: the file is closed.
            FileNotFoundError, StorageError: as in `S3StorageDriver.download_object_as_stream`. A replaced object
                raises, too.
        """
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        end = self.size if length < 0 else min(self.size, self.loc + length)
        if end <= self.loc:
            return b""
        try:
            data = await self._take(end - self.loc)
        except BaseException:
            await self._stop()
            raise
        self.loc += len(data)
        return data

    async def _take(self, length: int) -> bytes:
        if self._chunks is None or self._position != self.loc:
            await self._stop()
            bucket, key = split_path(self.path)
            self._chunks = self._driver.download_object_as_stream(bucket, key, start=self.loc, **self._options)
            self._position = self.loc
        found = bytearray(self._rest)
        with os_errors(self.path):
            while len(found) < length and (chunk := await anext(self._chunks, b"")):
                found += chunk
        self._rest = bytes(found[length:])
        self._position += min(length, len(found))
        return bytes(found[:length])

    async def _stop(self) -> None:
        chunks, self._chunks, self._rest = self._chunks, None, b""
        if chunks is not None:
            await chunks.aclose()

    async def close(self) -> None:
        """Close the file and its connection."""
        self.closed = True
        await self._stop()

    def __del__(self) -> None:
        """Do nothing: the stream closes its connection by itself."""


class AsyncWriteFile(AbstractAsyncStreamedFile):  # type: ignore[misc]
    """File that `close` commits. It is discarded, and nothing of it remains, if its block is left by an exception.

    The same holds for a cancellation, and for a file that is garbage-collected without `close`. It also holds for
    `close` while an exception is handled that came after the file was opened.
    """

    def __init__(self, fs: Any, path: str, upload: HeldUpload) -> None:
        """Write to `upload`."""
        super().__init__(fs, path, "wb")
        self._upload = upload
        self._handled = sys.exception()

    @property
    def receipt(self) -> UploadReceipt | None:
        """Receipt of the committed object; ``None`` if it is not committed."""
        return self._upload.receipt

    async def write(self, data: Any) -> int:
        """Write all of `data`, and return its length in bytes. It waits while the store is slower than the caller.

        After a failure or a cancellation the file cannot be committed.

        Raises:
            Exception: the error that ended the upload.
            ValueError: the file is closed.
        """
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        size = memoryview(data).nbytes
        await self._upload.write(data)
        self.loc += size
        return size

    async def flush(self, force: bool = False) -> None:
        """Do nothing: full parts are sent at once, and the object becomes visible by `close`."""

    async def close(self) -> None:
        """Commit, or discard if an exception is handled. A cancellation of the commit discards.

        Raises:
            Exception: the error that ended the upload; nothing is committed.
            FileExistsError: the file was opened by mode ``x``, and the object exists.
        """
        if self._is_closed():
            return
        if is_unwinding(self._handled):
            await self.discard()
            return
        self.closed = True
        try:
            await self._upload.finish(commit=True)
        except BaseException:
            await self._upload.discard()
            raise

    def _is_closed(self) -> bool:
        return bool(self.closed)

    async def discard(self) -> None:
        """Abort the upload, and close the file. After the commit it does nothing."""
        self.closed = True
        await self._upload.discard()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        if exc_type is None:
            await self.close()
        else:
            await self.discard()

    def __del__(self) -> None:
        if not self.closed:
            self.closed = True
            self._upload.discard_soon()
            warnings.warn(f"{self!r} was not closed, so it is discarded", ResourceWarning, source=self, stacklevel=2)
