"""URLs for others to use: public ones, and ones that carry a signature."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Unpack

from aios3._client.client import OperationClient
from aios3._driver.base import DriverBase
from aios3._protocol.attributes.conditions import check_conditions
from aios3._protocol.attributes.headers import read_attributes
from aios3._protocol.operations import GetObject, HeadBucket, PutObject
from aios3._protocol.wire.sigv4 import presign
from aios3._protocol.wire.uri import Endpoint, check_bucket, check_key, encode_path, request_url
from aios3.errors import ConfigurationError
from aios3.models import UploadAttributes

__all__ = ["UrlMethods"]


class UrlMethods(DriverBase):
    """The driver methods that make URLs. They send nothing; looking up credentials may."""

    async def get_container_cdn_url(self, bucket: str, *, base_url: str | None = None) -> str:
        """Return the public URL of a bucket. It holds no credentials: it works where the bucket may be read by all.

        Args:
            bucket: the container.
            base_url: of a CDN or a domain of one's own that stands for the bucket, for example
                ``"https://cdn.example.com/videos"``; ``None`` for the store's own, as the driver addresses it.

        Raises:
            ConfigurationError: `base_url` is no http(s) URL, or has a password, a query or a fragment; or the driver
                knows no endpoint.
        """
        check_bucket(bucket)
        if base_url is not None:
            base = _read_base_url(base_url)
            return f"{base.scheme}://{base.host}{base.base_path or '/'}"
        engine = await self._open()
        return request_url(HeadBucket(bucket).build(engine.client.endpoint_of(bucket)))

    async def get_object_cdn_url(
        self, bucket: str, key: str, *, expires_in: float | timedelta | None = None, base_url: str | None = None
    ) -> str:
        """Return the URL of an object: the public one, or with `expires_in` one that lets its bearer read the object.

        The key is percent-encoded exactly. Browsers and many clients take ``.`` and ``..`` between slashes as steps in
        a path, though, and ask for another key.

        Args:
            bucket: the container.
            key: exactly as it is.
            expires_in: seconds, or a timedelta, from 1 second to 7 days, fractions dropped. A URL signed with temporary
                credentials ends with them, however long it should last: for a directory bucket within five minutes.
                Such a URL is a secret.
            base_url: as for `get_container_cdn_url`; only for public URLs, since a signature is for the store's host.

        Raises:
            ConfigurationError: `expires_in` is out of range, or there are no credentials to sign with (`ANONYMOUS`);
                or as `get_container_cdn_url`.
        """
        check_bucket(bucket)
        check_key(key)
        seconds = None if expires_in is None else _whole_seconds(expires_in)
        if base_url is not None:
            if seconds is not None:
                raise ConfigurationError("a signed URL is good for the store's own host only: leave out base_url")
            base = _read_base_url(base_url)
            return f"{base.scheme}://{base.host}{base.base_path}/{encode_path(key)}"
        engine = await self._open()
        operation = GetObject(bucket, key)
        if seconds is not None:
            return await _presign(engine.client, operation, seconds)
        return request_url(operation.build(engine.client.endpoint_of(bucket)))

    async def create_upload_url(
        self, bucket: str, key: str, *, expires_in: float | timedelta, **attributes: Unpack[UploadAttributes]
    ) -> str:
        """Return a URL to which its bearer can PUT the object, in one request and up to the store's limit for one.

        The attributes are part of the signature, and the uploader must send each as the header that S3 has for it, with
        the same value, and no other ``x-amz-*`` header: ``Content-Type`` for `content_type` (which is only signed if it
        is given; otherwise the uploader may send any), ``Cache-Control`` for `cache_control` and so on,
        ``x-amz-meta-NAME`` for `metadata`, ``x-amz-acl`` for `acl`. ``X-Amz-SignedHeaders`` in the URL names them all.

        Args:
            bucket: the container.
            key: exactly as it is.
            expires_in: as for `get_object_cdn_url`; the upload must have begun by then.
            **attributes: see `UploadAttributes`.

        Raises:
            TypeError: there is no such attribute.
            ConfigurationError: the provider does not take an attribute, or its value cannot be sent; `expires_in` is
                out of range; there are no credentials to sign with.
        """
        check_bucket(bucket)
        check_key(key)
        seconds = _whole_seconds(expires_in)
        headers = self._signed_headers(key, attributes)
        engine = await self._open()
        endpoint = engine.client.endpoint_of(bucket)
        if endpoint.scheme != "https" and attributes.get("sse_customer_key") is not None:
            raise ConfigurationError("sse_customer_key needs an https endpoint: over http the key could be read")
        return await _presign(engine.client, PutObject(bucket, key, headers, ()), seconds)

    def _signed_headers(self, key: str, attributes: UploadAttributes) -> Mapping[str, str]:
        read = read_attributes(key, attributes, self._provider)
        check_conditions(read, self._provider, {"PutObject"})
        headers = {**read.create, **read.commit}
        if attributes.get("content_type") is None:
            del headers["content-type"]  # guessed for uploads of one's own
        return headers


async def _presign(client: OperationClient, operation: GetObject | PutObject, seconds: int) -> str:
    request = operation.build(client.endpoint_of(operation.bucket))
    credentials = await client.signer.keys_for(operation)
    if credentials is None:
        raise ConfigurationError("a URL that expires must be signed, and the driver is ANONYMOUS: give it credentials")
    scope = client.signer.scope_for(operation, client.region_of(operation.bucket))
    return presign(request, credentials, scope, client.store_clock.now(), seconds)


def _whole_seconds(span: object) -> int:
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise ConfigurationError(f"expires_in must be seconds or a timedelta, not {span!r:.80}")
    return int(seconds)


def _read_base_url(base_url: str) -> Endpoint:
    try:
        return Endpoint.parse(base_url, "path")
    except ConfigurationError as error:
        raise ConfigurationError(f"base_url: {error}") from None
