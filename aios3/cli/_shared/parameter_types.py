"""Types of command-line parameters: sizes, durations, pairs, URLs, secrets from files."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from aios3.cli._shared.targets import S3Url
from aios3.errors import ConfigurationError

__all__ = ["DURATION", "KEY_FILE", "PAIR", "S3_URL", "SIZE", "TIME"]

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)?")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class _Type(click.ParamType):  # type: ignore[type-arg] # older versions of click have no type argument
    """Base of the types."""


class _Size(_Type):
    """Number of bytes: ``1048576``, ``16MiB``, ``16M`` (the same), ``16MB`` (16,000,000), ``1.5GiB``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(value.strip())
        if found is None:
            self.fail(f"{value!r} is not a size: write 16MiB, 500MB, or a number of bytes", param, ctx)
        number, letter, binary = found.groups()
        is_decimal = bool(letter) and not binary and value.strip()[-1] in "bB"
        return int(float(number) * (1000 if is_decimal else 1024) ** " KMGT".index(letter.upper() or " "))


class _Duration(_Type):
    """Time span: ``90`` (seconds), ``15m``, ``1h``, ``2d``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = _DURATION.fullmatch(value.strip())
        if found is None:
            self.fail(f"{value!r} is not a duration: write 90s, 15m, 1h or 2d", param, ctx)
        try:
            return timedelta(seconds=float(found[1]) * _SECONDS[found[2] or "s"])
        except OverflowError:
            self.fail(f"{value!r} is too long", param, ctx)


class _Pair(_Type):
    """Name and value: ``camera=7``. The value may hold further equals signs."""

    name = "k=v"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, equals, content = value.partition("=")
        if not equals or not name:
            self.fail(f"{value!r} is not a pair: write name=value", param, ctx)
        return name, content


class _Url(_Type):
    """``s3://bucket/key``."""

    name = "s3url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> S3Url:
        if isinstance(value, S3Url):
            return value
        try:
            return S3Url.parse(value)
        except ConfigurationError as error:
            self.fail(str(error), param, ctx)


class _Time(_Type):
    """Point in time in ISO 8601, with its offset: ``2027-01-31T12:00:00Z``."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time: write 2027-01-31T12:00:00Z", param, ctx)
        if time.tzinfo is None:
            self.fail(f"{value!r} has no offset: write {value}Z for UTC", param, ctx)
        return time


class _KeyFile(_Type):
    """File with a key of 32 bytes. A key in an argument would show in the list of processes."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            key = Path(value).read_bytes()
        except OSError as error:
            self.fail(f"cannot read {value!r}: {error.strerror}", param, ctx)
        if len(key) != 32:
            self.fail(f"{value!r} holds {len(key)} bytes, and a key has 32", param, ctx)
        return key


SIZE: Final = _Size()
DURATION: Final = _Duration()
PAIR: Final = _Pair()
S3_URL: Final = _Url()
TIME: Final = _Time()
KEY_FILE: Final = _KeyFile()
