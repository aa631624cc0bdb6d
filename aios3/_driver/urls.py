"""Driver methods that return public URLs and signed URLs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Unpack

from aios3._client.client import OperationClient
from aios3._driver.arguments import check_sizes
from aios3._driver.base import DriverBase
from aios3._protocol.attributes.headers import check_conditions, read_attributes
from aios3._protocol.attributes.options import read_options
from aios3._protocol.operations import GetObject, HeadBucket, PutObject, UploadPart
from aios3._protocol.wire.sigv4 import presign
from aios3._protocol.wire.uri import Endpoint, check_bucket, check_key, encode_path, request_url
from aios3.errors import ConfigurationError
from aios3.models import ReadOptions, ResponseOverrides, UploadAttributes

__all__ = [
    "create_download_url",
    "create_upload_url",
    "get_container_cdn_url",
    "get_object_cdn_url",
    "presign_operation",
    "whole_seconds",
]


async def get_container_cdn_url(driver: DriverBase, bucket: str, *, base_url: str | None = None) -> str:
    """See `S3StorageDriver.get_container_cdn_url`."""
    check_bucket(bucket)
    if base_url is not None:
        base = _read_base_url(base_url)
        return f"{base.scheme}://{base.host}{base.base_path or '/'}"
    engine = await driver._open()
    return request_url(HeadBucket(bucket).build(engine.client.endpoint_of(bucket)))


async def get_object_cdn_url(
    driver: DriverBase,
    bucket: str,
    key: str,
    *,
    expires_in: float | timedelta | None = None,
    base_url: str | None = None,
) -> str:
    """See `S3StorageDriver.get_object_cdn_url`."""
    check_bucket(bucket)
    check_key(key)
    if expires_in is not None and base_url is not None:
        raise ConfigurationError("a signed URL is good for the store's own host only: leave out base_url")
    if expires_in is not None:
        return await create_download_url(driver, bucket, key, expires_in=expires_in)
    if base_url is not None:
        base = _read_base_url(base_url)
        return f"{base.scheme}://{base.host}{base.base_path}/{encode_path(key)}"
    engine = await driver._open()
    return request_url(GetObject(bucket, key).build(engine.client.endpoint_of(bucket)))


async def create_download_url(
    driver: DriverBase,
    bucket: str,
    key: str,
    *,
    expires_in: float | timedelta,
    **overrides: Unpack[ResponseOverrides],
) -> str:
    """See `S3StorageDriver.create_download_url`."""
    check_bucket(bucket)
    check_key(key)
    seconds = whole_seconds(expires_in)
    query = _override_query(overrides)
    version = ReadOptions(version_id=overrides.get("version_id"))
    version_id = read_options(ReadOptions, version, driver._provider).version_id
    engine = await driver._open()
    return await presign_operation(
        engine.client, GetObject(bucket, key, overrides=query, version_id=version_id), seconds
    )


def _override_query(overrides: ResponseOverrides) -> tuple[tuple[str, str], ...]:
    if unknown := overrides.keys() - ResponseOverrides.__annotations__.keys():
        known = ", ".join(sorted(ResponseOverrides.__annotations__))
        raise TypeError(f"there is no override {', '.join(sorted(unknown))}; there are {known}")
    query = []
    for name, value in overrides.items():
        if value is None or name == "version_id":
            continue
        if not isinstance(value, str) or not value.isprintable():
            raise ConfigurationError(f"{name} must be printable text, not {value!r:.80}")
        query.append((name.replace("_", "-"), value))
    return tuple(query)


async def create_upload_url(
    driver: DriverBase,
    bucket: str,
    key: str,
    *,
    expires_in: float | timedelta,
    size: int | None = None,
    **attributes: Unpack[UploadAttributes],
) -> str:
    """See `S3StorageDriver.create_upload_url`."""
    check_bucket(bucket)
    check_key(key)
    check_sizes(driver._provider, size, None)
    seconds = whole_seconds(expires_in)
    headers = dict(_signed_headers(driver, key, attributes))
    if size is not None:
        headers["content-length"] = str(size)
    engine = await driver._open()
    endpoint = engine.client.endpoint_of(bucket)
    if endpoint.scheme != "https" and attributes.get("sse_customer_key") is not None:
        raise ConfigurationError("sse_customer_key needs an https endpoint: over http the key could be read")
    return await presign_operation(engine.client, PutObject(bucket, key, headers, ()), seconds)


def _signed_headers(driver: DriverBase, key: str, attributes: UploadAttributes) -> Mapping[str, str]:
    read = read_attributes(key, attributes, driver._provider)
    check_conditions(read, driver._provider, {"PutObject"})
    headers = {**read.create, **read.commit}
    if attributes.get("content_type") is None:
        del headers["content-type"]  # a guessed type must not bind the uploader
    return headers


async def presign_operation(
    client: OperationClient, operation: GetObject | PutObject | UploadPart, seconds: int
) -> str:
    """Return a URL that is good for `seconds` seconds and for this operation only."""
    request = operation.build(client.endpoint_of(operation.bucket))
    credentials = await client.signer.keys_for(operation)
    if credentials is None:
        raise ConfigurationError("a URL that expires must be signed, and the driver is ANONYMOUS: give it credentials")
    scope = client.signer.scope_for(operation, client.region_of(operation.bucket))
    return presign(request, credentials, scope, client.clock_skew.now(), seconds)


def whole_seconds(span: object) -> int:
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise ConfigurationError(f"expires_in must be seconds or a timedelta, not {span!r:.80}")
    return int(seconds)


def _read_base_url(base_url: str) -> Endpoint:
    try:
        return Endpoint.parse(base_url, "path")
    except ConfigurationError as error:
        raise ConfigurationError(f"base_url: {error}") from None
