"""Driver methods for buckets."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from aios3._client.attempts import FailedAttempts
from aios3._client.paging import iterate_pages
from aios3._driver.base import DriverBase
from aios3._protocol.operations import (
    CreateBucket,
    CreateDirectoryBucket,
    DeleteBucket,
    HeadBucket,
    ListBuckets,
)
from aios3._protocol.wire.uri import check_bucket
from aios3.errors import ConflictError, ContainerNotFoundError
from aios3.models import Container

__all__ = ["create_container", "delete_container", "get_container", "iterate_containers"]


async def iterate_containers(driver: DriverBase) -> AsyncGenerator[Container]:
    """See `S3StorageDriver.iterate_containers`."""
    engine = await driver._open()
    async with aclosing(iterate_pages(engine.client, ListBuckets())) as pages:
        async for page in pages:
            for container in page.buckets:
                yield container


async def get_container(driver: DriverBase, bucket: str) -> Container:
    """See `S3StorageDriver.get_container`."""
    check_bucket(bucket)
    engine = await driver._open()
    await engine.client.run(HeadBucket(bucket))
    return Container(bucket)


async def create_container(driver: DriverBase, bucket: str) -> Container:
    """See `S3StorageDriver.create_container`."""
    check_bucket(bucket)
    engine = await driver._open()
    region = engine.client.region
    location = region if driver._provider.needs_location and region != driver._provider.default_region else None
    is_zonal = driver._provider.has_zones and engine.client.data_endpoint is not None
    operation = CreateDirectoryBucket(bucket) if is_zonal else CreateBucket(bucket, location)
    log = FailedAttempts()
    try:
        await engine.client.run(operation, log=log)
    except ConflictError as error:
        if error.code != "BucketAlreadyOwnedByYou" or not log.has_unknown_outcome:
            raise
    return Container(bucket)


async def delete_container(driver: DriverBase, bucket: str) -> None:
    """See `S3StorageDriver.delete_container`."""
    check_bucket(bucket)
    engine = await driver._open()
    log = FailedAttempts()
    try:
        await engine.client.run(DeleteBucket(bucket), log=log)
    except ContainerNotFoundError:
        # After a lost response, an earlier attempt may have deleted the bucket.
        if not log.has_unknown_outcome:
            raise
