"""Text of the command: receipts and JSON on standard output, one-line messages on standard error."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from aios3.cli._shared.exit_codes import advice_for
from aios3.cli._shared.targets import S3Url
from aios3.errors import StorageError, UploadSuspendedError
from aios3.models import UploadReceipt

__all__ = [
    "drop_standard_output",
    "format_size",
    "printable",
    "show_error",
    "show_json",
    "show_message",
    "show_raw",
    "show_receipt",
    "show_text",
]


def printable(text: str) -> str:
    """Return one line of text that is safe for a terminal: escapes control characters, as a key may hold some."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def format_size(size: float) -> str:
    """Return a number of bytes for people: ``"12.5 MiB"``."""
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"


def drop_standard_output() -> None:
    """Send what is written to standard output from now on nowhere, because its reader has gone or its disk is full."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def show_text(text: str) -> None:
    """Write one line to standard output."""
    click.echo(printable(text))


def show_raw(text: str) -> None:
    """Write one line to standard output as it is, for programs."""
    click.echo(text)


def show_json(value: Mapping[str, Any]) -> None:
    """Write a value to standard output, as one line of JSON."""
    click.echo(json.dumps(value, default=_plain, separators=(", ", ": ")))


def show_message(text: str) -> None:
    """Write one line to standard error."""
    click.echo(printable(f"aios3: {text}"), err=True)


def show_error(error: BaseException, subject: str = "") -> None:
    """Write an error to standard error: one line with the next step, and a line for each note of the library."""
    words = [_words_of(error), advice_for(error)]
    prefix = f"{subject}: " if subject else ""
    show_message(prefix + "; ".join(word for word in words if word))
    for note in getattr(error, "__notes__", ()):
        show_message(note.removeprefix("aios3: "))


def _words_of(error: BaseException) -> str:
    if isinstance(error, UploadSuspendedError):
        return "a signal interrupted the upload, which stays open"
    if isinstance(error, OSError) and error.strerror and not isinstance(error, StorageError):
        return f"{error.strerror}: {os.fsdecode(error.filename)!r}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def show_receipt(receipt: UploadReceipt, *, as_json: bool) -> None:
    """Write a receipt to standard output: a line for people, or all of it as one line of JSON.

    The object is there, so a receipt that cannot be written is only a message.
    """
    try:
        _write_receipt(receipt, as_json=as_json)
    except OSError as error:
        drop_standard_output()
        show_message(f"{S3Url(receipt.bucket, receipt.key)} is stored, but its receipt is lost: {error.strerror}")


def _write_receipt(receipt: UploadReceipt, *, as_json: bool) -> None:
    if as_json:
        show_json(asdict(receipt))
        return
    version = f", version {receipt.version_id}" if receipt.version_id else ""
    checksum = f", checksum {receipt.checksum}" if receipt.checksum else ""
    where = S3Url(receipt.bucket, receipt.key)
    show_text(f"{where}: {receipt.size} bytes, etag {receipt.etag}{checksum}{version}")


def _plain(value: Any) -> Any:
    """Return a value that JSON has, for a time or a set of names."""
    if isinstance(value, datetime):
        return value.isoformat()
    return sorted(value)
