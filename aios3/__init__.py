"""Stream uploads of any length into any S3-compatible store, from asyncio code.

The drivers are `S3StorageDriver` (any store), `AmazonS3StorageDriver` and
`GoogleStorageDriver`; everything else here is what they take, give and raise.
Ready-made sources of credentials are in `aios3.credential_providers`.
"""

from __future__ import annotations

from aios3._upload.writer import UploadWriter
from aios3.checkpoints import RecoveredUpload, UploadCheckpoint, UploadSuspendedError
from aios3.credentials import ANONYMOUS, Credentials, CredentialsProvider, RefreshableCredentials
from aios3.driver import AmazonS3StorageDriver, GoogleStorageDriver, S3StorageDriver
from aios3.errors import (
    AccessDeniedError,
    CompletionUnknownError,
    ConfigurationError,
    ConflictError,
    ContainerNotFoundError,
    CredentialsError,
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
)
from aios3.models import (
    Container,
    PendingUpload,
    StorageObject,
    UploadAttributes,
    UploadedPart,
    UploadProgress,
    UploadReceipt,
    Verification,
)
from aios3.options import RetryPolicy, Timeouts, TransferConfig
from aios3.providers import PROVIDERS, Provider

__all__ = [
    "ANONYMOUS",
    "PROVIDERS",
    "AccessDeniedError",
    "AmazonS3StorageDriver",
    "CompletionUnknownError",
    "ConfigurationError",
    "ConflictError",
    "Container",
    "ContainerNotFoundError",
    "Credentials",
    "CredentialsError",
    "CredentialsProvider",
    "GoogleStorageDriver",
    "IntegrityError",
    "ObjectNotFoundError",
    "ObjectTooLargeError",
    "PartLimitError",
    "PendingUpload",
    "PreconditionFailedError",
    "Provider",
    "RecoveredUpload",
    "RefreshableCredentials",
    "ResponseError",
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
    "UploadAttributes",
    "UploadCheckpoint",
    "UploadNotFoundError",
    "UploadProgress",
    "UploadReceipt",
    "UploadSuspendedError",
    "UploadWriter",
    "UploadedPart",
    "Verification",
]
__version__ = "0.1.0"
