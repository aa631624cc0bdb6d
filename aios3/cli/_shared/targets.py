"""URLs of buckets and keys, and the names that files and keys give one another."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from aios3.errors import ConfigurationError

__all__ = ["S3Url", "is_s3_url"]

_SCHEME: Final = "s3://"


def is_s3_url(text: str) -> bool:
    """Return whether a word of the command line is the URL of a bucket or an object."""
    return text.startswith(_SCHEME)


@dataclass(frozen=True, slots=True)
class S3Url:
    """``s3://BUCKET/KEY``. Everything after the bucket's slash is the exact key: nothing is decoded or normalised."""

    bucket: str
    key: str = ""
    """Exact key; empty for the bucket."""

    @classmethod
    def parse(cls, text: str) -> S3Url:
        """Read a URL.

        Raises:
            ConfigurationError: it is no such URL, or names no bucket.
        """
        bucket, _, key = text.removeprefix(_SCHEME).partition("/")
        if not is_s3_url(text) or not bucket:
            raise ConfigurationError(f"{text!r} is not a URL like s3://bucket/key")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"{_SCHEME}{self.bucket}/{self.key}"

    @property
    def is_prefix(self) -> bool:
        """Whether files are put below this URL: it ends with a slash, or is a bucket."""
        return not self.key or self.key.endswith("/")

    def with_key(self) -> S3Url:
        """Return the URL.

        Raises:
            ConfigurationError: it names no key.
        """
        if not self.key:
            raise ConfigurationError(f"{str(self)!r} names no key: write s3://{self.bucket}/KEY")
        return self

    def for_file(self, path: str) -> S3Url:
        """Return the URL of the object that a file becomes: below a prefix it keeps its name."""
        return S3Url(self.bucket, self.key + os.path.basename(path)) if self.is_prefix else self

    def below(self, relative: str) -> S3Url:
        """Return the URL of a relative path of a directory, whose separators become slashes."""
        prefix = self.key if self.is_prefix else f"{self.key}/"
        return S3Url(self.bucket, prefix + PurePosixPath(*relative.split(os.sep)).as_posix())

    def file_name(self) -> str:
        """Return the name of a file for the object, which never leads to another directory.

        Raises:
            ConfigurationError: the end of the key can be no file's name.
        """
        name = self.key.rpartition("/")[2]
        separators = {"\0", os.sep, os.altsep or os.sep}  # a backslash on Windows
        if name in ("", ".", "..") or any(each in name for each in separators):
            raise ConfigurationError(f"the key {self.key!r} gives a file no name: write aios3 get URL PATH")
        return name
