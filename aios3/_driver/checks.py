"""Arguments of the wrong type are told by their names, before anything is done with them."""

from __future__ import annotations

__all__ = ["check_callable", "check_type"]


def check_type(name: str, value: object, *kinds: type) -> None:
    """Raise a `TypeError` that names the argument unless `value` is of one of the `kinds`."""
    if not isinstance(value, kinds):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} must be a {expected}, not a {type(value).__name__}")


def check_callable(name: str, value: object) -> None:
    """Raise a `TypeError` that names the argument unless `value` can be called or is ``None``."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a function or None, not a {type(value).__name__}")
