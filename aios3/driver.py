"""The storage drivers: buckets, keys, and the uploads into them."""

from __future__ import annotations

from aios3._driver.containers import ContainerMethods
from aios3._driver.downloads import DownloadMethods, ObjectMethods
from aios3._driver.multipart_uploads import HousekeepingMethods
from aios3._driver.recovery import RecoveryMethods
from aios3._driver.urls import UrlMethods

__all__ = ["AmazonS3StorageDriver", "GoogleStorageDriver", "S3StorageDriver"]


class S3StorageDriver(
    RecoveryMethods,
    ContainerMethods,
    ObjectMethods,
    DownloadMethods,
    UrlMethods,
    HousekeepingMethods,
):
    """Streams uploads into one S3-compatible store, and looks after what is around them.

    Making a driver does no I/O and needs no running loop. Use it as an async
    context manager, or call `aclose`. All its uploads share its memory limit,
    its retry budget and its connections. It belongs to the event loop and the
    process of its first call: a process that is forked later needs one of its own.
    """


class AmazonS3StorageDriver(S3StorageDriver):
    """`S3StorageDriver` for Amazon S3."""

    default_provider = "aws"


class GoogleStorageDriver(S3StorageDriver):
    """`S3StorageDriver` for Google Cloud Storage, through its XML API with HMAC keys."""

    default_provider = "google"
