"""Uploads from browsers and apps: forms, direct uploads to the store, and statuses for errors.

The extra ``web`` installs what this package needs besides aios3.
"""

from __future__ import annotations

from ._requests.errors import ClientDisconnectedError, FormError, FormLimitError, NotAFormError, RequestError
from .direct import DirectUploads
from .forms import FormFile, FormFiles, iterate_form_files
from .statuses import headers_of, message_of, status_of

__all__ = [
    "ClientDisconnectedError",
    "DirectUploads",
    "FormError",
    "FormFile",
    "FormFiles",
    "FormLimitError",
    "NotAFormError",
    "RequestError",
    "headers_of",
    "iterate_form_files",
    "message_of",
    "status_of",
]
