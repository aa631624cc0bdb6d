"""What tells our own object from another's, when the answer to the request that made it was lost."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aios3._client.client import OperationClient
from aios3.models import StorageObject

__all__ = ["NONCE_NAME", "ObjectProof", "multipart_etag", "stored_after"]

_MD5: Final = re.compile(r'"?([0-9a-f]{32})"?\Z')
_SLACK: Final = 2.0
"""Seconds: HTTP dates are whole seconds."""
NONCE_NAME: Final = "aios3-nonce"
"""The name of the metadata that marks an object as made by one upload and no other."""


@dataclass(frozen=True, slots=True)
class ObjectProof:
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

    def matches(self, found: StorageObject) -> bool | None:
        """Return whether an object is ours; ``None`` if this cannot tell."""
        if found.size != self.size:
            return False
        theirs = found.metadata.get(NONCE_NAME)
        if self.nonce is not None and theirs is not None:
            return theirs == self.nonce
        if self.checksum is not None and found.checksum is not None and len(self.checksum) == len(found.checksum):
            return self.checksum == found.checksum
        return None


def multipart_etag(part_etags: list[str]) -> str | None:
    """Return the ETag that S3 gives to an object of these parts, unquoted; ``None`` if theirs are no MD5s."""
    digests = [found.group(1) for etag in part_etags if (found := _MD5.match(etag))]
    if len(digests) != len(part_etags):
        return None
    joined = b"".join(bytes.fromhex(digest) for digest in digests)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(digests)}"


def stored_after(client: OperationClient, found: StorageObject, began_at: float) -> bool:
    """Return whether an object may be no older than `began_at`, by the client's monotonic clock.

    What we stored since then always is; of what is a little older it is not known where no answer of the store's was
    quick enough to tell its time.
    """
    if found.last_modified is None:
        return False
    age = (client.clock_skew.earliest_server_time(client.clock.now()) - found.last_modified).total_seconds()
    return age <= client.clock.monotonic() - began_at + _SLACK
