"""Parser of AWS's credentials documents, which differ only in the names of their fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aios3._concurrency.threads import in_library_thread
from aios3._protocol.wire.xml_bodies import read_time
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

__all__ = [
    "LOGIN_FIELDS",
    "METADATA_FIELDS",
    "PROCESS_FIELDS",
    "SSO_FIELDS",
    "Fields",
    "parse_object",
    "read_credentials",
    "read_small_file",
]


@dataclass(frozen=True, slots=True)
class Fields:
    """Names of the fields of one kind of document."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: str


PROCESS_FIELDS: Final = Fields("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
"""Fields of credential_process and of STS."""
METADATA_FIELDS: Final = Fields("AccessKeyId", "SecretAccessKey", "Token", "Expiration")
"""Fields of the container endpoint and of instance metadata."""
LOGIN_FIELDS: Final = Fields("accessKeyId", "secretAccessKey", "sessionToken", "expiresAt")
"""Fields of the credentials in a file of ``aws login``."""
SSO_FIELDS: Final = Fields("accessKeyId", "secretAccessKey", "sessionToken", "expiration")


def parse_object(body: bytes, origin: str) -> Mapping[str, object]:
    """Return the JSON object in ``body``; ``origin`` names the document in errors.

    Raises:
        ConfigurationError: ``body`` is not a JSON object. Neither the message nor a cause quotes it.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{origin} is not a JSON object")
    return document


def read_credentials(document: Mapping[str, object], fields: Fields, origin: str) -> Credentials:
    """Return the credentials of a document. An expiration is an ISO 8601 time, or milliseconds since 1970.

    Raises:
        ConfigurationError: a key is missing, or a value cannot be used. The message holds no value.
    """
    key_id = _read_text(document, fields.access_key_id, origin)
    secret = _read_text(document, fields.secret_access_key, origin)
    if key_id is None or secret is None:
        missing = fields.access_key_id if key_id is None else fields.secret_access_key
        raise ConfigurationError(f"{origin} has no {missing}")
    token = _read_text(document, fields.session_token, origin)
    try:
        return Credentials(key_id, secret, token, _read_expiration(document, fields.expiration, origin))
    except ConfigurationError as error:
        raise ConfigurationError(f"{origin}: {error}") from None


def _read_text(document: Mapping[str, object], name: str, origin: str) -> str | None:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{origin}: {name} is not a string")
    return value or None


def _read_expiration(document: Mapping[str, object], name: str, origin: str) -> datetime | None:
    value = document.get(name)
    if value in (None, ""):
        return None
    moment = _read_milliseconds(value) if isinstance(value, int) else read_time(str(value))
    if moment is None:
        raise ConfigurationError(f"{name} is not a time")
    return moment


def _read_milliseconds(value: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


_MAX_BYTES: Final = 64 * 1024


async def read_small_file(path: Path, origin: str) -> bytes:
    """Return the content of a file of at most 64 KiB, read in a thread; ``origin`` names the file in errors.

    Raises:
        ConfigurationError: the file cannot be read, is empty, or is longer. The message quotes none of it.
    """
    return await in_library_thread(_read, path, origin)


def _read(path: Path, origin: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{origin}: {path} cannot be read: {error}") from error
    if not content.strip() or len(content) > _MAX_BYTES:
        raise ConfigurationError(f"{origin}: {path} is empty or over {_MAX_BYTES} bytes long")
    return content
