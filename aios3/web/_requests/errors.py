"""Errors of web requests: what a client sent cannot be used, or the client has gone."""

from __future__ import annotations

from aios3.errors import StorageError

__all__ = ["ClientDisconnectedError", "FormError", "FormLimitError", "NotAFormError", "RequestError"]


class RequestError(StorageError):
    """The request of a client cannot be served. Its message is for the client and holds nothing of the store."""

    status: int = 400
    """HTTP status for the client."""


class ClientDisconnectedError(RequestError):
    """The client disconnected before the end of its body, so an upload of that body is aborted."""

    status = 499


class FormError(RequestError):
    """The body is not a valid form, or it ends too early."""


class NotAFormError(FormError):
    """The request has no ``multipart/form-data`` body."""

    status = 415


class FormLimitError(FormError):
    """The form exceeds a limit of `iterate_form_files`."""

    status = 413

    limit: str
    """Name of the limit, for example ``"max_files"``."""
    maximum: int
    """Value of the limit."""

    def __init__(self, limit: str, maximum: int) -> None:
        super().__init__(limit, maximum)
        self.limit = limit
        self.maximum = maximum

    def __str__(self) -> str:
        return f"the form exceeds {self.limit}={self.maximum}"
