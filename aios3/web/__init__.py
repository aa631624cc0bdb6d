"""Uploads from browsers and apps, as ASGI applications on a driver."""

from __future__ import annotations

from .messages import RefusedError
from .resumable import ResumableUploads

__all__ = ["RefusedError", "ResumableUploads"]
