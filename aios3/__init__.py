"""Streaming uploads of any length to any S3-compatible store, for asyncio code.

The drivers are `S3StorageDriver` (any store), `AmazonS3StorageDriver` and
`GoogleStorageDriver`. The other names are their arguments, results and errors.
`command_output` makes a source from the output of a command. Ready-made
credentials providers are in `aios3.credential_providers`.
"""

from __future__ import annotations

from aios3._driver.opened_object import OpenedObject
from aios3._upload.writer import UploadWriter
from aios3.checkpoints import MultipartUpload, RecoveredUpload, UploadCheckpoint
from aios3.commands import command_output
from aios3.credentials import ANONYMOUS, Anonymous, Credentials, CredentialsProvider, RefreshableCredentials
from aios3.driver import AmazonS3StorageDriver, GoogleStorageDriver, S3StorageDriver
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
    StorageError,
    ThrottledError,
    TransportError,
    TransportTimeoutError,
    UploadNotFoundError,
    UploadSuspendedError,
)
from aios3.models import (
    CommitRequest,
    CommonPrefix,
    Container,
    CopyAttributes,
    DeleteOptions,
    DeletionFailure,
    DeletionResult,
    ListOptions,
    ObjectVersion,
    PartsUploaded,
    PendingUpload,
    ReadOptions,
    ResponseOverrides,
    StorageObject,
    UploadAccess,
    UploadAttributes,
    UploadedPart,
    UploadProgress,
    UploadReceipt,
    Verification,
)
from aios3.observing import (
    ObservedAttempt,
    ObservedOperation,
    ObservedRetry,
    ObservedUpload,
    ObservedUploadEnd,
    Observer,
)
from aios3.options import RetryPolicy, Timeouts, TransferConfig
from aios3.providers import PROVIDERS, Provider
from aios3.timing import UploadTiming

__all__ = [
    "ANONYMOUS",
    "PROVIDERS",
    "AccessDeniedError",
    "AmazonS3StorageDriver",
    "Anonymous",
    "CommandError",
    "CommitRequest",
    "CommonPrefix",
    "CompletionUnknownError",
    "ConfigurationError",
    "ConflictError",
    "Container",
    "ContainerNotFoundError",
    "CopyAttributes",
    "Credentials",
    "CredentialsError",
    "CredentialsProvider",
    "DeleteOptions",
    "DeletionFailure",
    "DeletionResult",
    "DriverClosedError",
    "GoogleStorageDriver",
    "IntegrityError",
    "ListOptions",
    "MultipartUpload",
    "ObjectNotFoundError",
    "ObjectTooLargeError",
    "ObjectVersion",
    "ObservedAttempt",
    "ObservedOperation",
    "ObservedRetry",
    "ObservedUpload",
    "ObservedUploadEnd",
    "Observer",
    "OpenedObject",
    "PartLimitError",
    "PartsUploaded",
    "PendingUpload",
    "PreconditionFailedError",
    "Provider",
    "ReadOptions",
    "RecoveredUpload",
    "RefreshableCredentials",
    "ResponseError",
    "ResponseOverrides",
    "RetryPolicy",
    "S3StorageDriver",
    "SizeMismatchError",
    "SourceStalledError",
    "StorageError",
    "StorageObject",
    "ThrottledError",
    "Timeouts",
    "TransferConfig",
    "TransportError",
    "TransportTimeoutError",
    "UploadAccess",
    "UploadAttributes",
    "UploadCheckpoint",
    "UploadNotFoundError",
    "UploadProgress",
    "UploadReceipt",
    "UploadSuspendedError",
    "UploadTiming",
    "UploadWriter",
    "UploadedPart",
    "Verification",
    "command_output",
]
__version__ = "0.1.0"
