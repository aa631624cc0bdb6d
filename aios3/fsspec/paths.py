"""Paths, descriptions of objects and errors in the terms of fsspec."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from aios3.errors import (
    AccessDeniedError,
    ConflictError,
    ContainerNotFoundError,
    ObjectNotFoundError,
    PreconditionFailedError,
)
from aios3.models import StorageObject

__all__ = [
    "Info",
    "describe_directory",
    "describe_object",
    "os_error",
    "os_errors",
    "require_file",
    "require_object",
    "split_path",
]

Info: TypeAlias = dict[str, Any]


def split_path(path: str) -> tuple[str, str]:
    """Return the bucket and the key of a path without a protocol; the key of a bucket is empty."""
    bucket, _, key = path.partition("/")
    return bucket, key


def require_file(path: str) -> str:
    """Return `path`, which must be able to name a file.

    fsspec cuts a slash from the end of paths, so another object than the one that was named would be read or written.

    Raises:
        IsADirectoryError: the path ends with a slash.
    """
    if path.endswith("/"):
        raise os_error(IsADirectoryError, errno.EISDIR, path)
    return path


def require_object(info: Info) -> Info:
    """Return a description, which must be that of an object.

    Raises:
        IsADirectoryError: it is that of a bucket, or of keys with a common beginning.
    """
    if info["type"] == "directory":
        raise os_error(IsADirectoryError, errno.EISDIR, info["name"])
    return info


def describe_directory(path: str) -> Info:
    """Return the description of a bucket, or of keys with a common beginning."""
    return {"name": path, "size": 0, "type": "directory"}


def describe_object(found: StorageObject) -> Info:
    """Return the description of an object, with the words of S3 for what fsspec has no word for."""
    return {
        "name": f"{found.bucket}/{found.key}",
        "size": found.size,
        "type": "file",
        "ETag": found.etag,
        "LastModified": found.last_modified,
        "ContentType": found.content_type,
        "StorageClass": found.storage_class,
        "VersionId": found.version_id,
        "metadata": dict(found.metadata),
    }


def os_error(kind: type[OSError], number: int, path: str) -> OSError:
    """Return an error of the operating system about `path`."""
    return kind(number, os.strerror(number), path)


@contextmanager
def os_errors(path: str, *, is_exclusive: bool = False) -> Iterator[None]:
    """Turn errors of the store about `path` into those that users of files catch; the error of the store is the cause.

    Args:
        path: the path, for the message.
        is_exclusive: the block creates an object that must not exist.

    Raises:
        FileNotFoundError: there is no such object or bucket.
        PermissionError: the credentials do not suffice.
        FileExistsError: `is_exclusive`, and the object exists.
        Exception: any other error of the block, unchanged.
    """
    try:
        yield
    except (ObjectNotFoundError, ContainerNotFoundError) as error:
        raise os_error(FileNotFoundError, errno.ENOENT, path) from error
    except AccessDeniedError as error:
        raise os_error(PermissionError, errno.EACCES, path) from error
    except (PreconditionFailedError, ConflictError) as error:
        if not is_exclusive:
            raise
        raise os_error(FileExistsError, errno.EEXIST, path) from error
