"""Errors for packages that an extra of aios3 installs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["of_extra"]


@contextmanager
def of_extra(extra: str, *packages: str) -> Iterator[None]:
    """Make the error of imports in the block name the extra that installs them.

    Args:
        extra: name of the extra.
        packages: top-level packages of it. An error about any other package stays as it is.

    Raises:
        ModuleNotFoundError: a package of the extra is not installed, or is too old to have a module or a name.
    """
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in packages:
            raise
        raise ModuleNotFoundError(
            f"{error.msg}. It comes with an extra: pip install 'aios3-upload[{extra}]'", name=error.name
        ) from error
