"""Object that is open for reading: its description and its bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, fields

from aios3.errors import ConfigurationError
from aios3.models import StorageObject

__all__ = ["OpenedObject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedObject(StorageObject):
    """Object whose bytes can be iterated over once, inside the block of ``open_object``.

    ``size`` is the size of the whole object.
    """

    start: int
    """Offset of the first byte that the iteration yields."""
    end: int
    """Offset after the last byte that the iteration yields."""
    _chunks: AsyncIterator[bytes] = field(repr=False, compare=False)
    _iterated: list[bool] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def content_length(self) -> int:
        """Number of bytes that the iteration yields: the whole object, or the range."""
        return self.end - self.start

    def __reduce__(self) -> tuple[object, ...]:
        # A pickle can hold the description, but not the connection.
        return StorageObject, tuple(getattr(self, each.name) for each in fields(StorageObject))

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the bytes, in chunks of at most 256 KiB.

        Raises:
            ConfigurationError: the bytes were iterated over before, or the block was left.
        """
        if self._iterated:
            raise ConfigurationError("the bytes of an opened object can be iterated over once: open it again")
        self._iterated.append(True)
        return self._chunks
