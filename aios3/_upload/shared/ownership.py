"""Proof that the object at a key is ours, for a commit whose response was lost."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aios3._client.attempts import FailedAttempts
from aios3._client.client import OperationClient
from aios3._protocol.operations import HeadObject
from aios3.errors import ContainerNotFoundError, ObjectNotFoundError
from aios3.models import StorageObject

__all__ = ["NONCE_NAME", "Finding", "ObjectProof", "look_for", "multipart_etag", "stored_after"]

_MD5: Final = re.compile(r'"?([0-9a-f]{32})"?\Z')
_SLACK: Final = 2.0
"""Tolerance in seconds, because HTTP dates are whole seconds."""
NONCE_NAME: Final = "aios3-nonce"
"""Name of the metadata entry that holds the nonce of the upload that made the object."""


# Nothing changes a proof, but `frozen` would double the time that it takes to make one.
@dataclass(slots=True)
class ObjectProof:
    """Facts about the object that we made. Its ETag is compared elsewhere, because stores compute it differently."""

    size: int
    """Bytes."""
    checksum: str | None = None
    """Checksum as the store would report it; ``None`` if there is none."""
    nonce: str | None = None
    """Value of its metadata `NONCE_NAME`; ``None`` if it has none."""

    def matches(self, found: StorageObject) -> bool | None:
        """Return whether an object is ours; ``None`` if these facts cannot tell."""
        if found.size != self.size:
            return False
        theirs = found.metadata.get(NONCE_NAME)
        if self.nonce is not None and theirs is not None:
            return theirs == self.nonce
        if self.checksum is not None and found.checksum is not None and len(self.checksum) == len(found.checksum):
            return self.checksum == found.checksum
        return None


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one look at a key."""

    found: StorageObject | None = None
    """Object at the key; ``None`` if there is none, or the key cannot be looked at."""
    is_ours: bool | None = None
    """Result of the comparison with the proof; ``None`` if the proof cannot tell, or there is no object."""
    trouble: Exception | None = None
    """Reason why the key cannot be looked at; ``None`` if it can."""


async def look_for(
    client: OperationClient,
    log: FailedAttempts,
    bucket: str,
    key: str,
    headers: Mapping[str, str],
    proof: ObjectProof,
) -> Finding:
    """Send one HEAD with `headers`, and compare the object at the key with `proof`. Errors are in the finding.

    `log` is the log of the upload, which does not receive the failed attempts.
    """
    if proof.checksum is not None:
        headers = {**headers, "x-amz-checksum-mode": "ENABLED"}
    try:
        found = await client.run(HeadObject(bucket, key, headers), log=log.aside())
    except (ObjectNotFoundError, ContainerNotFoundError):
        return Finding()
    except Exception as error:  # noqa: BLE001 - credentials may fail with anything
        return Finding(trouble=error)
    return Finding(found, proof.matches(found))


def multipart_etag(part_etags: list[str]) -> str | None:
    """Return the ETag that S3 gives to an object of these parts, unquoted; ``None`` if theirs are no MD5s."""
    digests = [found.group(1) for etag in part_etags if (found := _MD5.match(etag))]
    if len(digests) != len(part_etags):
        return None
    joined = b"".join(bytes.fromhex(digest) for digest in digests)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(digests)}"


def stored_after(client: OperationClient, found: StorageObject, began_at: float) -> bool:
    """Return whether an object may be as young as `began_at`, by the client's monotonic clock.

    True for every object that was stored after that. Slightly older objects also pass if no quick response has shown
    the server's clock.
    """
    if found.last_modified is None:
        return False
    age = (client.clock_skew.earliest_server_time(client.clock.now()) - found.last_modified).total_seconds()
    return age <= client.clock.monotonic() - began_at + _SLACK
