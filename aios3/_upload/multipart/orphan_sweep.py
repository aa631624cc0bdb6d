"""Search for an orphan: the multipart upload that remains when the response to Create is lost.

The id of an orphan is unknown, and S3 cannot search by a value of the client. Four facts are known. Its key is ours, it
began while our Create was in flight, it gets no parts, and this driver does not use it. An upload of another process
fits all four only if it began in the same window and still has no part. The window is as long as the lost request, and
a process that creates an upload usually has its first part ready.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from aios3._client.attempts import FailedAttempts
from aios3._client.client import OperationClient
from aios3._protocol.operations import ListMultipartUploads, ListParts, UploadsPage
from aios3.errors import ResponseError, StorageError
from aios3.models import PendingUpload

from .abort import Abort

__all__ = ["OrphanSweep"]

_SLACK: Final = timedelta(seconds=2)
"""Tolerance of times in a listing: they are whole seconds, and the two clocks may round differently."""

_SECOND_LOOK: Final = 1.0
"""Seconds before the second check for parts: by then an upload in use usually has its first part."""

_MOST_PAGES: Final = 20


class OrphanSweep:
    """Aborts the orphans of one lost Create."""

    def __init__(
        self,
        client: OperationClient,
        bucket: str,
        key: str,
        *,
        headers: Mapping[str, str],
        known_uploads: set[str],
        began: datetime,
        lost: datetime,
        log: FailedAttempts | None = None,
    ) -> None:
        """Prepare; nothing is sent. The store may have made the upload between two times of our clock.

        Args:
            client: sends the requests.
            bucket: bucket of the upload.
            key: key of the upload.
            headers: headers of every request.
            known_uploads: ids of the uploads that this driver uses; read when `run` needs them.
            began: when Create was sent.
            lost: when its response was given up.
            log: log of the upload, which does not receive failed attempts; ``None`` if the upload is not running.
        """
        self._client = client
        self._bucket = bucket
        self._key = key
        self._headers = headers
        self._known_uploads = known_uploads
        self._began = began
        self._lost = lost
        self._log = FailedAttempts() if log is None else log
        self._trouble: StorageError | None = None

    async def run(self, ids_of_others: Callable[[], Awaitable[Collection[str]]] | None = None) -> list[str]:
        """Abort the orphans and return their ids.

        Args:
            ids_of_others: gives the ids of uploads that are in use elsewhere; called only if there are candidates.

        Raises:
            StorageError: the store refused to list or abort, or no response came.
        """
        self._trouble = None
        candidates = [upload for upload in await self._candidates() if await self._has_no_parts(upload)]
        if candidates:
            spared = () if ids_of_others is None else await ids_of_others()
            candidates = [upload for upload in candidates if upload.upload_id not in spared]
            await self._client.clock.sleep(_SECOND_LOOK)
        aborted = []
        for upload in candidates:
            is_orphan = upload.upload_id not in self._known_uploads and await self._has_no_parts(upload)
            if is_orphan and await self._has_been_ended(upload):
                aborted.append(upload.upload_id)
        if self._trouble is not None:
            raise self._trouble
        return aborted

    async def _candidates(self) -> list[PendingUpload]:
        found: list[PendingUpload] = []
        page = UploadsPage((), is_truncated=True, next_key_marker="", next_upload_id_marker="")
        for _ in range(_MOST_PAGES):
            if not page.is_truncated:
                break
            operation = ListMultipartUploads(
                self._bucket,
                self._client.listing_prefix(self._key),
                page.next_key_marker,
                page.next_upload_id_marker,
                self._headers,
            )
            page = await self._client.run(operation, log=self._log.aside(), is_cleanup=True)
            found.extend(upload for upload in page.uploads if self._could_be_ours(upload))
        return found

    def _could_be_ours(self, upload: PendingUpload) -> bool:
        if upload.key != self._key or upload.upload_id in self._known_uploads:
            return False
        if upload.initiated_at is None:
            return False
        began = self._client.clock_skew.to_server_time(self._began) - _SLACK
        lost = self._client.clock_skew.to_server_time(self._lost) + _SLACK
        return began <= upload.initiated_at <= lost

    async def _has_no_parts(self, upload: PendingUpload) -> bool:
        operation = ListParts(self._bucket, self._key, upload.upload_id, headers=self._headers)
        try:
            page = await self._client.run(operation, log=self._log.aside(), is_cleanup=True)
        except StorageError as error:
            is_gone = isinstance(error, ResponseError) and error.status == 404
            if not is_gone:
                self._note(error)
            return False
        return not page.parts

    async def _has_been_ended(self, upload: PendingUpload) -> bool:
        place = self._bucket, self._key, upload.upload_id
        try:
            await Abort(self._client, place, self._headers, self._log.aside()).send()
        except StorageError as error:
            self._note(error)
            return False
        return True

    def _note(self, error: StorageError) -> None:
        """Keep the first error until the other orphans are aborted."""
        self._trouble = self._trouble or error
