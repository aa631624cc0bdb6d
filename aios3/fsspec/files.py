"""Files for blocking code: readers of one version of an object, and writers that an exception discards."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Mapping
from typing import Any, Final

from fsspec.asyn import sync
from fsspec.compression import compr
from fsspec.core import get_compression
from fsspec.spec import AbstractBufferedFile

from aios3.errors import IntegrityError, StorageError
from aios3.models import UploadReceipt
from aios3.options import MIB

from .held_upload import HeldUpload
from .paths import Info, require_object

__all__ = ["CompressedFile", "Deferred", "ReadFile", "TextFile", "WriteFile", "is_unwinding", "wrap"]

_log: Final = logging.getLogger("aios3")


def is_unwinding(handled_at_open: BaseException | None) -> bool:
    """Return whether an exception is being handled that was not when the file was opened.

    `close` gets no exception, but it is called while one is handled: by ``finally``, and by the ``with`` blocks of
    wrappers (`io.TextIOWrapper`, `fsspec.core.OpenFile`, pandas), which only call `close`.
    """
    handled = sys.exception()
    return handled is not None and handled is not handled_at_open


class ReadFile(AbstractBufferedFile):  # type: ignore[misc]
    """File that reads one version of an object, by ranges. It raises if the object is replaced meanwhile."""

    def __init__(
        self,
        fs: Any,
        path: str,
        block_size: int | None,
        cache_type: str,
        cache_options: Mapping[str, Any] | None,
        size: int | None,
        options: dict[str, Any],
    ) -> None:
        """Look the object up, unless its `size` in bytes is known; see `AbstractBufferedFile` for the cache.

        Raises:
            FileNotFoundError: there is no such object.
            IsADirectoryError: the path is the beginning of keys.
        """
        self.fs, self.path, self.kwargs = fs, path, options
        self._etag: str | None = None
        """ETag of the version that is read; ``None`` before it is known."""
        if size is None:
            details: Info = require_object(fs.info(path, **options))
            self._details, size = details, details["size"]
            self._etag = details["ETag"]
            options.setdefault("if_match", self._etag)  # a pickled file reads the same version
        super().__init__(
            fs, path, "rb", block_size, cache_type=cache_type, cache_options=cache_options, size=size, **options
        )

    def _fetch_range(self, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        found: bytes
        found, etag = sync(self.fs.loop, self.fs._read_version, self.path, start, end, self.kwargs)
        if etag is not None:
            self._etag = self._etag or etag
            self.kwargs.setdefault("if_match", etag)
            if etag != self._etag:  # some stores ignore the condition
                raise IntegrityError(f"{self.path} was replaced while it was read")
        return found


class Deferred:
    """Upload that waits for the end of a transaction, for the thread that ends it."""

    def __init__(self, upload: HeldUpload, loop: Any) -> None:
        """Wrap `upload`, which belongs to `loop`."""
        self._upload = upload
        self._loop = loop
        self.is_whole = False
        """The store has all bytes."""

    def commit(self) -> None:
        """Make the object.

        Raises:
            StorageError: an interrupt ended the call that sends it, and the store has not got all bytes.
        """
        if not self.is_whole:
            self.discard()
            raise StorageError("an upload of the transaction was interrupted, so it is discarded")
        sync(self._loop, self._upload.finish, commit=True)

    def discard(self) -> None:
        """Abort the upload; does nothing after the commit."""
        sync(self._loop, self._upload.discard)


class WriteFile(AbstractBufferedFile):  # type: ignore[misc]
    """File that is committed by `close`, or, in a transaction, by `commit`.

    It is discarded instead, and nothing of it remains, if an exception leaves its block, or if it is garbage-collected
    without `close`. The same holds if it is closed while an exception is handled that came after `open`.
    """

    DEFAULT_BLOCK_SIZE = MIB
    """Bytes that are collected before the event loop gets them. Parts have the size of the driver's options."""

    _upload: HeldUpload | None = None
    _failure: BaseException | None = None
    _is_discarded = False

    def __init__(
        self,
        fs: Any,
        path: str,
        block_size: int | None,
        *,
        autocommit: bool,
        is_exclusive: bool,
        attributes: Mapping[str, Any],
    ) -> None:
        """Open an upload, which sends nothing yet.

        Args:
            fs: the filesystem.
            path: the bucket and the key.
            block_size: bytes that are collected; ``None`` for 1 MiB.
            autocommit: `close` commits; else `commit` does.
            is_exclusive: commit only if the key does not exist then.
            attributes: arguments of ``open_upload``.

        Raises:
            TypeError, ConfigurationError: an attribute or the path is invalid.
        """
        super().__init__(fs, path, "wb", block_size, autocommit=autocommit)
        self._handled = sys.exception()
        self._upload = sync(fs.loop, fs._hold_upload, path, attributes, is_exclusive=is_exclusive)

    @property
    def receipt(self) -> UploadReceipt | None:
        """Receipt of the committed object; ``None`` if it is not committed."""
        return None if self._upload is None else self._upload.receipt

    def write(self, data: Any) -> int:
        """Write all of `data`, and return its length in bytes.

        After `discard` the bytes are dropped, because wrappers still write their rest when they are closed.

        Raises:
            Exception: the error that ended the upload, which every later call raises again.
            ValueError: the file is closed.
        """
        self._raise_failure()
        size = memoryview(data).nbytes
        if self._is_discarded:
            return size
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        try:
            super().write(data)
        except BaseException as error:  # an interrupt leaves open how many of the bytes were taken
            self._fail(error)
            raise
        return size

    def flush(self, force: bool = False) -> None:
        """Pass on what is collected, if it fills the block. It does not make the object visible."""
        self._raise_failure()
        if not self._is_discarded:
            super().flush(force)

    def _raise_failure(self) -> None:
        if self._failure is not None and not self.closed:
            raise self._failure

    def _upload_chunk(self, final: bool = False) -> None:
        assert self._upload is not None
        try:
            sync(self.fs.loop, self._upload.write, self.buffer.getbuffer())
            if final:
                sync(self.fs.loop, self._upload.finish, commit=self.autocommit)
        except BaseException as error:  # an interrupt leaves open how much of the block was taken
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
            self._abort()

    def _abort(self) -> None:
        self.buffer = io.BytesIO()
        if self._upload is not None:
            sync(self.fs.loop, self._upload.discard)

    def close(self) -> None:
        """Commit, or in a transaction wait until the store has everything. Discard if an exception is handled.

        Raises:
            Exception: the error that ended the upload; nothing is committed.
            FileExistsError: the file was opened by mode ``x``, and the object exists.
        """
        if self.closed:
            return
        if is_unwinding(self._handled):
            _log.info("%r is discarded, because it is closed while an exception is handled", self)
            self.discard()
        else:
            super().close()

    def commit(self) -> None:
        """Make the object, in a transaction. After `discard` it does nothing."""
        self.close()
        if not self._is_discarded and self._upload is not None:
            sync(self.fs.loop, self._upload.finish, commit=True)

    def discard(self) -> None:
        """Abort the upload, and close the file. After the commit it does nothing."""
        if not self._is_discarded:
            self._is_discarded = self.closed = True
            self._abort()

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        if exc_type is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        if self._upload is not None and not self.closed:
            self.closed = True
            self._upload.discard_soon()
            warnings.warn(f"{self!r} was not closed, so it is discarded", ResourceWarning, source=self, stacklevel=2)


class CompressedFile(io.BufferedIOBase):
    """Compressor over a `WriteFile`, which it closes or discards with itself."""

    def __init__(self, target: WriteFile, compression: str) -> None:
        """Compress into `target`; `compression` is a name that fsspec knows."""
        self._target = target
        self._compressor = compr[compression](target, mode="w")

    def writable(self) -> bool:
        """Return ``True``."""
        return True

    def write(self, data: Any) -> int:
        """Write all of `data`, and return its length in bytes before the compression."""
        self._compressor.write(data)
        return memoryview(data).nbytes

    def close(self) -> None:
        """Write the end of the compressed bytes, and close the target."""
        if not self.closed:
            try:
                self._compressor.close()
                self._target.close()
            except BaseException:
                self._target.discard()
                raise
            finally:
                super().close()

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        if exc_type is not None:
            self._target.discard()
        self.close()

    def __del__(self) -> None:
        """Leave the target to its own end: `io.IOBase` would close it, and so commit it."""


class TextFile(io.TextIOWrapper):
    """Text over a file that an exception discards. Without `close` it is discarded too."""

    def __init__(self, file: Any, target: WriteFile, **text: Any) -> None:
        """Write text to `file`, which is `target` or a compressor over it."""
        super().__init__(file, **text)
        self._target = target

    def close(self) -> None:
        """Close the file. Discard it if the rest of the text was not written: `io.TextIOWrapper` would commit it."""
        try:
            if not self.closed:
                self.flush()
        except BaseException:
            self._target.discard()
            raise
        super().close()

    def __del__(self) -> None:
        """Leave the target to its own end: `io.IOBase` would close it, and so commit it."""


def wrap(target: WriteFile, mode: str, compression: str | None, text: Mapping[str, Any]) -> Any:
    """Return a file over `target` with the compression and the text that are asked for."""
    name = get_compression(target.path, compression)
    file: Any = target if name is None else CompressedFile(target, name)
    return file if "b" in mode else TextFile(file, target, **text)
