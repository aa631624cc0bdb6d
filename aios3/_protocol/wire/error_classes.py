"""Tables that map S3's codes and HTTP's statuses to error classes."""

from __future__ import annotations

from typing import Final

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

from .error_codes import CONFLICT, DENIED, THROTTLING, is_about_keys

__all__ = ["error_class"]

_CLASS_BY_CODE: Final[dict[str, type[ResponseError]]] = {
    "NoSuchBucket": ContainerNotFoundError,
    "NoSuchKey": ObjectNotFoundError,
    "NoSuchVersion": ObjectNotFoundError,
    "NoSuchUpload": UploadNotFoundError,
    "PreconditionFailed": PreconditionFailedError,
    "ServiceUnavailable": ThrottledError,
    **dict.fromkeys(DENIED, AccessDeniedError),
    **dict.fromkeys(CONFLICT, ConflictError),
}
_CLASS_BY_STATUS: Final[dict[int, type[ResponseError]]] = {
    409: ConflictError,
    412: PreconditionFailedError,
    429: ThrottledError,
}
# Codes that add nothing to the status.
_UNINFORMATIVE: Final = frozenset({None, "NotFound", "404"})
_MISSING_BY_OPERATION: Final[dict[str, type[ResponseError]]] = {
    **dict.fromkeys(
        ("UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload", "ListParts"),
        UploadNotFoundError,
    ),
    **dict.fromkeys(("HeadObject", "GetObject", "DeleteObject", "CopyObject", "GetObjectTagging"), ObjectNotFoundError),
}


def error_class(operation: str, status: int, code: str | None) -> type[ResponseError]:
    """Return the class to raise for a refusal: by S3's code first, since it is more specific, then by the status.

    A 404 without an informative code (HEAD, some stores) means that the target of the operation is missing.
    """
    if code in _CLASS_BY_CODE:
        return _CLASS_BY_CODE[code]
    if is_about_keys(code):
        return CredentialsError
    if code is not None and code.startswith(THROTTLING):
        return ThrottledError
    if status == 404 and code in _UNINFORMATIVE:
        return _MISSING_BY_OPERATION.get(operation, ContainerNotFoundError)
    if status in (401, 403) and code is None:
        return AccessDeniedError
    return _CLASS_BY_STATUS.get(status, ResponseError)
