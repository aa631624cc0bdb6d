"""Multipart uploads that were begun and not ended: see them, and end those that are old."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime, timedelta

from aios3._client.client import OperationClient
from aios3._client.paging import check_prefix, iterate_pages
from aios3._driver.base import DriverBase
from aios3._protocol.operations import AbortMultipartUpload, ListMultipartUploads
from aios3._protocol.policies.retry import is_unclear
from aios3._protocol.wire.uri import check_bucket, check_key
from aios3.errors import ConfigurationError, DriverClosedError, ResponseError, StorageError
from aios3.models import PendingUpload

__all__ = ["HousekeepingMethods"]


class HousekeepingMethods(DriverBase):
    """The driver methods that are about what other processes may have left behind."""

    async def iterate_multipart_uploads(self, bucket: str, *, prefix: str = "") -> AsyncGenerator[PendingUpload]:
        """Iterate over the multipart uploads that were begun and neither completed nor aborted.

        Only those whose keys begin with `prefix`. Where the store finds uploads by their whole key only (MinIO), all
        are asked for as well, of which an old MinIO knows none. Uploads that run now, of this driver or another
        process, are in it.

        Raises:
            ContainerNotFoundError: there is no such bucket.
            StorageError: the store refused, or does not answer, or its list cannot be gone through to its end.
        """
        check_bucket(bucket)
        check_prefix(prefix)
        engine = await self._open()
        for asked, is_wanted in self._questions(prefix):
            operation = ListMultipartUploads(bucket, engine.client.listing_prefix(asked))
            async with aclosing(iterate_pages(engine.client, operation)) as pages:
                async for page in pages:
                    for upload in filter(is_wanted, page.uploads):
                        yield upload

    def _questions(self, prefix: str) -> list[tuple[str, Callable[[PendingUpload], bool]]]:
        """Return the prefixes to list, each with what to take of its list, so that no upload comes twice."""
        if prefix and self._provider.lists_uploads_by_exact_key:
            return [
                (prefix, lambda upload: upload.key == prefix),
                ("", lambda upload: upload.key != prefix and upload.key.startswith(prefix)),
            ]
        # Some stores ignore the parameter, and what is listed may be about to be aborted.
        return [(prefix, lambda upload: upload.key.startswith(prefix))]

    async def cleanup_multipart_uploads(
        self, bucket: str, *, prefix: str = "", older_than: timedelta
    ) -> list[PendingUpload]:
        """Abort the multipart uploads under `prefix` that were begun longer than `older_than` ago.

        The store's clock decides. Uploads that run on this driver are left alone, and so are those of which the store
        does not say when they began. Those of other processes are told apart by their age alone: let `older_than` be
        longer than the longest upload takes. When one cannot be aborted the others still are;
        `iterate_multipart_uploads` shows what is left.

        Returns:
            Those that this call aborted, without those that had ended by themselves meanwhile.

        Raises:
            ConfigurationError: `older_than` is negative, or no timedelta; nothing was sent.
            ContainerNotFoundError: there is no such bucket.
            StorageError: the uploads cannot be listed; then none was aborted.
        """
        _check_age(older_than)
        engine = await self._open()
        # Listed to the end first: markers that point to what is gone by then confuse some stores.
        pending = [upload async for upload in self.iterate_multipart_uploads(bucket, prefix=prefix)]
        client = engine.client
        limit = _go_back(client.store_clock.translate(client.clock.now()), older_than)
        old = [upload for upload in pending if upload.initiated_at is not None and upload.initiated_at <= limit]
        return [
            upload
            for upload in old
            if upload.upload_id not in engine.known_uploads and await _has_been_aborted(client, upload)
        ]


def _check_age(older_than: object) -> None:
    if not isinstance(older_than, timedelta) or older_than < timedelta():
        raise ConfigurationError(f"older_than must be a timedelta that is not negative, not {older_than!r:.80}")


def _go_back(moment: datetime, span: timedelta) -> datetime:
    try:
        return moment - span
    except OverflowError:
        return datetime.min.replace(tzinfo=moment.tzinfo)


async def _has_been_aborted(client: OperationClient, upload: PendingUpload) -> bool:
    """Abort and return whether it was this that ended the upload."""
    failures: list[StorageError] = []
    try:
        check_key(upload.key)  # a listed key that is not UTF-8 cannot be named in a request
        await client.run(AbortMultipartUpload(upload.bucket, upload.key, upload.upload_id), failures=failures)
    except DriverClosedError:
        raise
    except StorageError as error:
        is_gone = isinstance(error, ResponseError) and error.status == 404
        return is_gone and any(is_unclear(failure) for failure in failures)
    return True
