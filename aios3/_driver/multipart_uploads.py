"""Driver methods that list open multipart uploads and abort old ones."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final, Unpack

from aios3._client.attempts import FailedAttempts
from aios3._client.client import OperationClient
from aios3._client.paging import check_prefix, iterate_pages
from aios3._driver.base import DriverBase
from aios3._protocol.attributes.options import read_options
from aios3._protocol.operations import ListMultipartUploads
from aios3._protocol.wire.uri import check_bucket, check_key
from aios3._upload.multipart.abort import Abort, AbortOutcome
from aios3.errors import ConfigurationError, DriverClosedError, StorageError
from aios3.models import ListOptions, PendingUpload

__all__ = ["cleanup_multipart_uploads", "iterate_multipart_uploads"]

_SLACK: Final = timedelta(seconds=2)
"""Tolerance of times in a listing, which may be whole seconds, and of the store's clock, which a Date header shows in
whole seconds."""


async def iterate_multipart_uploads(
    driver: DriverBase, bucket: str, *, prefix: str = "", **options: Unpack[ListOptions]
) -> AsyncGenerator[PendingUpload]:
    """See `S3StorageDriver.iterate_multipart_uploads`."""
    check_bucket(bucket)
    check_prefix(prefix)
    read = read_options(ListOptions, options, driver._provider)
    engine = await driver._open()
    for asked, is_wanted in _questions(driver, prefix):
        operation = ListMultipartUploads(bucket, engine.client.listing_prefix(asked), headers=read.headers)
        async with aclosing(iterate_pages(engine.client, operation)) as pages:
            async for page in pages:
                for upload in filter(is_wanted, page.uploads):
                    yield upload


def _questions(driver: DriverBase, prefix: str) -> list[tuple[str, Callable[[PendingUpload], bool]]]:
    """Return the prefixes to list, each with a filter of its list, so that no upload comes twice."""
    if prefix and driver._provider.lists_uploads_by_exact_key:
        return [
            (prefix, lambda upload: upload.key == prefix),
            ("", lambda upload: upload.key != prefix and upload.key.startswith(prefix)),
        ]
    # Some stores ignore the prefix, and the caller may abort what is listed.
    return [(prefix, lambda upload: upload.key.startswith(prefix))]


async def cleanup_multipart_uploads(
    driver: DriverBase, bucket: str, *, prefix: str = "", older_than: timedelta
) -> list[PendingUpload]:
    """See `S3StorageDriver.cleanup_multipart_uploads`."""
    _check_age(older_than)
    engine = await driver._open()
    begun_by = engine.client.clock.now() + _SLACK
    # List to the end first: markers that name aborted uploads confuse some stores.
    pending = [upload async for upload in iterate_multipart_uploads(driver, bucket, prefix=prefix)]
    client = engine.client
    moment = client.clock.now() if older_than else begun_by
    limit = _go_back(client.clock_skew.to_server_time(moment), older_than)
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
    """Abort the upload, and return whether this call ended it."""
    try:
        check_key(upload.key)  # a listed key that is not UTF-8 cannot be named in a request
        place = upload.bucket, upload.key, upload.upload_id
        outcome = await Abort(client, place, {}, FailedAttempts()).send()
    except DriverClosedError:
        raise
    except StorageError:
        return False
    return outcome is not AbortOutcome.GONE
