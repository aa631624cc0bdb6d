"""Uploads from browsers and apps: forms, direct and resumable uploads, statuses for errors, and shutdown.

The extra ``web`` installs what this package needs besides aios3.
"""

from __future__ import annotations

from ._requests.bodies import RequestBody, body_of
from ._requests.errors import ClientDisconnectedError, FormError, FormLimitError, NotAFormError, RequestError
from .direct import DirectUploads
from .forms import FormFile, FormFiles, iterate_form_files
from .resumable import RefusedError, ResumableUploads
from .shutdown import close_on_signal
from .statuses import headers_of, message_of, status_of

__all__ = [
    "ClientDisconnectedError",
    "DirectUploads",
    "FormError",
    "FormFile",
    "FormFiles",
    "FormLimitError",
    "NotAFormError",
    "RefusedError",
    "RequestBody",
    "RequestError",
    "ResumableUploads",
    "body_of",
    "close_on_signal",
    "headers_of",
    "iterate_form_files",
    "message_of",
    "status_of",
]
