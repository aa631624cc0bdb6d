"""Checksum of the whole object: announced to Create, sent with the commit, compared with the store's response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aios3._concurrency.threads import hash_body, in_library_thread
from aios3._protocol.checksums.crc_combine import composite_checksum, full_object_checksum
from aios3._protocol.checksums.digests import checksum_header, checksum_of, is_checksum
from aios3._protocol.operations import Committed
from aios3._protocol.wire.messages import Body
from aios3.errors import IntegrityError

__all__ = ["ObjectChecksum", "part_checksum"]

_INLINE_PARTS: Final = 64
"""Parts up to which combining their checksums on the loop (under 1 ms) is cheaper than a thread."""


@dataclass(frozen=True, slots=True)
class ObjectChecksum:
    """Algorithm and type of the checksum that protects one upload from end to end."""

    algorithm: str
    """Name of the algorithm, such as ``"crc32"``; every part has a checksum of it."""
    is_full_object: bool
    """The object's checksum covers all its bytes (FULL_OBJECT), not the checksums of its parts (COMPOSITE)."""

    def creation_headers(self) -> dict[str, str]:
        """Return the headers of Create; COMPOSITE, the default, is left out, because some stores do not know it."""
        headers = {"x-amz-checksum-algorithm": self.algorithm.upper()}
        return {**headers, "x-amz-checksum-type": "FULL_OBJECT"} if self.is_full_object else headers

    async def of_parts(self, parts: Sequence[tuple[str, int]]) -> str:
        """Return the object's checksum from the checksum and the size in bytes of each part, in order.

        Raises:
            IntegrityError: the checksum of a part is not one of the algorithm.
        """
        if len(parts) <= _INLINE_PARTS:
            return self._of_parts(parts)
        return await in_library_thread(self._of_parts, parts)

    def _of_parts(self, parts: Sequence[tuple[str, int]]) -> str:
        for number, (checksum, _) in enumerate(parts, 1):
            if not is_checksum(self.algorithm, checksum):
                raise IntegrityError(
                    f"{checksum!r:.80}, the checksum of part {number}, is not a valid {self.algorithm}"
                )
        if self.is_full_object:
            return full_object_checksum(self.algorithm, parts)
        return composite_checksum(self.algorithm, [checksum for checksum, _ in parts])

    def commit_headers(self, checksum: str) -> dict[str, str]:
        """Return the headers of CompleteMultipartUpload by which the store compares before it commits."""
        if not self.is_full_object:
            return {}
        return {checksum_header(self.algorithm): checksum, "x-amz-checksum-type": "FULL_OBJECT"}

    def compare(self, checksum: str, committed: Committed, *, bucket: str, key: str) -> None:
        """Compare `checksum` with that of the committed object, if the store reports one of this algorithm.

        Raises:
            IntegrityError: the object holds other bytes than were sent.
        """
        theirs = committed.checksum
        if theirs is None or theirs == checksum:
            return
        if len(theirs.partition("-")[0]) == len(checksum.partition("-")[0]):  # else it is of another algorithm
            raise IntegrityError(
                f"{bucket}/{key} was committed with {self.algorithm} {theirs}, but the bytes sent have {checksum}"
            )


async def part_checksum(checksum: ObjectChecksum | None, body: Body) -> tuple[str, str] | None:
    """Return the header and value of the additional checksum, or ``None`` if none is sent."""
    if checksum is None:
        return None
    algorithm = checksum.algorithm
    return checksum_header(algorithm), await hash_body(lambda data: checksum_of(algorithm, data), body)
