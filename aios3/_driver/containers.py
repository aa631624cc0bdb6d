"""Buckets, and the unfinished uploads in them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aios3._driver.base import DriverBase
from aios3._protocol.operations import CreateBucket, HeadBucket, ListMultipartUploads
from aios3._protocol.uri import check_bucket
from aios3.models import Container, PendingUpload

__all__ = ["ContainerMethods"]


class ContainerMethods(DriverBase):
    """The driver methods that are about a bucket."""

    async def create_container(self, bucket: str) -> Container:
        """Create a bucket, in the driver's region where the store keeps regions apart.

        Raises:
            ConflictError: the bucket exists.
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        engine = await self._open()
        region = engine.client.region
        location = region if self._provider.needs_location and region != self._provider.default_region else None
        await engine.client.run(CreateBucket(bucket, location))
        return Container(bucket)

    async def get_container(self, bucket: str) -> Container:
        """Look whether a bucket exists, by one HEAD.

        Raises:
            ContainerNotFoundError: it does not.
            AccessDeniedError: it may exist, but these credentials may not see it.
            StorageError: the store does not answer, or not as S3 does.
        """
        check_bucket(bucket)
        engine = await self._open()
        await engine.client.run(HeadBucket(bucket))
        return Container(bucket)

    async def iterate_multipart_uploads(self, bucket: str, *, prefix: str = "") -> AsyncIterator[PendingUpload]:
        """Iterate over the multipart uploads that were begun and neither completed nor aborted.

        Raises:
            ContainerNotFoundError: there is no such bucket.
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        engine = await self._open()
        marker = ("", "")
        while True:
            page = await engine.client.run(ListMultipartUploads(bucket, prefix, *marker))
            for upload in page.uploads:
                yield upload
            following = (page.next_key_marker or "", page.next_upload_id_marker or "")
            if not page.is_truncated or following in (marker, ("", "")):
                return
            marker = following
