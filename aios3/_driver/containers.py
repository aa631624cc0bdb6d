"""Buckets, and what is in them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from aios3._client.paging import check_prefix, iterate_pages
from aios3._driver.base import DriverBase
from aios3._protocol.operations import (
    CreateBucket,
    CreateDirectoryBucket,
    DeleteBucket,
    HeadBucket,
    ListBuckets,
    ListObjectsV2,
)
from aios3._protocol.policies.retry import is_unclear
from aios3._protocol.wire.uri import check_bucket
from aios3.errors import ConflictError, ContainerNotFoundError, StorageError
from aios3.models import Container, StorageObject

__all__ = ["ContainerMethods"]


class ContainerMethods(DriverBase):
    """The driver methods that are about a bucket."""

    async def iterate_containers(self) -> AsyncGenerator[Container]:
        """Iterate over the buckets of the credentials' owner, page by page where the store pages.

        Raises:
            AccessDeniedError: the credentials may not list buckets (those for one bucket only may not).
            StorageError: the store refused, or does not answer, or not as S3 does.
        """
        engine = await self._open()
        async with aclosing(iterate_pages(engine.client, ListBuckets())) as pages:
            async for page in pages:
                for container in page.buckets:
                    yield container

    async def get_container(self, bucket: str) -> Container:
        """Look whether a bucket exists, by one HEAD, which does not tell when it was made.

        Raises:
            ContainerNotFoundError: it does not.
            AccessDeniedError: it may exist, but these credentials may not see it.
            StorageError: the store does not answer, or not as S3 does, or the bucket is in another region.
        """
        check_bucket(bucket)
        engine = await self._open()
        await engine.client.run(HeadBucket(bucket))
        return Container(bucket)

    async def create_container(self, bucket: str) -> Container:
        """Create a bucket, in the driver's region where the store keeps regions apart.

        If an answer was lost and the repetition says that the caller owns the bucket, it was made by the first try.

        Raises:
            ConflictError: the bucket exists, and is somebody's or one's own.
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        engine = await self._open()
        region = engine.client.region
        location = region if self._provider.needs_location and region != self._provider.default_region else None
        is_zonal = self._provider.has_zones and engine.client.data_endpoint is not None
        operation = CreateDirectoryBucket(bucket) if is_zonal else CreateBucket(bucket, location)
        failures: list[StorageError] = []
        try:
            await engine.client.run(operation, failures=failures)
        except ConflictError as error:
            if error.code != "BucketAlreadyOwnedByYou" or not _is_any_unclear(failures):
                raise
        return Container(bucket)

    async def delete_container(self, bucket: str) -> None:
        """Delete a bucket that is empty.

        Some stores also want it free of open multipart uploads: `cleanup_multipart_uploads` ends them.

        Raises:
            ContainerNotFoundError: there is no such bucket.
            ConflictError: it is not empty.
            StorageError: the store refused or does not answer.
        """
        check_bucket(bucket)
        engine = await self._open()
        failures: list[StorageError] = []
        try:
            await engine.client.run(DeleteBucket(bucket), failures=failures)
        except ContainerNotFoundError:
            # After a lost answer it is our own success that is in the way.
            if not _is_any_unclear(failures):
                raise

    async def iterate_container_objects(self, bucket: str, *, prefix: str = "") -> AsyncGenerator[StorageObject]:
        """Iterate over the objects whose keys begin with `prefix`, in the store's order, one page in memory at a time.

        Keys are exact. What a listing does not carry (content type, metadata, version) is empty. Objects that come or
        go meanwhile may be in it or not.

        Raises:
            ContainerNotFoundError: there is no such bucket.
            StorageError: the store refused, or does not answer, or its list cannot be gone through to its end: then
                what came so far is right, but it is not all.
        """
        check_bucket(bucket)
        check_prefix(prefix)
        engine = await self._open()
        operation = ListObjectsV2(bucket, engine.client.listing_prefix(prefix))
        async with aclosing(iterate_pages(engine.client, operation)) as pages:
            async for page in pages:
                for found in page.objects:
                    # Whoever deletes what is listed relies on it, also where a store ignores the parameter.
                    if found.key.startswith(prefix):
                        yield found


def _is_any_unclear(failures: list[StorageError]) -> bool:
    return any(is_unclear(failure) for failure in failures)
