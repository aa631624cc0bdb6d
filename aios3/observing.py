"""Observer of a driver, and the values that it receives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from aios3.errors import StorageError
from aios3.models import UploadedPart, UploadReceipt
from aios3.timing import UploadTiming

__all__ = [
    "ObservedAttempt",
    "ObservedOperation",
    "ObservedRetry",
    "ObservedUpload",
    "ObservedUploadEnd",
    "Observer",
    "UploadCall",
    "Wait",
]

UploadCall = Literal["upload", "copy", "create_multipart_upload", "upload_parts", "complete_multipart_upload"]
"""Kind of a call: ``"upload"`` for every method that uploads a whole object."""

Wait = Literal["memory", "slot", "backoff"]
"""Reason of a wait: for memory, for a slot, or before a retry."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class ObservedUpload:
    """One call that sends or commits an object. All methods about it get the same object: it can be a dict's key."""

    call: UploadCall
    bucket: str
    key: str
    size: int | None
    """Declared bytes of the source; ``None`` if they are unknown."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class ObservedOperation:
    """One S3 operation with all its attempts. All methods about it get the same object: it can be a dict's key."""

    name: str
    """S3's name of the operation, for example ``"UploadPart"``."""
    bucket: str | None
    """Bucket; ``None`` for the service itself."""
    key: str | None
    """Key; ``None`` for the bucket or the service."""
    upload_id: str | None
    """Id of the multipart upload; ``None`` without one."""
    part_number: int | None
    """Number of the part; ``None`` without one."""
    method: str
    """HTTP method."""
    scheme: str
    """``"http"`` or ``"https"``."""
    host: str
    """Host of the first attempt, with the port unless it is the scheme's default."""
    region: str
    """Region that the first attempt is signed for."""
    size: int | None
    """Bytes of the body; ``None`` if it is produced while it is sent, and its length is unknown."""
    upload: ObservedUpload | None
    """Upload that the operation belongs to; ``None`` without one."""


@dataclass(frozen=True, slots=True)
class ObservedAttempt:
    """End of one attempt: one request to the store."""

    number: int
    """Number of the attempt of its operation, from 1."""
    seconds: float
    """Duration of the attempt."""
    status: int | None
    """HTTP status; ``None`` if no response came."""
    request_id: str | None
    """Id that the store gave to the request; ``None`` if it gave none."""
    error: BaseException | None
    """Failure of the attempt, also a cancellation; ``None`` if it succeeded."""


@dataclass(frozen=True, slots=True)
class ObservedRetry:
    """Decision to make another attempt."""

    reason: str
    """Error code of the store, else its status as text, else the name of the error's class."""
    error: StorageError
    """Failure of the last attempt."""
    delay: float
    """Seconds of the backoff; it may end earlier."""
    repair: Literal["clock", "credentials", "connection", "region"] | None
    """Correction that is made first; ``None`` if the same request is sent again."""


@dataclass(frozen=True, slots=True)
class ObservedUploadEnd:
    """End of an upload, successful or not."""

    timing: UploadTiming
    receipt: UploadReceipt | None = None
    """Receipt; ``None`` if nothing was committed."""
    error: BaseException | None = field(default=None)
    """Error or cancellation that ended the upload; ``None`` after a success."""


@runtime_checkable
class Observer(Protocol):
    """Receives what a driver does. Subclass it and override the methods of interest; the others do nothing.

    The driver calls the methods in its event loop, in the middle of its work, so they must return at once. They must
    be plain functions. They may start tasks or fill queues. An exception fails no upload: the logger ``aios3`` reports
    the first one of each method, and the first call of each method that took more than 50 ms. `KeyboardInterrupt` and
    `SystemExit` are raised. No value has a secret, but keys, buckets and messages of the store may be private.
    """

    # Without a statement mypy takes a method of a protocol for abstract, and refuses a subclass that lacks it.

    def upload_began(self, upload: ObservedUpload) -> None:
        """Receive the beginning of an upload, in the task and the context of its caller."""
        return

    def upload_ended(self, upload: ObservedUpload, end: ObservedUploadEnd) -> None:
        """Receive the end of an upload, after all its operations have ended."""
        return

    def part_stored(self, upload: ObservedUpload, part: UploadedPart, seconds: float) -> None:
        """Receive a part that the store has acknowledged, `seconds` after it got its slot."""
        return

    def waited(self, upload: ObservedUpload, wait: Wait, seconds: float) -> None:
        """Receive the end of a wait of `upload` that took at least a millisecond."""
        return

    def operation_began(self, operation: ObservedOperation) -> None:
        """Receive the beginning of an operation, before its first attempt."""
        return

    def operation_ended(self, operation: ObservedOperation, seconds: float, error: BaseException | None) -> None:
        """Receive the end of an operation, `seconds` after its beginning. A download ends when its bytes begin.

        `error` is the failure or the cancellation of the operation; ``None`` after a success.
        """
        return

    def attempt_began(self, operation: ObservedOperation, number: int) -> None:
        """Receive the beginning of attempt `number`, from 1, in the task that sends it."""
        return

    def attempt_ended(self, operation: ObservedOperation, attempt: ObservedAttempt) -> None:
        """Receive the end of an attempt, in the same task as its beginning."""
        return

    def retrying(self, operation: ObservedOperation, retry: ObservedRetry) -> None:
        """Receive the decision to make another attempt, before its backoff."""
        return

    def throttling_began(self, operation: ObservedOperation) -> None:
        """Receive the first throttling response of an episode, which ends after a minute without another."""
        return
