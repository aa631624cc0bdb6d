"""Base of the filesystem: directories as common beginnings of keys, with what describes, lists and deletes them."""

from __future__ import annotations

import errno
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from itertools import groupby
from typing import Any

from fsspec.asyn import AsyncFileSystem, sync

from aios3.driver import S3StorageDriver
from aios3.errors import ConflictError, ObjectNotFoundError
from aios3.models import CommonPrefix, StorageObject

from .paths import Info, describe_directory, describe_object, os_error, os_errors, require_file, split_path

__all__ = ["KeyDirectories"]


class KeyDirectories(AsyncFileSystem):  # type: ignore[misc]
    """Filesystem whose directories are the beginnings that keys share, up to a slash.

    An object whose key ends with a slash makes a directory that has no files. It is not itself a file.
    """

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        return super()._strip_protocol(path).removeprefix("s3://")  # for those who register the class as "s3"

    @property
    def driver(self) -> S3StorageDriver:
        """Driver of the running event loop. The subclass that makes drivers gives it."""
        raise NotImplementedError

    # Descriptions.

    async def _info(self, path: str, **options: Any) -> Info:
        name = self._strip_protocol(path)
        bucket, key = split_path(name)
        with os_errors(name):
            if not key:
                if bucket:
                    await self.driver.get_container(bucket)
                return describe_directory(name)
            try:
                return describe_object(await self.driver.get_object(bucket, key, **options))
            except ObjectNotFoundError:
                if await self._has_objects_below(name):
                    return describe_directory(name)
                raise

    async def _has_objects_below(self, path: str) -> bool:
        async with aclosing(self._objects_below(path)) as found:
            async for _ in found:
                return True
        return False

    async def _isfile(self, path: str) -> bool:
        return await self._is_of_type(path, "file")

    async def _isdir(self, path: str) -> bool:
        return await self._is_of_type(path, "directory")

    async def _is_of_type(self, path: str, kind: str) -> bool:
        try:
            return bool((await self._info(path))["type"] == kind)
        except FileNotFoundError:  # a store that does not respond is an error, and no proof that nothing is there
            return False

    # Listings.

    def _objects_below(self, path: str) -> AsyncGenerator[StorageObject]:
        """Iterate over all objects in a bucket or a directory, at any depth."""
        bucket, key = split_path(path)
        return self.driver.iterate_container_objects(bucket, prefix=key and f"{key}/")

    async def _entries(self, path: str, prefix: str = "") -> list[Info]:
        """Return the descriptions of the files and directories in a directory whose names begin with `prefix`."""
        if not path:
            return [describe_directory(found.name) async for found in self.driver.iterate_containers()]
        bucket, key = split_path(path)
        beginning = key and f"{key}/"
        found = self.driver.iterate_container_objects(bucket, prefix=beginning + prefix, delimiter="/")
        with os_errors(path):
            return [_describe(each) async for each in found if _name_of(each) != beginning]

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Info] | list[str]:
        name = self._strip_protocol(path)
        entries = await self._entries(name)
        if not entries and "/" in name:
            info = await self._info(name)
            entries = [info] if info["type"] == "file" else []
        return entries if detail else sorted(entry["name"] for entry in entries)

    async def _find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        *,
        detail: bool = False,
        prefix: str = "",
        **_: Any,
    ) -> list[str] | dict[str, Info]:
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        name = self._strip_protocol(path)
        walked = maxdepth is not None or not name
        try:
            found = await (self._levels(name, maxdepth, prefix) if walked else self._tree(name, prefix))
        except FileNotFoundError:  # there is no such bucket, and so nothing to find
            return {} if detail else []
        if not withdirs:
            found = {path: info for path, info in found.items() if info["type"] == "file"}
        if name and not prefix and (withdirs or not found):
            with_itself = await self._itself(name)
            found |= {path: info for path, info in with_itself.items() if withdirs or info["type"] == "file"}
        return {path: found[path] for path in sorted(found)} if detail else sorted(found)

    async def _itself(self, path: str) -> dict[str, Info]:
        try:
            return {path: await self._info(path)}
        except FileNotFoundError:
            return {}

    async def _levels(self, path: str, maxdepth: int | None, prefix: str) -> dict[str, Info]:
        """Return what is in a directory down to a depth, by one listing for each directory."""
        found: dict[str, Info] = {}
        level, depth = [path], 0
        while level and (maxdepth is None or depth < maxdepth):
            entries = [entry for each in level for entry in await self._entries(each, "" if depth else prefix)]
            for entry in entries:
                found.setdefault(entry["name"], entry)  # a file comes before the directory of its name
            level = [entry["name"] for entry in entries if entry["type"] == "directory"]
            depth += 1
        return found

    async def _tree(self, path: str, prefix: str) -> dict[str, Info]:
        """Return all that is in a bucket or a directory, by one listing."""
        bucket, key = split_path(path)
        beginning = key and f"{key}/"
        found: dict[str, Info] = {}
        with os_errors(path):
            async for each in self.driver.iterate_container_objects(bucket, prefix=beginning + prefix):
                for end in _slashes(each.key, len(beginning)):
                    name = f"{bucket}/{each.key[:end]}"
                    found.setdefault(name, describe_directory(name))
                if not each.key.endswith("/"):
                    found[f"{bucket}/{each.key}"] = describe_object(each)
        return found

    async def _du(
        self, path: str, total: bool = True, maxdepth: int | None = None, withdirs: bool = False, **_: Any
    ) -> int | dict[str, int]:
        found = await self._find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True)
        assert isinstance(found, dict)
        sizes = {name: int(info["size"]) for name, info in found.items()}
        return sum(sizes.values()) if total else sizes

    # Buckets, and the end of objects.

    async def _mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Create a bucket. A directory needs no creation."""
        name = self._strip_protocol(path)
        if "/" in name:
            return
        if await self._isdir(name):  # some regions report the creation of one's own bucket as a success
            raise os_error(FileExistsError, errno.EEXIST, name)
        with os_errors(name, is_exclusive=True):
            await self.driver.create_container(name)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        name = self._strip_protocol(path)
        if "/" in name or (exist_ok and await self._isdir(name)):
            return
        await self._mkdir(name)

    async def _rmdir(self, path: str) -> None:
        name = self._strip_protocol(path)
        if "/" in name:
            is_there = await self._isdir(name)
            kind, number = (OSError, errno.ENOTEMPTY) if is_there else (FileNotFoundError, errno.ENOENT)
            raise os_error(kind, number, name)
        try:
            with os_errors(name):
                await self.driver.delete_container(name)
        except ConflictError as error:
            raise os_error(OSError, errno.ENOTEMPTY, name) from error

    def rmdir(self, path: str) -> None:
        """Delete an empty bucket. A directory in a bucket ends with its last object.

        Raises:
            FileNotFoundError: there is no such bucket or directory.
            OSError: it is not empty.
        """
        sync(self.loop, self._rmdir, path)

    async def _rm_file(self, path: str, **options: Any) -> None:
        name = self._strip_protocol(require_file(path))
        with os_errors(name):
            await self.driver.delete_object(*split_path(name), **options)

    async def _rm(
        self, path: str | list[str], recursive: bool = False, batch_size: int | None = None, maxdepth: int | None = None
    ) -> None:
        """Delete objects, 1,000 in a request. A bucket itself stays; `rmdir` deletes it."""
        paths = await self._expand_path(path)
        if not recursive:
            for bucket, group in groupby(paths, key=lambda each: split_path(each)[0]):
                await self._delete(bucket, [split_path(each)[1] for each in group])
            return
        deleted = [await self._delete(split_path(each)[0], self._keys_of(each, maxdepth)) for each in paths]
        if not any(deleted):
            raise os_error(FileNotFoundError, errno.ENOENT, str(path))

    async def _keys_of(self, path: str, maxdepth: int | None) -> AsyncGenerator[str]:
        """Iterate over the key of a file, and those in the directory of that name."""
        if "/" in path and await self._isfile(path):
            yield split_path(path)[1]
        async with aclosing(self._objects_below(path)) as found:
            async for each in found:
                if maxdepth is None or f"{each.bucket}/{each.key}".count("/", len(path) + 1) < maxdepth:
                    yield each.key

    async def _delete(self, bucket: str, keys: Iterable[str] | AsyncIterable[str]) -> int:
        with os_errors(bucket):
            result = await self.driver.delete_objects(bucket, keys)
        for failure in result.failures:
            message = f"{len(result.failures)} objects could not be deleted: {failure.message}"
            raise OSError(errno.EIO, message, f"{bucket}/{failure.key}")
        return result.deleted


def _name_of(entry: StorageObject | CommonPrefix) -> str:
    return entry.prefix if isinstance(entry, CommonPrefix) else entry.key


def _describe(entry: StorageObject | CommonPrefix) -> Info:
    if isinstance(entry, CommonPrefix):
        return describe_directory(f"{entry.bucket}/{entry.prefix[:-1]}")
    return describe_object(entry)


def _slashes(key: str, start: int) -> list[int]:
    """Return the offsets of the slashes in `key` from `start` on."""
    return [offset for offset in range(start, len(key)) if key[offset] == "/"]
