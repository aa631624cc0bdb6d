"""What tells our own object from another's, when the answer to the request that made it was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aios3.models import StorageObject

__all__ = ["NONCE_NAME", "Evidence"]

NONCE_NAME: Final = "aios3-nonce"
"""The name of the metadata that marks an object as made by one upload and no other."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the object that we made. Its ETag is weighed elsewhere: not every store makes the same."""

    size: int
    """Bytes."""
    checksum: str | None = None
    """As the store would report it."""
    nonce: str | None = None
    """The value of its `NONCE_NAME`, if it was given one."""

    def asking(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of a HEAD that looks for it."""
        return {**headers, "x-amz-checksum-mode": "ENABLED"} if self.checksum is not None else dict(headers)

    def judge(self, found: StorageObject) -> bool | None:
        """Return whether an object is ours; ``None`` if this cannot tell."""
        if found.size != self.size:
            return False
        theirs = found.metadata.get(NONCE_NAME)
        if self.nonce is not None and theirs is not None:
            return theirs == self.nonce
        if self.checksum is not None and found.checksum is not None and len(self.checksum) == len(found.checksum):
            return self.checksum == found.checksum
        return None
