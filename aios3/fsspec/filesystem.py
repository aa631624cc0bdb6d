"""Filesystem class that fsspec makes for paths that begin with ``aios3://``."""

from __future__ import annotations

import errno
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import aiofiles
import aiofiles.os
from fsspec.asyn import sync
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.utils import stringify_path

from aios3.credentials import Credentials, CredentialsProvider
from aios3.driver import S3StorageDriver
from aios3.errors import ResponseError, StorageError
from aios3.models import UploadProgress, UploadReceipt

from .async_files import AsyncReadFile, AsyncWriteFile
from .drivers import Drivers
from .files import Deferred, ReadFile, WriteFile, wrap
from .held_upload import HeldUpload
from .key_directories import KeyDirectories
from .paths import os_error, os_errors, require_file, require_object, split_path

__all__ = ["Aios3FileSystem"]

_OF_LISTINGS: Final = ("use_listings_cache", "listings_expiry_time", "max_paths")
"""Options of fsspec that have no effect, because no listing is kept."""
_OF_TEXT: Final = ("encoding", "errors", "newline")
_INVALID_RANGE: Final = 416


class _CachedByOptions(type(KeyDirectories)):  # type: ignore[misc]
    """Metaclass that keeps filesystems with equal options, but none whose options are not seen in their text.

    fsspec compares the texts of options. The text of credentials hides the secret.
    """

    def __call__(cls, *args: Any, **options: Any) -> Any:
        if isinstance(options.get("credentials"), Credentials | CredentialsProvider):
            options["skip_instance_cache"] = True
        return super().__call__(*args, **options)


class Aios3FileSystem(KeyDirectories, metaclass=_CachedByOptions):
    """Objects as files, for pandas, Dask and everything else that opens files by fsspec.

    A path is the bucket, a slash and the key. What has no method here works as in other filesystems of fsspec.
    Directories are common beginnings of keys, so an empty directory does not exist. No listing is kept, so a listing
    always shows what the store has.

    Its files commit when they are closed, and are discarded by an exception: see `open` and `open_async`. Errors of
    the store are `FileNotFoundError`, `PermissionError` and `FileExistsError` where they mean that, with the original
    as their cause. Otherwise they are those of the driver.
    """

    protocol = "aios3"

    def __init__(
        self,
        provider: str | None = None,
        *,
        asynchronous: bool = False,
        loop: Any = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> None:
        """Configure a filesystem; nothing is sent.

        Args:
            provider: the kind of store, as in `S3StorageDriver`.
            asynchronous: the filesystem is used by coroutines only, in any event loop.
            loop: event loop of the blocking methods; ``None`` for that of fsspec, which runs in a thread.
            batch_size: number of files that are copied at once; ``None`` for fsspec's own.
            **options: arguments of `S3StorageDriver`. Credentials, endpoint and region come from the same places if
                they are not given. A mapping may stand for credentials, transfer, retry and timeouts, and
                ``credentials="anonymous"`` sends unsigned requests. They are pickled with the filesystem, so leave
                secrets to the environment of each process.

        Raises:
            ConfigurationError, TypeError: an option is invalid.
        """
        super().__init__(asynchronous=asynchronous, loop=loop, batch_size=batch_size)
        settings = {name: value for name, value in options.items() if name not in _OF_LISTINGS}
        self._drivers = Drivers({"provider": provider, **settings})
        weakref.finalize(self, self._drivers.close_soon).atexit = False  # `drivers` closes what is left at the exit

    @property
    def driver(self) -> S3StorageDriver:
        """Driver of the running event loop, for what files cannot do. It is closed with the filesystem."""
        return self._drivers.current

    async def aclose(self) -> None:
        """Abort the uploads that run in this event loop, and close its connections. The next use opens new ones."""
        await self._drivers.aclose()

    def close(self) -> None:
        """Do as `aclose` in the event loop of the blocking methods."""
        sync(self.loop, self.aclose)

    def to_dict(self, *, include_password: bool = True) -> dict[str, Any]:
        """Return the class and the options, for JSON; without `include_password` also without credentials."""
        found: dict[str, Any] = super().to_dict(include_password=include_password)
        if not include_password:
            found.pop("credentials", None)
        return found

    # Files.

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: Mapping[str, Any] | None = None,
        compression: str | None = None,
        **options: Any,
    ) -> Any:
        """Open a file for blocking code.

        `close` commits a file that is written, and then it has a ``receipt``. In a transaction the end of the
        transaction commits it. It is discarded if an exception leaves its block, or if it is closed while an exception
        is handled that came after `open`. So an exception also discards it if a wrapper closes it, such as
        `fsspec.open`, compression, or pandas. Without `close` it is discarded when it is garbage-collected, or when the
        process exits.

        Args:
            path: the bucket and the key.
            mode: ``r``, ``w`` or ``x``, which refuses an object that exists, also one that appears before the commit.
            block_size: bytes that are read or passed on at once.
            cache_options: as in fsspec, for reading.
            compression: as in fsspec.
            **options: attributes of the object (`UploadAttributes`) and other arguments of
                ``S3StorageDriver.open_upload``; for reading `ReadOptions`, ``size`` and fsspec's ``cache_type``.

        Raises:
            FileNotFoundError, FileExistsError, IsADirectoryError: the path is not suitable.
            NotImplementedError: the mode would change an object in place.
        """
        require_file(stringify_path(path))
        if "r" in mode:
            return super().open(path, mode, block_size, cache_options, compression, **options)
        text: dict[str, Any] = {name: options.pop(name) for name in _OF_TEXT if name in options}
        is_committed_alone = options.pop("autocommit", not self._intrans)
        name = self._strip_protocol(path)
        file = self._open(name, mode.rstrip("tb") + "b", block_size, is_committed_alone, **options)
        try:
            wrapped = wrap(file, mode, compression, text)
        except BaseException:  # an unknown compression or encoding, which the caller may survive
            file.discard()
            raise
        if not is_committed_alone:
            self.transaction.files.append(file)
        return wrapped

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: Mapping[str, Any] | None = None,
        *,
        cache_type: str = "readahead",
        size: int | None = None,
        **options: Any,
    ) -> Any:
        if mode == "rb":
            return ReadFile(self, path, block_size, cache_type, cache_options, size, options)
        is_exclusive = _is_exclusive(mode)
        if is_exclusive and self.exists(path):
            raise os_error(FileExistsError, errno.EEXIST, path)
        attributes = {**options, "size": size}
        return WriteFile(
            self, path, block_size, autocommit=autocommit, is_exclusive=is_exclusive, attributes=attributes
        )

    async def open_async(self, path: str, mode: str = "rb", **options: Any) -> AsyncReadFile | AsyncWriteFile:
        """Open a file for coroutines of the running event loop: ``async with await fs.open_async(...) as file``.

        It is committed and discarded as a file of `open`; a cancellation discards it. It is not part of a transaction.

        Args:
            path: the bucket and the key.
            mode: ``rb``, ``wb`` or ``xb``.
            **options: as in `open`.

        Raises:
            FileNotFoundError, FileExistsError, IsADirectoryError, NotImplementedError: as in `open`.
        """
        name = self._strip_protocol(require_file(path))
        if mode == "rb":
            return AsyncReadFile(self, self.driver, require_object(await self._info(name, **options)), options)
        is_exclusive = _is_exclusive(mode)
        if is_exclusive and await self._exists(name):
            raise os_error(FileExistsError, errno.EEXIST, name)
        return AsyncWriteFile(self, name, await self._hold_upload(name, options, is_exclusive=is_exclusive))

    async def _hold_upload(self, path: str, attributes: Mapping[str, Any], *, is_exclusive: bool) -> HeldUpload:
        """Open an upload in the running event loop, for files."""
        return await HeldUpload.open(self.driver, path, attributes, is_exclusive=is_exclusive)

    # Whole objects.

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        name = self._strip_protocol(require_file(path))
        if min(start or 0, end or 0) < 0:
            start, end, _ = slice(start, end).indices((await self._info(name, **options))["size"])
        if end is not None and end <= (start or 0):
            return b""
        content, _ = await self._read_version(name, start, end, options)
        return content

    async def _read_version(
        self, path: str, start: int | None, end: int | None, options: Mapping[str, Any]
    ) -> tuple[bytes, str | None]:
        """Return a range of an object, and the ETag of the version that it is of; ``None`` if there are no bytes."""
        bucket, key = split_path(path)
        try:
            with os_errors(path):
                async with self.driver.open_object(bucket, key, start=start, end=end, **options) as found:
                    return b"".join([chunk async for chunk in found]), found.etag
        except ResponseError as error:
            if error.status == _INVALID_RANGE:
                return b"", None  # the object ends before `start`
            raise

    async def _pipe_file(self, path: str, value: Any, mode: str = "overwrite", **attributes: Any) -> None:
        name, conditions = self._target(path, mode)
        if self._intrans:
            await self._defer(name, value, conditions | attributes)
            return
        bucket, key = split_path(name)
        with os_errors(name, is_exclusive=bool(conditions)):
            await self.driver.upload_object_via_stream(value, bucket, key, **(conditions | attributes))

    async def _put_file(
        self, lpath: str, rpath: str, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **attributes: Any
    ) -> None:
        name, conditions = self._target(rpath, mode)
        if self._intrans:
            async with aiofiles.open(lpath, "rb") as file:
                await self._defer(name, file, conditions | attributes)
            return

        def report(progress: UploadProgress) -> None:
            callback.set_size(progress.bytes_total)
            callback.absolute_update(progress.bytes_stored)

        bucket, key = split_path(name)
        with os_errors(name, is_exclusive=bool(conditions)):
            await self.driver.upload_object(lpath, bucket, key, on_progress=report, **(conditions | attributes))

    def _target(self, path: str, mode: str) -> tuple[str, dict[str, Any]]:
        if mode not in ("overwrite", "create"):
            raise NotImplementedError(f"mode must be 'overwrite' or 'create', not {mode!r}")
        return self._strip_protocol(require_file(path)), {"if_none_match": "*"} if mode == "create" else {}

    async def _defer(self, path: str, source: Any, attributes: Mapping[str, Any]) -> None:
        """Send all of `source`, and leave the commit to the transaction, which ends in blocking code."""
        if self.asynchronous:
            raise NotImplementedError("a transaction needs a filesystem that was made without asynchronous=True")
        transaction = self.transaction
        upload = await self._hold_upload(path, attributes, is_exclusive="if_none_match" in attributes)
        if self._transaction is not transaction:  # an interrupt has ended it
            await upload.discard()
            raise StorageError(f"the transaction has ended, so the upload to {path!r} is discarded")
        deferred = Deferred(upload, self.loop)
        transaction.files.append(deferred)  # before the upload, so that an interrupted transaction discards it
        try:
            await upload.write_from(source)
            await upload.finish(commit=False)
        except BaseException:
            with suppress(ValueError):
                transaction.files.remove(deferred)
            await upload.discard()
            raise
        deferred.is_whole = True

    async def _get_file(self, rpath: str, lpath: str, callback: Any = DEFAULT_CALLBACK, **options: Any) -> None:
        name = self._strip_protocol(rpath)
        try:
            with os_errors(name):
                found = await self.driver.download_object(*split_path(name), lpath, overwrite=True, **options)
        except (FileNotFoundError, IsADirectoryError):
            if not await self._isdir(name):
                raise
            await aiofiles.os.makedirs(lpath, exist_ok=True)  # a directory among the files of a recursive copy
            return
        callback.set_size(found.size)
        callback.absolute_update(found.size)

    async def _cp_file(self, path1: str, path2: str, **attributes: Any) -> UploadReceipt:
        source, target = (self._strip_protocol(require_file(path)) for path in (path1, path2))
        with os_errors(source):
            return await self.driver.copy_object(*split_path(source), *split_path(target), **attributes)


def _is_exclusive(mode: str) -> bool:
    """Return whether a mode for writing refuses an object that exists.

    Raises:
        NotImplementedError: the mode would change an object in place.
    """
    if mode not in ("wb", "xb"):
        raise NotImplementedError(f"an object is written as a whole: open it by mode 'wb' or 'xb', not {mode!r}")
    return mode == "xb"
