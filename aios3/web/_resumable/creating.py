"""Creation of resumable uploads, also of those that are made of others."""

from __future__ import annotations

import inspect
import re
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from aios3._concurrency.shielding import finish_despite_cancellation
from aios3.checkpoints import MultipartUpload
from aios3.options import TransferConfig

from .appending import Appending
from .description import Description, Progress, object_metadata
from .ending import Endings
from .lease import Leases
from .messages import Creation, RefusedError
from .upload_store import Stored, UploadStore

__all__ = ["Creating", "KeyFor", "is_token", "new_token"]

KeyFor = Callable[[str | None, Mapping[str, str]], Awaitable[str] | str]

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{32}")
_CLEANUP: Final = 30.0
"""Seconds for the abort of an upload whose creation fails or is cancelled."""


def new_token() -> str:
    """Return a name for an upload in URLs that cannot be guessed: 192 random bits."""
    return secrets.token_urlsafe(24)


def is_token(text: str) -> bool:
    """Return whether `text` may be the name of an upload in a URL."""
    return _TOKEN.fullmatch(text) is not None


def _token_of(url: str) -> str:
    """Return the last segment of a URL that a client sent; empty if it is no URL."""
    try:
        return urlsplit(url).path.rpartition("/")[2]
    except ValueError:
        return ""


class Creating:
    """Creates the uploads of one application."""

    def __init__(
        self,
        store: UploadStore,
        leases: Leases,
        endings: Endings,
        appending: Appending,
        *,
        max_size: int | None,
        max_age: timedelta,
        key_for: KeyFor | None,
    ) -> None:
        """Take what the uploads share."""
        self._store = store
        self._leases = leases
        self._endings = endings
        self._appending = appending
        self._max_size = max_size
        self._max_age = max_age
        self._key_for = key_for

    async def create(self, token: str, request: Creation, owner: str | None) -> Stored:
        """Create an upload, and make it of others if the request names them.

        A failure or a cancellation before the end leaves nothing open.

        Raises:
            RefusedError: the upload would be too large, or cannot be made of those that the request names.
            StorageError: the store refused, or does not respond.
        """
        sources = [await self._partial(url, owner) for url in request.urls]
        if sources:
            request = replace(request, length=sum(source.length or 0 for source in sources))
        self._appending.check_size(request.length or 0)
        name = self._store.name_of(token)
        upload = await self._begin(await self._key(name, request, owner), request)
        stored = await self._describe(name, upload, request, owner)
        return await self._concatenate(stored, sources) if sources else stored

    async def _partial(self, url: str, owner: str | None) -> Description:
        token = _token_of(url)
        stored = await self._store.read(self._store.name_of(token)) if is_token(token) else None
        if stored is None or stored.description.owner != owner or not stored.description.is_partial:
            raise RefusedError(404, "Upload-Concat names an upload that is no partial upload")
        if not stored.description.is_complete:
            raise RefusedError(400, "Upload-Concat names an upload that is not finished")
        return stored.description

    async def _key(self, name: str, request: Creation, owner: str | None) -> str:
        if request.concat is not None and not request.urls:
            return self._store.key_of(name, "part")
        if self._key_for is None:
            return self._store.new_key()
        key = self._key_for(owner, request.pairs)
        key = f"{self._store.prefix}{await key if inspect.isawaitable(key) else key}"
        if key.startswith(self._store.folder):
            raise RefusedError(400, "this key is reserved")
        return key

    async def _begin(self, key: str, request: Creation) -> MultipartUpload:
        return await self._store.driver.create_multipart_upload(
            self._store.bucket,
            key,
            size=request.length,
            transfer=self._transfer(),
            content_type=request.content_type or "application/octet-stream",
            metadata=object_metadata(request.pairs),
        )

    def _transfer(self) -> TransferConfig:
        """Return options whose parts hold the largest upload, if its length is declared later."""
        driver = self._store.driver
        own = driver._transfer
        needed = -(-(self._max_size or 0) // driver._provider.max_parts)
        size = min(max(own.part_size, needed), own.memory_limit, driver._provider.max_part_size)
        return replace(own, part_size=size, nonce=True)

    async def _describe(self, name: str, upload: MultipartUpload, request: Creation, owner: str | None) -> Stored:
        description = Description(
            upload,
            owner,
            await self._store.now() + self._max_age,
            request.metadata,
            request.pairs,
            request.concat,
            expected=0 if self._store.has_conditions else None,
        )
        try:
            return await self._store.create(name, description)
        except BaseException:
            await finish_despite_cancellation(
                lambda: self._take_back(name, upload), deadline=_CLEANUP, name="aios3: take a creation back"
            )
            raise

    async def _take_back(self, name: str, upload: MultipartUpload) -> None:
        await self._store.driver.abort_multipart_upload(upload)
        await self._store.forget(name)

    async def _concatenate(self, stored: Stored, sources: Sequence[Description]) -> Stored:
        """Copy the objects of other uploads, which need not end on the part grid, one behind the other."""
        async with self._leases.hold(stored, replace(stored.description, expected=None)) as lease:
            done = await self._store.driver.upload_parts(lease.description.upload, self._joined(sources))
            description = await self._endings.finish(lease, Progress(done.parts))
        return replace(stored, description=description)

    async def _joined(self, sources: Sequence[Description]) -> AsyncGenerator[bytes]:
        for source in sources:
            upload = source.upload
            async with self._store.driver.open_object(upload.bucket, upload.key) as found:
                if found.etag != source.etag:
                    raise RefusedError(409, "a partial upload was replaced")
                async for chunk in found:
                    yield chunk
