"""Small files that somebody else keeps writing anew: tokens, and what a login left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aios3._concurrency.threads import in_library_thread
from aios3.errors import ConfigurationError

__all__ = ["read_small_file"]

_MAX_BYTES: Final = 64 * 1024


async def read_small_file(path: Path, origin: str) -> bytes:
    """Return a file of at most 64 KiB, read in a thread; ``origin`` says in errors whose it is.

    Raises:
        ConfigurationError: it cannot be read, is empty, or is longer. The message holds none of it.
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
