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

BY_CODE: dict[type[ResponseError], str] = {
    ContainerNotFoundError: "404 NoSuchBucket",
    ObjectNotFoundError: "404 NoSuchKey, 404 NoSuchVersion",
    UploadNotFoundError: "404 NoSuchUpload, 200 NoSuchUpload, 404 NotFound",
    CredentialsError: "403 InvalidAccessKeyId, 403 SignatureDoesNotMatch, 400 ExpiredToken, 400 InvalidToken, "
    "400 TokenRefreshRequired, 403 InvalidSecurity",
    AccessDeniedError: "403 AccessDenied, 403 AllAccessDisabled",
    PreconditionFailedError: "412 PreconditionFailed, 200 PreconditionFailed, 412 SomethingNew",
    ConflictError: "409 ConditionalRequestConflict, 200 OperationAborted, 409 SomethingNew",
    ThrottledError: "429 SomethingNew, 503 SlowDown, 503 SlowDownWrite, 503 ServiceUnavailable, "
    "400 TooManyRequestsException, 400 ThrottlingException, 503 RequestLimitExceeded, 503 RequestThrottled, "
    "509 BandwidthLimitExceeded",
    ResponseError: "403 RequestTimeTooSkewed, 403 SomethingNew, 500 InternalError, 404 NoSuchTagSet",
}
BY_STATUS: dict[int, type[ResponseError]] = {
    401: AccessDeniedError,
    403: AccessDeniedError,
    409: ConflictError,
    412: PreconditionFailedError,
    429: ThrottledError,
    503: ResponseError,
    500: ResponseError,
    200: ResponseError,
}
BARE_404: dict[type[ResponseError], str] = {
    UploadNotFoundError: "UploadPart CompleteMultipartUpload AbortMultipartUpload ListParts",
    ObjectNotFoundError: "HeadObject GetObject DeleteObject",
    ContainerNotFoundError: "HeadBucket CreateMultipartUpload PutObject ListMultipartUploads",
}


@pytest.mark.parametrize(
    ("answer", "expected"), [(answer, kind) for kind, answers in BY_CODE.items() for answer in answers.split(", ")]
)
def test_the_code_decides_the_class_before_the_status(answer: str, expected: type[ResponseError]) -> None:
    """S3's code says more than the status, and errors inside a 200 have nothing else."""
    status, code = answer.split()
    assert error_class("UploadPart", int(status), code) is expected


@pytest.mark.parametrize(("status", "expected"), BY_STATUS.items())
def test_without_a_code_the_status_decides(status: int, expected: type[ResponseError]) -> None:
    assert error_class("UploadPart", status, None) is expected


@pytest.mark.parametrize(
    ("operation", "expected"), [(name, kind) for kind, names in BARE_404.items() for name in names.split()]
)
def test_a_bare_404_is_about_what_the_operation_is_about(operation: str, expected: type[ResponseError]) -> None:
    assert error_class(operation, 404, None) is expected
