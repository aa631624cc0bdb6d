"""Driver methods that list the objects of a bucket."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Unpack

from aios3._client.paging import check_prefix, iterate_pages
from aios3._driver.base import DriverBase
from aios3._protocol.attributes.options import read_options
from aios3._protocol.operations import ListObjectsV2
from aios3._protocol.wire.uri import check_bucket
from aios3.models import ListOptions, StorageObject

__all__ = ["iterate_container_objects"]


async def iterate_container_objects(
    driver: DriverBase, bucket: str, *, prefix: str = "", **options: Unpack[ListOptions]
) -> AsyncGenerator[StorageObject]:
    """See `S3StorageDriver.iterate_container_objects`."""
    check_bucket(bucket)
    check_prefix(prefix)
    read = read_options(ListOptions, options, driver._provider)
    engine = await driver._open()
    operation = ListObjectsV2(bucket, engine.client.listing_prefix(prefix), headers=read.headers)
    async with aclosing(iterate_pages(engine.client, operation)) as pages:
        async for page in pages:
            for found in page.objects:
                # Some stores ignore the prefix, and the caller may delete what is listed.
                if found.key.startswith(prefix):
                    yield found
