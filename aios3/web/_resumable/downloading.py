"""Downloads of the objects of finished uploads."""

from __future__ import annotations

from aios3.errors import ObjectNotFoundError

from .messages import RefusedError, Response
from .upload_store import Stored, UploadStore

__all__ = ["download"]


async def download(store: UploadStore, stored: Stored) -> Response:
    """Return the object of a finished upload, in a way that a browser saves and never shows.

    Raises:
        RefusedError: the object is gone (410).
        StorageError: the store refused, or does not respond.
    """
    upload = stored.description.upload
    try:
        found = await store.driver.get_object(upload.bucket, upload.key)
    except ObjectNotFoundError:
        raise RefusedError(410, "the object is gone") from None
    headers = {
        "Content-Type": found.content_type or "application/octet-stream",
        "Content-Length": str(found.size),
        "Content-Disposition": "attachment",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return Response(200, headers, store.driver.download_object_as_stream(upload.bucket, upload.key))
