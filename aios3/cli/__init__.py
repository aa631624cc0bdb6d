"""The command ``aios3`` (extra ``cli``). It is a user of the library and uses no private module."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code.

    Args:
        arguments: words after the name of the command; ``None`` takes those of this process.
    """
    try:
        from aios3.cli.application import run_application
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("click", "rich"):
            raise
        sys.stderr.write(f"aios3: the command needs the package {error.name!r}: pip install 'aios3-upload[cli]'\n")
        return 2
    return run_application(arguments)
