"""Exit codes of the command, and the error of each: one table."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from aios3.errors import (
    AccessDeniedError,
    CommandError,
    CompletionUnknownError,
    ConfigurationError,
    ConflictError,
    ContainerNotFoundError,
    CredentialsError,
    DriverClosedError,
    IntegrityError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    PartLimitError,
    PreconditionFailedError,
    ResponseError,
    SizeMismatchError,
    SourceStalledError,
    ThrottledError,
    TransportError,
    UploadNotFoundError,
    UploadSuspendedError,
)

__all__ = ["ExitCode", "UnusableSourceError", "advice_for", "exit_code_of", "most_important"]


class ExitCode(IntEnum):
    """Results of the command. A signal gives 128 and its number."""

    DONE = 0
    REFUSED = 1
    """The store refused."""
    USAGE = 2
    """The arguments or the configuration cannot work."""
    SOURCE = 3
    """The source, its command, or a file of this machine failed. Nothing was committed."""
    NO_RESPONSE = 4
    """The store does not respond."""
    UNKNOWN = 5
    """The commit was sent, and its outcome is unknown."""
    LEFT_OPEN = 6
    """The upload was left open, to be resumed. Its checkpoint is on standard output."""


class UnusableSourceError(Exception):
    """The source is closed, has no bytes, which ``--fail-empty`` refuses, or has a name that no key can have."""


_TABLE: Final[tuple[tuple[type[Exception], ExitCode, str], ...]] = (
    (UploadSuspendedError, ExitCode.LEFT_OPEN, "resume it with: aios3 uploads resume CHECKPOINT SOURCE"),
    (CompletionUnknownError, ExitCode.UNKNOWN, "look at the object with: aios3 stat URL"),
    (ConfigurationError, ExitCode.USAGE, ""),
    (FileExistsError, ExitCode.USAGE, "replace it with --overwrite"),
    (PreconditionFailedError, ExitCode.REFUSED, "the condition does not hold: look at the object with: aios3 stat URL"),
    (ContainerNotFoundError, ExitCode.REFUSED, "check the bucket's name and --endpoint-url"),
    (ObjectNotFoundError, ExitCode.REFUSED, "list the keys with: aios3 ls URL"),
    (UploadNotFoundError, ExitCode.REFUSED, "the upload has ended: list open ones with: aios3 uploads ls URL"),
    (CredentialsError, ExitCode.REFUSED, "check the keys, --profile, --region and the machine's clock"),
    (AccessDeniedError, ExitCode.REFUSED, "give these keys the permission, or choose other keys with --profile"),
    (ConflictError, ExitCode.REFUSED, "another request changed the object at the same time: try again"),
    (ThrottledError, ExitCode.REFUSED, "try again later, or with a smaller --concurrency"),
    (IntegrityError, ExitCode.REFUSED, "try again"),
    (ResponseError, ExitCode.REFUSED, ""),
    (TransportError, ExitCode.NO_RESPONSE, "check --endpoint-url and the network, then try again"),
    (DriverClosedError, ExitCode.NO_RESPONSE, ""),
    (CommandError, ExitCode.SOURCE, "nothing was committed"),
    (SourceStalledError, ExitCode.SOURCE, "nothing was committed"),
    (UnusableSourceError, ExitCode.SOURCE, "nothing was committed"),
    (SizeMismatchError, ExitCode.SOURCE, "nothing was committed"),
    (ObjectTooLargeError, ExitCode.SOURCE, "nothing was committed"),
    (PartLimitError, ExitCode.SOURCE, "declare --size, or raise --part-size"),
    (OSError, ExitCode.SOURCE, ""),
)
"""The first row whose class fits counts, so subclasses stand before their bases."""

_GRAVEST: Final = (
    ExitCode.UNKNOWN, ExitCode.LEFT_OPEN, ExitCode.USAGE, ExitCode.NO_RESPONSE, ExitCode.REFUSED, ExitCode.SOURCE,
)  # fmt: skip


def exit_code_of(error: BaseException) -> ExitCode | None:
    """Return the exit code of an error; ``None`` if it is no error that a user can cause, but a defect."""
    return next((code for kind, code, _ in _TABLE if isinstance(error, kind)), None)


def advice_for(error: BaseException) -> str:
    """Return the next step for the user; empty if the message of the error says it."""
    return next((advice for kind, _, advice in _TABLE if isinstance(error, kind)), "")


def most_important(codes: set[ExitCode]) -> ExitCode:
    """Return the exit code of several uploads that ended differently: the one that a user must act on first."""
    return next((code for code in _GRAVEST if code in codes), ExitCode.DONE)
