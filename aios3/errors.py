"""Every error that aios3 raises on its own account.

The tree, and whose fault each branch is::

    StorageError
    +- ConfigurationError (ValueError)   the caller's, before any request
    +- ObjectTooLargeError               the source went over ``max_size``
    +- SizeMismatchError                 the source ended elsewhere than declared
    +- PartLimitError                    the source needs more parts than the store takes
    +- ResponseError                     the store answered no
    |  +- ContainerNotFoundError
    |  +- ObjectNotFoundError
    |  +- UploadNotFoundError
    |  +- AccessDeniedError
    |  +- CredentialsError
    |  +- PreconditionFailedError
    |  +- ConflictError
    |  +- ThrottledError
    +- TransportError (OSError)          no answer came
    |  +- TransportTimeoutError (TimeoutError)
    +- IntegrityError                    the bytes differ
    +- CompletionUnknownError            the commit was sent, its outcome could not be found out
    +- SourceStalledError (TimeoutError) the source gave nothing for too long
    +- DriverClosedError                 the driver is closed, or was closed during the call
       +- UploadSuspendedError           as that, and the upload was left open, to go on later

    CommandError                         a command whose output was the source failed

Errors of the caller's source and ``asyncio.CancelledError`` are not in it: they
reach the caller unchanged. When an upload that had been created fails, the
exception carries a note (``__notes__``) with the upload id and what became of
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
    """Base of every error that aios3 raises on its own account."""

    def __reduce__(self) -> tuple[object, ...]:
        # Python's own way calls the constructor with `args` alone, which one with more arguments refuses.
        arguments = super().__reduce__()[1]
        attributes = dict(self.__dict__)
        if "__notes__" in attributes:
            attributes["__notes__"] = list(attributes["__notes__"])  # a note on a copy is the copy's alone
        return _restore, (type(self), arguments), attributes


def _restore(kind: type[StorageError], arguments: tuple[object, ...]) -> StorageError:
    """Return an error of that class as its base class would make it; its attributes are set afterwards."""
    error = kind.__new__(kind, *arguments)
    super(StorageError, error).__init__(*arguments)
    return error


class ConfigurationError(StorageError, ValueError):
    """The call cannot work as it was made; raised before any request is sent."""


class ObjectTooLargeError(StorageError):
    """The source went over ``max_size``; nothing was committed."""


class SizeMismatchError(StorageError):
    """The source ended before or after the declared ``size``; nothing was committed."""


class SourceStalledError(StorageError, TimeoutError):
    """The source gave nothing for too long, so the upload was ended; nothing was committed.

    It was silent for ``Timeouts.source`` seconds; or for 30 seconds while another upload needed the memory that this
    one held, and there was neither other memory nor room on the disk.
    """


class PartLimitError(StorageError):
    """The source is longer than the store's number of parts can hold; nothing was committed."""


class ResponseError(StorageError):
    """The store answered, and the answer was no.

    Subclasses exist for the answers that callers act on; everything else,
    retries exhausted, is raised as this class.
    """

    operation: str
    """S3's name of the operation, for example ``"UploadPart"``."""
    status: int
    """The HTTP status; 200 when the error came inside a success (CompleteMultipartUpload does that)."""
    code: str | None
    """S3's error code, or ``None`` when the body was not an S3 error document (HEAD, a proxy's page)."""
    message: str
    """The store's own words, or a description of what came instead; at most some hundred characters."""
    request_id: str | None
    host_id: str | None
    bucket: str | None
    key: str | None
    upload_id: str | None
    part_number: int | None

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
        answer = f"{self.status} {self.code}" if self.code else str(self.status)
        text = f"{subject} was answered {answer}: {self.message}"
        return f"{text} (request id {self.request_id})" if self.request_id else text


class ContainerNotFoundError(ResponseError):
    """The bucket does not exist (NoSuchBucket)."""


class ObjectNotFoundError(ResponseError):
    """The key does not exist (NoSuchKey, or a 404 without a code)."""


class UploadNotFoundError(ResponseError):
    """The multipart upload does not exist: never made, completed, or aborted (NoSuchUpload)."""


class AccessDeniedError(ResponseError):
    """The credentials are known, but may not do this (AccessDenied, or a 403 without a code)."""


class CredentialsError(ResponseError):
    """The store does not accept the credentials: unknown key, wrong secret, expired or invalid token."""


class PreconditionFailedError(ResponseError):
    """``if_match`` or ``if_none_match`` did not hold (412)."""


class ConflictError(ResponseError):
    """Something else is changing the same key or bucket (409)."""


class ThrottledError(ResponseError):
    """The store asked for fewer requests (SlowDown, 429), and kept doing so until retries ran out."""


class TransportError(StorageError, OSError):
    """No answer came: refused, reset, name not found, TLS failure, an answer that is not HTTP, or a defect of the HTTP
    client; ``__cause__`` is what it raised."""

    is_permanent: bool = False
    """Trying again cannot help (the certificate is not trusted, the answer is beyond all bounds)."""
    was_sent: bool = True
    """A byte of the request may have reached the store; ``False`` if there was no connection to send it on."""
    on_reused_connection: bool = False
    """A kept-alive connection was closed before any answer: most likely it had been idle for too long."""


class TransportTimeoutError(TransportError, TimeoutError):
    """No answer came in time: connecting, moving bytes, or waiting for the answer took too long."""


class IntegrityError(StorageError):
    """What the store holds is not what was sent."""


class CompletionUnknownError(StorageError):
    """The commit was sent and its outcome could not be found out.

    The object may or may not exist. ``bucket``, ``key`` and ``upload_id`` say
    what to look at: if HEAD shows the expected size and ETag the upload
    succeeded; otherwise abort ``upload_id``.
    """

    bucket: str
    key: str
    upload_id: str | None
    """The multipart upload, or ``None`` when the commit was a PutObject."""

    def __init__(self, message: str, *, bucket: str, key: str, upload_id: str | None) -> None:
        super().__init__(message)
        self.bucket = bucket
        self.key = key
        self.upload_id = upload_id


class DriverClosedError(StorageError):
    """The driver is closed, or was closed during the call; another driver can do what this one did not."""

    was_sent: bool = False
    """A request was on its way when the driver was closed: the store may have done what it was asked."""


class UploadSuspendedError(DriverClosedError):
    """The driver was closed during the upload, and has a journal: the upload was left open, to go on later."""

    checkpoint: UploadCheckpoint | None = None
    """What to go on from; ``None`` if nothing was left open, because no part had been sent yet."""


class CommandError(Exception):
    """A command whose output was uploaded has failed; nothing was committed.

    It is no `StorageError`: it is an error of the source, as any that a source of your own raises.
    """

    def __init__(self, command: str, returncode: int, stderr: str | None = None) -> None:
        super().__init__(command, returncode, stderr)
        self.command = command
        """The program, without its arguments, which may hold secrets."""
        self.returncode = returncode
        """Its exit status; the negative number of the signal that ended it, if one did."""
        self.stderr = stderr
        """The last 4 KiB of its standard error, decoded; ``None`` if that was not captured."""

    def __str__(self) -> str:
        if self.returncode < 0:
            return f"{self.command!r} was ended by signal {-self.returncode}"
        return f"{self.command!r} exited with status {self.returncode}"
