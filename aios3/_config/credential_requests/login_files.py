"""Files in which the AWS CLI keeps logins: each holds a JSON object, and is replaced as a whole."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aios3._concurrency.threads import in_library_thread
from aios3._protocol.wire.xml_bodies import read_time
from aios3.errors import ConfigurationError

from .documents import parse_object, read_small_file

__all__ = ["LoginFile", "format_time", "read_login_time"]

_logger: Final = logging.getLogger("aios3")


class LoginFile:
    """One login, which the user and other programs may renew at any time; so it is read for each use.

    Args:
        path: the file.
        kind: name of the login in errors, such as ``"SSO login"``.
        command: command with which the user logs in again.
    """

    def __init__(self, path: Path, kind: str, command: str) -> None:
        self._path = path
        self._kind = kind
        self._command = command

    @property
    def origin(self) -> str:
        """Name of the file in errors."""
        return f"the {self._kind} in {self._path}"

    async def read(self) -> Mapping[str, object]:
        """Return the content.

        Raises:
            ConfigurationError: the file is missing, and the user must log in; or it cannot be used.
        """
        try:
            content = await read_small_file(self._path, f"the {self._kind}")
        except ConfigurationError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise self.needs_login("does not exist") from error
            raise
        return parse_object(content, self.origin)

    async def replace(self, document: Mapping[str, object]) -> None:
        """Write a renewed login, which no other user may read. A failure is logged: the login is good without it."""
        try:
            await in_library_thread(_replace, self._path, json.dumps(document).encode())
        except OSError as error:
            _logger.warning("%s cannot be renewed: %s", self.origin, error)

    def needs_login(self, what: str) -> ConfigurationError:
        """Return the error that says what is wrong with the login, and how to log in again."""
        return ConfigurationError(f"the {self._kind} {what}: run `{self._command}`")


def read_login_time(value: object) -> datetime | None:
    """Return a time of a login file; ``None`` if it is none. Older tools wrote UTC instead of the standard's Z."""
    return read_time(str(value or "").replace("UTC", "Z"))


def format_time(moment: datetime) -> str:
    """Return a time as the AWS CLI writes it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _replace(path: Path, content: bytes) -> None:
    # Readers see the old file or the new one. Only the owner may read files of `mkstemp`.
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
