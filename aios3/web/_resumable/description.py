"""Description of one resumable upload, as it is kept in the store, and the arithmetic of its offset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from aios3._protocol.attributes.encoding import read_metadata
from aios3.checkpoints import MultipartUpload
from aios3.errors import ConfigurationError, StorageError
from aios3.models import UploadedPart

from .messages import RefusedError, Status

__all__ = ["Description", "Progress", "gap_free", "object_metadata"]

_RESERVED = "aios3-"
_MOST_NAME = 60
_MOST_ENCODED = 2000
"""Limit of the object's metadata in bytes, as headers. S3 keeps 2 KiB, and the driver adds a nonce of 43 bytes."""


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of an upload besides its bytes. It is one object in the store."""

    upload: MultipartUpload
    """Multipart upload that holds the parts. Its `size` is the declared length, once there is one."""
    owner: str | None
    """Owner that ``authorize`` named; ``None`` if it named none."""
    expires_at: datetime
    """Time after which an unfinished upload is gone."""
    metadata: str | None = None
    """Metadata header exactly as the client sent it; ``None`` without one."""
    pairs: Mapping[str, str] | None = None
    """Decoded metadata; ``None`` is the same as none."""
    concat: str | None = None
    """``Upload-Concat`` exactly as the client sent it; ``None`` without one."""
    etag: str | None = None
    """ETag of the finished object; ``None`` until the upload is finished."""
    holder: str | None = None
    """Random name of the request that may change the upload now; ``None`` if no request does."""
    wanted: str | None = None
    """Random name of a newer request that waits for the end of the holder; ``None`` if none waits."""
    turn: int = 0
    """Number that each taking and each renewal raises, so no two of them write the same bytes."""
    expected: int | None = 0
    """Offset in bytes at which the holder ends, or the last holder has ended; ``None`` if that is unknown."""
    tail: str | None = None
    """ETag of the tail object when the holder began; ``None`` if there was none. A holder that ends on the grid leaves
    that object as it is, so the next one knows the condition of its own tail without a request."""

    @property
    def length(self) -> int | None:
        """Declared bytes of the whole upload; ``None`` if they are unknown."""
        return self.upload.size

    @property
    def is_complete(self) -> bool:
        """The object is in the store, and `etag` is its ETag."""
        return self.etag is not None

    @property
    def is_partial(self) -> bool:
        """The object is meant to become a section of another one."""
        return self.concat is not None and not self.is_final

    @property
    def is_final(self) -> bool:
        """The upload is made of others, not of bodies of its client."""
        return self.concat is not None and self.concat.startswith("final")

    def with_length(self, length: int) -> Description:
        """Return the description with a declared length in bytes."""
        return replace(self, upload=replace(self.upload, size=length))

    def held_by(self, holder: str) -> Description:
        """Return the description for a request that takes the lease."""
        return replace(self, holder=holder, wanted=None, turn=self.turn + 1)

    def status(self, offset: int | None) -> Status:
        """Return the state for the client. `offset` counts unless the upload is complete."""
        if self.is_complete:
            return Status(self.length, self.length, True, self.metadata, self.concat)
        shown = None if self.is_final else offset
        return Status(shown, self.length, False, self.metadata, self.concat, self.expires_at)

    def to_json(self) -> bytes:
        """Return the description as JSON."""
        known = {name: getattr(self, name) for name in self.__dataclass_fields__}
        known["upload"] = {**asdict(self.upload), "created_at": _text_of(self.upload.created_at)}
        return json.dumps({**known, "expires_at": _text_of(self.expires_at)}).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Description:
        """Read a description that `to_json` has written.

        Raises:
            StorageError: it is something else.
        """
        try:
            known: dict[str, Any] = json.loads(data)
            known["upload"] = MultipartUpload.from_json(json.dumps(known["upload"]))
            known["expires_at"] = datetime.fromisoformat(known["expires_at"])
            return cls(**known)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ConfigurationError):
            raise StorageError("the description of a resumable upload cannot be read") from None


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes of an unfinished upload that the store holds without a gap."""

    parts: tuple[UploadedPart, ...]
    """Parts on the grid, from number 1 on."""
    tail: int = 0
    """Bytes behind the last part that the tail object holds."""
    tail_etag: str | None = None
    """ETag of the tail object, even if its bytes no longer count; ``None`` if there is none."""

    @property
    def in_parts(self) -> int:
        """Bytes of the parts."""
        return sum(part.size for part in self.parts)

    @property
    def offset(self) -> int:
        """Bytes of the upload that count."""
        return self.in_parts + self.tail


def gap_free(parts: Iterable[UploadedPart], upload: MultipartUpload) -> tuple[UploadedPart, ...]:
    """Return the parts from number 1 on that have no gap. A short part counts only where the upload ends."""
    found: list[UploadedPart] = []
    for part in sorted(parts, key=lambda part: part.number):
        end = len(found) * upload.part_size + part.size
        if part.number != len(found) + 1 or (part.size != upload.part_size and end != upload.size):
            break
        found.append(part)
    return tuple(found)


def object_metadata(pairs: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata for the object: the pairs whose names can be parts of header names.

    Raises:
        RefusedError: a store would not keep so much (413).
    """
    found: dict[str, str] = {}
    for name, value in pairs.items():
        lower = name.lower()
        is_name = lower.isascii() and lower.replace("-", "").replace("_", "").isalnum() and len(lower) <= _MOST_NAME
        if is_name and not lower.startswith(_RESERVED):
            found.setdefault(lower, value)
    headers = read_metadata("metadata", found)
    if sum(len(name.removeprefix("x-amz-meta-")) + len(value) for name, value in headers.items()) > _MOST_ENCODED:
        raise RefusedError(413, f"the metadata may have {_MOST_ENCODED} bytes, as headers of S3")
    return found


def _text_of(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
