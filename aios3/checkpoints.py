"""Open uploads as values, checkpoints from which any process can resume, and the results of a recovery."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal

from aios3.errors import ConfigurationError, StorageError, UploadSuspendedError
from aios3.models import UploadedPart, UploadReceipt

__all__ = ["FileIdentity", "MultipartUpload", "RecoveredUpload", "UploadCheckpoint", "UploadSuspendedError"]

_OPTIONAL_TEXTS: Final = (
    "checksum", "nonce", "if_none_match", "if_match", "request_payer", "expected_bucket_owner",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Path and state of a file that is uploaded."""

    path: str
    """Absolute path."""
    size: int
    """Size in bytes."""
    modified_ns: int
    """Time of the last change, in nanoseconds since 1970."""


@dataclass(frozen=True, slots=True)
class MultipartUpload:
    """An open multipart upload, which any process with access to the store can continue. It holds no secret.

    Its parts lie on a grid: part `n` holds the bytes from ``(n - 1) * part_size`` to ``n * part_size`` (exclusive) of
    the object, and only the last part is shorter. So two senders of the same bytes write the same part. The store
    bills the parts until the upload is completed or aborted.

    Raises:
        ConfigurationError: `part_size` is not positive, or `size` is negative.
    """

    bucket: str
    key: str
    upload_id: str
    part_size: int
    """Bytes of every part but the last."""
    checksum: str | None = None
    """Algorithm of the parts' checksums, as in ``TransferConfig``; ``None`` if they have none."""
    size: int | None = None
    """Declared size in bytes; ``None`` if there is none."""
    created_at: datetime | None = None
    """Time of the creation by the store's clock; ``None`` if unknown."""
    nonce: str | None = None
    """Random value in the object's metadata that proves whose object it is; ``None`` if there is none."""
    if_none_match: str | None = None
    """Condition of the commit: ``"*"`` if the key must hold nothing; ``None`` without one."""
    if_match: str | None = None
    """Condition of the commit: the ETag that the key must hold; ``None`` without one."""
    request_payer: str | None = None
    """Sent with every request about the upload; ``None`` sends nothing."""
    expected_bucket_owner: str | None = None
    """Sent with every request about the upload; ``None`` sends nothing."""

    def __post_init__(self) -> None:
        if self.part_size < 1 or (self.size or 0) < 0:
            raise ConfigurationError("part_size must be positive, and size must not be negative")

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_upload, ({each.name: getattr(self, each.name) for each in fields(self)},)

    @classmethod
    def of(cls, checkpoint: UploadCheckpoint) -> MultipartUpload:
        """Return the upload of a checkpoint, without its parts."""
        known = checkpoint.bucket, checkpoint.key, checkpoint.upload_id, checkpoint.part_size
        return cls(*known, checkpoint.checksum, checkpoint.size)

    @property
    def place(self) -> tuple[str, str, str]:
        """Bucket, key and upload id, as every request about it names them."""
        return self.bucket, self.key, self.upload_id

    def size_of_part(self, number: int) -> int | None:
        """Return the bytes of part `number` (from 1); ``None`` if `size` is unknown, so any part may be the last.

        The number is 0 or negative for a part after the end. Part 1 of an empty object has 0 bytes.
        """
        return None if self.size is None else min(self.part_size, self.size - (number - 1) * self.part_size)

    def to_json(self) -> str:
        """Return the upload as one line of JSON, which holds no secret."""
        created_at = None if self.created_at is None else self.created_at.isoformat()
        return json.dumps({**asdict(self), "created_at": created_at}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> MultipartUpload:
        """Read an upload from the text that `to_json` returned.

        Raises:
            ConfigurationError: the text is something else.
        """
        try:
            return _read_upload(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise ConfigurationError(
                "this text is not a multipart upload: pass what MultipartUpload.to_json returned"
            ) from None


@dataclass(frozen=True, slots=True)
class UploadCheckpoint:
    """Multipart upload that was left open, with its parts that need not be sent again.

    It holds no secret. The store bills the parts until the upload is completed
    or aborted. A call that resumes from a checkpoint completes or aborts it.

    Raises:
        ConfigurationError: the part numbers have a gap from 1 on, or a part is shorter than ``part_size``.
    """

    bucket: str
    key: str
    upload_id: str
    part_size: int
    """Bytes of the first parts."""
    parts: tuple[UploadedPart, ...]
    """Parts that the store has acknowledged, in order and without a gap. A short last part is left out."""
    checksum: str | None = None
    """Algorithm of the parts' checksums, as in ``TransferConfig``; ``None`` if they have none."""
    size: int | None = None
    """Declared size in bytes; ``None`` if there was none."""
    tail: int | None = None
    """Bytes after the parts that are stored in an object beside the upload (``durable_every``); ``None`` if the upload
    has no such object."""

    def __post_init__(self) -> None:
        for number, part in enumerate(self.parts, 1):
            if part.number != number or part.size < self.part_size:
                raise ConfigurationError(f"a checkpoint's part {number} is missing, or shorter than {self.part_size}")

    @property
    def offset(self) -> int:
        """Offset in bytes at which the source must continue."""
        return self.bytes_in_parts + (self.tail or 0)

    @property
    def bytes_in_parts(self) -> int:
        """Bytes of the parts."""
        return sum(part.size for part in self.parts)

    def to_json(self) -> str:
        """Return the checkpoint as one line of JSON, to be stored anywhere."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> UploadCheckpoint:
        """Read a checkpoint from the text that `to_json` returned.

        Raises:
            ConfigurationError: the text is something else.
        """
        try:
            return _read(json.loads(text))
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ConfigurationError(
                "this text is not a checkpoint: pass what UploadCheckpoint.to_json returned"
            ) from None


@dataclass(frozen=True, slots=True)
class RecoveredUpload:
    """Result of `recover` for one upload that had been left open."""

    bucket: str
    key: str
    upload_id: str | None
    """Id of the upload; ``None`` if its process died before it learnt the id, and no such upload was found."""
    outcome: Literal["aborted", "gone", "completed", "failed"]
    """``"gone"``: the store does not know the upload, which was completed or aborted before. ``"failed"``: the upload
    may still be open, and the journal keeps it."""
    receipt: UploadReceipt | None = None
    """Receipt of an upload that was completed, else ``None``."""
    error: Exception | None = None
    """Reason of a failure, or of an abort instead of a completion; else ``None``."""

    def __reduce__(self) -> tuple[Any, ...]:
        known = {each.name: getattr(self, each.name) for each in fields(self)}
        return _restore_recovered, ({**known, "error": _picklable(self.error)},)

    def __copy__(self) -> RecoveredUpload:
        return self

    def __deepcopy__(self, memo: object) -> RecoveredUpload:
        return self  # the value never changes, and not every error can be copied


def _restore_upload(known: dict[str, Any]) -> MultipartUpload:
    """Return a pickled upload, also one of another version of the library, whose fields may be fewer or more."""
    names = {each.name for each in fields(MultipartUpload)}
    return MultipartUpload(**{name: value for name, value in known.items() if name in names})


def _restore_recovered(known: dict[str, Any]) -> RecoveredUpload:
    return RecoveredUpload(**known)


def _picklable(error: Exception | None) -> Exception | None:
    """Return the error, or a `StorageError` with its text if another library's error cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - what was pickled just now
    except Exception:  # noqa: BLE001 - classes of other libraries may raise anything
        return StorageError(f"{type(error).__name__}: {error}")
    return error


def _read(known: Mapping[str, Any]) -> UploadCheckpoint:
    parts = tuple(
        UploadedPart(_count(part["number"]), _count(part["size"]), _text(part["etag"]), _text_or_none(part["checksum"]))
        for part in known["parts"]
    )
    return UploadCheckpoint(
        _text(known["bucket"]),
        _text(known["key"]),
        _text(known["upload_id"]),
        _count(known["part_size"]),
        parts,
        _text_or_none(known["checksum"]),
        None if known["size"] is None else _count(known["size"]),
        None if known.get("tail") is None else _count(known["tail"]),
    )


def _read_upload(known: Mapping[str, Any]) -> MultipartUpload:
    created_at, size = _text_or_none(known.get("created_at")), known.get("size")
    return MultipartUpload(
        _text(known["bucket"]),
        _text(known["key"]),
        _text(known["upload_id"]),
        _count(known["part_size"]),
        size=None if size is None else _count(size),
        created_at=None if created_at is None else datetime.fromisoformat(created_at),
        **{name: _text_or_none(known.get(name)) for name in _OPTIONAL_TEXTS},
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError
    return value
