"""Record of acknowledged parts, which CompleteMultipartUpload will list."""

from __future__ import annotations

from collections.abc import Iterable

from aios3._protocol.wire.response_headers import unquote_etag
from aios3.errors import IntegrityError
from aios3.models import UploadedPart

__all__ = ["PartTracker"]


class PartTracker:
    """Maps part numbers to sizes, ETags and checksums. Responses may come in any order.

    ETags are kept as sent, because the store expects them back unchanged.
    """

    def __init__(self) -> None:
        self._parts: dict[int, UploadedPart] = {}
        self._etags: dict[int, str] = {}
        self.bytes_stored = 0
        """Bytes acknowledged; never decreases."""
        self.bytes_durable = 0
        """Bytes of the parts before the first gap; never decreases."""
        self._parts_durable = 0

    def begin_at(self, number: int) -> None:
        """Count parts before `number` as stored by others; nothing is recorded yet."""
        self._parts_durable = number - 1

    def __len__(self) -> int:
        return len(self._parts)

    def record(self, number: int, *, size: int, etag: str, checksum: str | None = None) -> UploadedPart:
        """Record that the store has part `number`, of `size` bytes; return the part as a receipt lists it.

        Raises:
            IntegrityError: the part was recorded before; a part is uploaded once.
        """
        if number in self._parts:
            raise IntegrityError(f"part {number} was acknowledged twice")
        stored = self._parts[number] = UploadedPart(number, size, unquote_etag(etag), checksum)
        self._etags[number] = etag
        self.bytes_stored += size
        while (part := self._parts.get(self._parts_durable + 1)) is not None:
            self._parts_durable += 1
            self.bytes_durable += part.size
        return stored

    def restore(self, parts: Iterable[UploadedPart]) -> None:
        """Record parts that the store acknowledged before this tracker was made.

        Raises:
            IntegrityError: a part was recorded before.
        """
        for part in parts:
            self.record(part.number, size=part.size, etag=f'"{unquote_etag(part.etag)}"', checksum=part.checksum)

    def finish(self, *, count: int, size: int) -> tuple[tuple[int, str, str | None], ...]:
        """Return (number, ETag, checksum) of all parts in order, as Complete lists them.

        Raises:
            IntegrityError: the parts are not those from 1 to `count`, or do not hold `size` bytes together.
        """
        gaps = [number for number in range(1, count + 1) if number not in self._parts]
        if gaps or len(self._parts) != count:
            raise IntegrityError(f"{len(self._parts)} of {count} parts were acknowledged; missing: {gaps[:10]}")
        if self.bytes_stored != size:
            raise IntegrityError(f"the source had {size} bytes, but the parts hold {self.bytes_stored}")
        return tuple((part.number, self._etags[part.number], part.checksum) for part in self.uploaded_parts())

    def checksums(self) -> list[tuple[str, int]]:
        """Return (checksum, bytes) of all parts that were sent with a checksum, in order."""
        return [(part.checksum, part.size) for part in self.uploaded_parts() if part.checksum is not None]

    def durable_parts(self) -> tuple[UploadedPart, ...]:
        """Return the parts before the first gap, in order."""
        return tuple(part for part in self.uploaded_parts() if part.number <= self._parts_durable)

    def uploaded_parts(self) -> tuple[UploadedPart, ...]:
        """Return the parts in order, as a receipt lists them."""
        return tuple([part for _, part in sorted(self._parts.items())])
