"""State of a resumable upload for those who only watch it: reading it changes nothing."""

from __future__ import annotations

from aios3.errors import UploadNotFoundError
from aios3.web._progress.events import UploadState

from .description import Description
from .ending import Endings
from .messages import RefusedError
from .upload_store import UploadStore

__all__ = ["look_at"]


async def look_at(store: UploadStore, endings: Endings, name: str) -> UploadState:
    """Return the state of the upload with this name in keys, by at most four requests and one for 1,000 parts.

    Raises:
        StorageError: the store refused, or does not respond.
    """
    stored = await store.read(name)
    if stored is None:
        return UploadState("gone")
    description = stored.description
    if description.is_complete:
        return UploadState("complete", description.length, description.length)
    if await store.now() >= description.expires_at:
        return UploadState("gone", length=description.length)
    try:
        offset = (await store.progress(stored)).offset
    except UploadNotFoundError:
        return await _look_at_end(endings, description)
    return UploadState("active", None if description.is_final else offset, description.length)


async def _look_at_end(endings: Endings, description: Description) -> UploadState:
    """Return the state of an upload that was committed or aborted, and that is not recorded as finished."""
    length = description.length
    if description.holder is None:
        try:
            await endings.committed_before(description)
        except RefusedError:
            return UploadState("gone", length=length)
    return UploadState("active", length, length)
