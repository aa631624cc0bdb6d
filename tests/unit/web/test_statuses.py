"""Errors as HTTP statuses."""

from __future__ import annotations

import asyncio
import errno

import pytest
import starlette.requests

import aios3
from aios3.errors import ResponseError
from aios3.web import ClientDisconnectedError, FormError, FormLimitError, headers_of, message_of, status_of


def refusal(kind=ResponseError, status=400, code=None):
    return kind("secret detail", operation="PutObject", status=status, code=code, bucket="inner-bucket")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (refusal(aios3.ObjectNotFoundError, 404), 404),
        (refusal(aios3.UploadNotFoundError, 404), 404),
        (refusal(aios3.ContainerNotFoundError, 404), 404),
        (aios3.SourceStalledError("x"), 408),
        (TimeoutError(), 408),
        (refusal(aios3.ConflictError, 409), 409),
        (refusal(aios3.PreconditionFailedError, 412), 412),
        (aios3.ObjectTooLargeError("x"), 413),
        (aios3.PartLimitError("x"), 413),
        (refusal(code="EntityTooLarge"), 413),
        (FormLimitError("max_files", 1), 413),
        (aios3.SizeMismatchError("x"), 422),
        (aios3.IntegrityError("x"), 422),
        (FormError("x"), 400),
        (ClientDisconnectedError("x"), 499),
        (starlette.requests.ClientDisconnect(), 499),
        (ConnectionResetError(), 499),
        (asyncio.CancelledError(), 499),
        (refusal(aios3.AccessDeniedError, 403), 502),
        (refusal(aios3.CredentialsError, 403), 502),
        (refusal(status=400, code="InvalidRequest"), 502),
        (refusal(status=500), 503),
        (refusal(aios3.ThrottledError, 429), 503),
        (aios3.TransportError("x"), 503),
        (aios3.TransportTimeoutError("x"), 503),
        (aios3.DriverClosedError("x"), 503),
        (aios3.UploadSuspendedError("x"), 503),
        (aios3.CompletionUnknownError("x", bucket="b", key="k", upload_id=None), 503),
        (refusal(status=507), 507),
        (refusal(status=403, code="QuotaExceeded"), 507),
        (OSError(errno.ENOSPC, "x"), 507),
        (aios3.ConfigurationError("x"), 500),
        (KeyError("x"), 500),
        (KeyboardInterrupt(), 500),
    ],
)
def test_every_error_has_its_status(error, status):
    """Only with 503 a client may repeat the request."""
    assert status_of(error) == status
    assert headers_of(error) == ({"Retry-After": "5"} if status == 503 else {})


@pytest.mark.parametrize("kind", sorted(set(aios3.errors.__all__)))
def test_no_error_of_the_library_blames_the_credentials_of_the_client(kind):
    error_class = getattr(aios3, kind)
    error = error_class.__new__(error_class)
    error.code, error.status = None, 403
    assert status_of(error) not in (401, 403)


def test_a_message_says_nothing_of_the_store():
    assert message_of(refusal(aios3.AccessDeniedError, 403)) == "the store refused"
    assert message_of(KeyError("secret detail")) == "internal error"
    assert message_of(FormLimitError("max_files", 3)) == "the form exceeds max_files=3"
