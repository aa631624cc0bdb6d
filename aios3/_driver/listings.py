"""Driver methods that list the objects of a bucket."""

from __future__ import annotations

import heapq
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from typing import Unpack

from aios3._client.paging import check_prefix, iterate_pages
from aios3._driver.base import DriverBase
from aios3._protocol.attributes.options import read_options
from aios3._protocol.operations import ListObjectsV2, ListObjectVersions, ObjectsPage
from aios3._protocol.wire.uri import check_bucket
from aios3.errors import ConfigurationError
from aios3.models import CommonPrefix, ListOptions, ObjectVersion, StorageObject

__all__ = ["iterate_container_objects", "iterate_object_versions"]


async def iterate_container_objects(
    driver: DriverBase,
    bucket: str,
    *,
    prefix: str = "",
    delimiter: str | None = None,
    **options: Unpack[ListOptions],
) -> AsyncGenerator[StorageObject | CommonPrefix]:
    """See `S3StorageDriver.iterate_container_objects`."""
    check_bucket(bucket)
    check_prefix(prefix)
    _check_delimiter(driver, delimiter)
    read = read_options(ListOptions, options, driver._provider)
    engine = await driver._open()
    asked = engine.client.listing_prefix(prefix)
    operation = ListObjectsV2(bucket, asked, headers=read.headers, delimiter=delimiter or "")
    grouping = _Grouping(bucket, prefix, delimiter)
    async with aclosing(iterate_pages(engine.client, operation)) as pages:
        async for page in pages:
            for entry in grouping.of(page):
                yield entry


def _check_delimiter(driver: DriverBase, delimiter: str | None) -> None:
    if delimiter is None:
        return
    check_prefix(delimiter)
    if not delimiter:
        raise ConfigurationError("a delimiter must not be empty: None lists every object")
    if driver._provider.lists_by_folder and delimiter != "/":
        raise ConfigurationError(f"{driver._provider.name} takes no delimiter but '/'")


class _Grouping:
    """Objects and common prefixes of a listing, whatever the store makes of prefix and delimiter."""

    def __init__(self, bucket: str, prefix: str, delimiter: str | None) -> None:
        """Take what was asked for; `delimiter` of ``None`` groups nothing."""
        self._bucket = bucket
        self._prefix = prefix
        self._delimiter = delimiter
        self._last: str | None = None
        """Common prefix that was given last. A store may repeat it on the next page."""

    def of(self, page: ObjectsPage) -> Iterator[StorageObject | CommonPrefix]:
        """Yield the entries of a page in the order of their keys.

        Some stores ignore the prefix, and the caller may delete what is listed. Some ignore the delimiter.
        """
        entries: Iterable[StorageObject | CommonPrefix] = page.objects
        if page.prefixes:
            groups: tuple[Iterable[StorageObject | CommonPrefix], ...] = (page.objects, page.prefixes)
            entries = heapq.merge(*groups, key=_order)
        for entry in entries:
            name = _name(entry)
            if not name.startswith(self._prefix):
                continue
            common = self._common_prefix(name)
            if common is None:
                yield entry
            elif common != self._last:
                self._last = common
                yield CommonPrefix(self._bucket, common)

    def _common_prefix(self, name: str) -> str | None:
        if self._delimiter is None:
            return None
        end = name.find(self._delimiter, len(self._prefix))
        return None if end < 0 else name[: end + len(self._delimiter)]


def _name(entry: StorageObject | CommonPrefix) -> str:
    return entry.prefix if isinstance(entry, CommonPrefix) else entry.key


def _order(entry: StorageObject | CommonPrefix) -> bytes:
    return _name(entry).encode(errors="surrogateescape")


async def iterate_object_versions(
    driver: DriverBase, bucket: str, *, prefix: str = "", **options: Unpack[ListOptions]
) -> AsyncGenerator[ObjectVersion]:
    """See `S3StorageDriver.iterate_object_versions`."""
    check_bucket(bucket)
    check_prefix(prefix)
    if driver._provider.versions is False:
        raise ConfigurationError(f"provider {driver._provider.name!r} keeps no versions")
    read = read_options(ListOptions, options, driver._provider)
    engine = await driver._open()
    operation = ListObjectVersions(bucket, engine.client.listing_prefix(prefix), headers=read.headers)
    async with aclosing(iterate_pages(engine.client, operation)) as pages:
        async for page in pages:
            for version in page.versions:
                if version.key.startswith(prefix):
                    yield version
