"""Which class an error is: callers catch by it."""

from __future__ import annotations

import pytest

from aios3._protocol.wire.error_classes import error_class
from aios3.errors import (
    AccessDeniedError,
    ConflictError,
    ContainerNotFoundError,
    CredentialsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    ResponseError,
    ThrottledError,
    UploadNotFoundError,
)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("NoSuchBucket", 404, ContainerNotFoundError),
        ("NoSuchKey", 404, ObjectNotFoundError),
        ("NoSuchUpload", 404, UploadNotFoundError),
        ("NoSuchUpload", 200, UploadNotFoundError),
        ("InvalidAccessKeyId", 403, CredentialsError),
        ("SignatureDoesNotMatch", 403, CredentialsError),
        ("ExpiredToken", 400, CredentialsError),
        ("InvalidToken", 400, CredentialsError),
        ("TokenRefreshRequired", 400, CredentialsError),
        ("InvalidSecurity", 403, CredentialsError),
        ("AccessDenied", 403, AccessDeniedError),
        ("AllAccessDisabled", 403, AccessDeniedError),
        ("PreconditionFailed", 412, PreconditionFailedError),
        ("PreconditionFailed", 200, PreconditionFailedError),
        ("ConditionalRequestConflict", 409, ConflictError),
        ("OperationAborted", 200, ConflictError),
        ("SomethingNew", 409, ConflictError),
        ("SomethingNew", 412, PreconditionFailedError),
        ("SomethingNew", 429, ThrottledError),
        ("SlowDown", 503, ThrottledError),
        ("SlowDownWrite", 503, ThrottledError),
        ("ServiceUnavailable", 503, ThrottledError),
        ("TooManyRequestsException", 400, ThrottledError),
        ("ThrottlingException", 400, ThrottledError),
        ("RequestLimitExceeded", 503, ThrottledError),
        ("RequestThrottled", 503, ThrottledError),
        ("BandwidthLimitExceeded", 509, ThrottledError),
        ("RequestTimeTooSkewed", 403, ResponseError),
        ("SomethingNew", 403, ResponseError),
        ("InternalError", 500, ResponseError),
        ("NotFound", 404, UploadNotFoundError),
        ("NoSuchVersion", 404, ResponseError),
    ],
)
def test_the_code_decides_the_class_before_the_status(code: str, status: int, expected: type[ResponseError]) -> None:
    """S3's code says more than the status, and errors inside a 200 have nothing else."""
    assert error_class("UploadPart", status, code) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, AccessDeniedError),
        (403, AccessDeniedError),
        (409, ConflictError),
        (412, PreconditionFailedError),
        (429, ThrottledError),
        (503, ResponseError),
        (500, ResponseError),
        (200, ResponseError),
    ],
)
def test_without_a_code_the_status_decides(status: int, expected: type[ResponseError]) -> None:
    assert error_class("UploadPart", status, None) is expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("UploadPart", UploadNotFoundError),
        ("CompleteMultipartUpload", UploadNotFoundError),
        ("AbortMultipartUpload", UploadNotFoundError),
        ("ListParts", UploadNotFoundError),
        ("HeadObject", ObjectNotFoundError),
        ("GetObject", ObjectNotFoundError),
        ("DeleteObject", ObjectNotFoundError),
        ("HeadBucket", ContainerNotFoundError),
        ("CreateMultipartUpload", ContainerNotFoundError),
        ("PutObject", ContainerNotFoundError),
        ("ListMultipartUploads", ContainerNotFoundError),
    ],
)
def test_a_bare_404_is_about_what_the_operation_is_about(operation: str, expected: type[ResponseError]) -> None:
    assert error_class(operation, 404, None) is expected
