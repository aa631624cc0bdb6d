"""Every error that aios3 itself raises.

The tree, with the reason of each branch::

    StorageError
    +- ConfigurationError (ValueError)   the call cannot work with these arguments
    +- ObjectTooLargeError               the source is longer than ``max_size``
    +- SizeMismatchError                 the source has another length than declared
    +- PartLimitError                    the source needs more parts than the store takes
    +- ResponseError                     the store refused
    |  +- ContainerNotFoundError
    |  +- ObjectNotFoundError
    |  +- UploadNotFoundError
    |  +- AccessDeniedError
    |  +- CredentialsError
    |  +- PreconditionFailedError
    |  +- ConflictError
    |  +- ThrottledError
    +- TransportError (OSError)          no response came
    |  +- TransportTimeoutError (TimeoutError)
    +- IntegrityError                    the bytes differ, or the object was replaced meanwhile
    +- CompletionUnknownError            the commit was sent, its outcome is unknown
    +- SourceStalledError (TimeoutError) the source gave nothing for too long
    +- DriverClosedError                 the driver is closed, or was closed during the call
       +- UploadSuspendedError           the same, and the upload was left open, to be resumed

    CommandError                         a command whose output was the source failed

Errors of the caller's source and ``asyncio.CancelledError`` are not in the tree:
they reach the caller unchanged. When an upload that had been created fails, the
exception carries a note (``__notes__``) with the upload id and the outcome of
the abort. Messages never hold secrets, tokens, signatures or presigned queries.

Every error can be pickled and copied, with its attributes and notes. Pickling
leaves out the traceback and ``__cause__``, as it does for all exceptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aios3.checkpoints import UploadCheckpoint

__all__ = [
    "AccessDeniedError",
    "CommandError",
    "CompletionUnknownError",
    "ConfigurationError",
    "ConflictError",
    "ContainerNotFoundError",
    "CredentialsError",
    "DriverClosedError",
    "IntegrityError",
    "ObjectNotFoundError",
    "ObjectTooLargeError",
    "PartLimitError",
    "PreconditionFailedError",
    "ResponseError",
    "SizeMismatchError",
    "SourceStalledError",
    "StorageError",
    "ThrottledError",
    "TransportError",
    "TransportTimeoutError",
    "UploadNotFoundError",
    "UploadSuspendedError",
]


class StorageError(Exception):
    """Base of every error that aios3 itself raises, except `CommandError`."""

    def __reduce__(self) -> tuple[object, ...]:
        # Python's default calls the constructor with `args` alone, which fails if it has more arguments.
        arguments = super().__reduce__()[1]
        attributes = dict(self.__dict__)
        if "__notes__" in attributes:
            attributes["__notes__"] = list(attributes["__notes__"])  # a note on a copy is the copy's alone
        return _restore, (type(self), arguments), attributes


def _restore(kind: type[StorageError], arguments: tuple[object, ...]) -> StorageError:
    """Return an error of the class without a call of its constructor. Unpickling sets the attributes afterwards."""
    error = kind.__new__(kind, *arguments)
    super(StorageError, error).__init__(*arguments)
    return error


class ConfigurationError(StorageError, ValueError):
    """The call cannot work with these arguments or settings, or not in this state.

    The call has sent nothing, unless its description says otherwise.
    """


class ObjectTooLargeError(StorageError):
    """The source is longer than ``max_size``; nothing was committed."""


class SizeMismatchError(StorageError):
    """The source has fewer or more bytes than the declared ``size``; nothing was committed."""


class SourceStalledError(StorageError, TimeoutError):
    """The source gave nothing for too long, so the upload was ended; nothing was committed.

    The source was silent for ``Timeouts.source`` seconds. Or it was silent for 30 seconds while another upload needed
    the memory that this upload held, and there was neither other memory nor room on the disk.
    """


class PartLimitError(StorageError):
    """The source is longer than the largest number of parts can hold; nothing was committed."""


class ResponseError(StorageError):
    """The store refused the request.

    Subclasses exist for the responses that callers act on. Any other response is
    raised as this class when the retries are used up.
    """

    operation: str
    """Name of the operation in S3, for example ``"UploadPart"``."""
    status: int
    """HTTP status; 200 if the error came inside a success (CompleteMultipartUpload does that)."""
    code: str | None
    """Error code of S3; ``None`` if the body was not an S3 error document (HEAD, a proxy's page)."""
    message: str
    """Message of the store, or a description of the response without one; at most some hundred characters."""
    request_id: str | None
    """Id that the store gave to the request, for its support; ``None`` if it gave none."""
    host_id: str | None
    """Second id of the request, which Amazon's support asks for; ``None`` if the store gave none."""
    bucket: str | None
    """Bucket of the request; ``None`` for the service itself."""
    key: str | None
    """Key of the request; ``None`` for the bucket or the service."""
    upload_id: str | None
    """Id of the multipart upload; ``None`` without one."""
    part_number: int | None
    """Number of the part; ``None`` without one."""

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        status: int,
        code: str | None = None,
        request_id: str | None = None,
        host_id: str | None = None,
        bucket: str | None = None,
        key: str | None = None,
        upload_id: str | None = None,
        part_number: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.status = status
        self.code = code
        self.request_id = request_id
        self.host_id = host_id
        self.bucket = bucket
        self.key = key
        self.upload_id = upload_id
        self.part_number = part_number

    def __str__(self) -> str:
        where = "/".join(part for part in (self.bucket, self.key) if part)
        subject = f"{self.operation} of {where!r}" if where else self.operation
        if self.part_number is not None:
            subject += f", part {self.part_number},"
        response = f"{self.status} {self.code}" if self.code else str(self.status)
        text = f"{subject} got response {response}: {self.message}"
        return f"{text} (request id {self.request_id})" if self.request_id else text


class ContainerNotFoundError(ResponseError):
    """The bucket does not exist (NoSuchBucket)."""


class ObjectNotFoundError(ResponseError):
    """The key does not exist (NoSuchKey, or a 404 without a code)."""


class UploadNotFoundError(ResponseError):
    """The multipart upload does not exist: never made, completed, or aborted (NoSuchUpload)."""


class AccessDeniedError(ResponseError):
    """The credentials are known, but have no permission (AccessDenied, or a 403 without a code)."""


class CredentialsError(ResponseError):
    """The store does not accept the credentials: unknown key, wrong secret, expired or invalid token."""


class PreconditionFailedError(ResponseError):
    """``if_match`` or ``if_none_match`` did not hold (412)."""


class ConflictError(ResponseError):
    """Another change of the key or the bucket is in progress, or its state forbids the request (409)."""


class ThrottledError(ResponseError):
    """The store asked for fewer requests (SlowDown, 429), also after all retries."""


class TransportError(StorageError, OSError):
    """No response came, also after all retries. ``__cause__`` is the error of the HTTP client.

    The connection was refused or reset, the name was not found, TLS failed, the response was not HTTP, or the HTTP
    client has a defect. A note has the number of attempts, if there were several.
    """

    is_permanent: bool = False
    """``True`` if a retry cannot help (the certificate is not trusted, the response exceeds all limits)."""
    was_sent: bool = True
    """``True`` if a byte of the request may have reached the store, ``False`` if there was no connection."""
    on_reused_connection: bool = False
    """``True`` if a kept-alive connection was closed before any response, most likely because it was idle too long."""


class TransportTimeoutError(TransportError, TimeoutError):
    """No response came in time: connecting, moving bytes, or waiting for the response took too long."""


class IntegrityError(StorageError):
    """The bytes in the store differ from those that were sent or described.

    An upload: the store reports another checksum, or its parts do not make the object. A download or a copy: the object
    was replaced meanwhile.
    """


class CompletionUnknownError(StorageError):
    """The commit was sent, and its outcome is unknown.

    The object may or may not exist. If HEAD of ``key`` in ``bucket`` shows the
    expected size and ETag, the upload succeeded. Otherwise abort ``upload_id``.
    """

    bucket: str
    key: str
    upload_id: str | None
    """Id of the multipart upload; ``None`` if the commit was a PutObject."""

    def __init__(self, message: str, *, bucket: str, key: str, upload_id: str | None) -> None:
        super().__init__(message)
        self.bucket = bucket
        self.key = key
        self.upload_id = upload_id


class DriverClosedError(StorageError):
    """The driver is closed, or was closed during the call. Another driver can repeat the call."""

    was_sent: bool = False
    """``True`` if a request was in flight when the driver was closed, so the store may have acted."""


class UploadSuspendedError(DriverClosedError):
    """The driver, which has a journal, was closed during the upload, and the upload can be resumed."""

    checkpoint: UploadCheckpoint | None = None
    """Checkpoint to resume from; ``None`` if nothing was left open, because no part had been sent yet."""


class CommandError(Exception):
    """A command whose output was uploaded has failed; nothing was committed.

    It is not a `StorageError`, but an error of the source, like any error that your own source raises.
    """

    def __init__(self, command: str, returncode: int, stderr: str | None = None) -> None:
        super().__init__(command, returncode, stderr)
        self.command = command
        """Program, without its arguments, which may hold secrets."""
        self.returncode = returncode
        """Exit status of the command, or the negative number of the signal that ended it."""
        self.stderr = stderr
        """Last 4 KiB of its standard error, decoded; ``None`` if that was not captured."""

    def __str__(self) -> str:
        if self.returncode < 0:
            return f"{self.command!r} was ended by signal {-self.returncode}"
        return f"{self.command!r} exited with status {self.returncode}"
