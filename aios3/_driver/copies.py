"""Driver method that copies an object inside the store."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any, Final, Unpack, cast

from aios3._client.attempts import FailedAttempts
from aios3._driver.base import DriverBase
from aios3._protocol.attributes.encoding import read_metadata
from aios3._protocol.attributes.headers import check_conditions
from aios3._protocol.attributes.options import read_options
from aios3._protocol.operations import CopyObject, CopySource, DescribedSource, GetObjectTagging, HeadSource
from aios3._protocol.parts.part_plan import plan_copy
from aios3._protocol.wire.uri import check_bucket, check_key
from aios3._upload.multipart_copy import MultipartCopy
from aios3._upload.object_copy import copy_whole
from aios3._upload.shared.commit_in_flight import CommitInFlight
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import UploadJob
from aios3._upload.upload_requests import UploadRequests
from aios3.errors import ConfigurationError, IntegrityError, ObjectTooLargeError, PreconditionFailedError
from aios3.models import CopyAttributes, ReadOptions, UploadAttributes, UploadReceipt, Verification

from .arguments import check_secrecy, make_job

__all__ = ["copy_object"]

_READ_OPTIONS: Final = {
    "source_version_id": "version_id",
    "source_if_match": "if_match",
    "source_sse_customer_key": "sse_customer_key",
    "source_expected_bucket_owner": "expected_bucket_owner",
}
"""Options of the read of the source, by the attribute of the copy."""

_DESCRIBING: Final = frozenset({
    "content_type", "cache_control", "content_disposition", "content_encoding", "content_language", "expires",
    "metadata",
})  # fmt: skip
"""Attributes that S3 copies all or not at all."""


async def copy_object(
    driver: DriverBase, bucket: str, key: str, to_bucket: str, to_key: str, **attributes: Unpack[CopyAttributes]
) -> UploadReceipt:
    """See `S3StorageDriver.copy_object`."""
    check_bucket(bucket)
    check_key(key)
    own = {name: value for name, value in attributes.items() if name not in _READ_OPTIONS}
    job = _job(driver, to_bucket, to_key, cast("UploadAttributes", own))
    job = replace(job, call="copy", began_at=driver._clock.monotonic())
    options: dict[str, Any] = {_READ_OPTIONS[name]: attributes.get(name) for name in _READ_OPTIONS}
    options["request_payer"] = attributes.get("request_payer")
    read = read_options(ReadOptions, options, driver._provider)
    engine = await driver._open()
    check_secrecy(engine.client, read)
    if attributes.get("sse_customer_key") is not None and engine.client.endpoint.scheme != "https":
        raise ConfigurationError("sse_customer_key needs an https endpoint: over http the key could be read")
    log = engine.begin_log(job)
    with log.upload:
        described = await engine.client.run(HeadSource(bucket, key, read.headers, read.version_id), log=log.begin())
        kept = {name: value for name, value in read.headers.items() if name != "if-match"}
        source = CopySource(bucket, key, read.version_id, described.found.etag, kept)
        return await _Copy(engine, job, source, described, log).run()


def _job(driver: DriverBase, bucket: str, key: str, attributes: UploadAttributes) -> UploadJob:
    """Return the job of the new object. Its headers hold only what was given, and its parts are laid out later."""
    # The store computes all checksums, because no byte passes here.
    transfer = replace(driver._transfer, checksum=None, nonce=False, mechanism="auto")
    job = make_job(
        driver._provider,
        driver._transfer,
        bucket,
        key,
        size=0,  # no byte passes here, so no limit of a body counts
        max_size=None,
        on_progress=None,
        transfer=transfer,
        resume=None,
        attributes=attributes,
    )
    if attributes.get("content_type") is not None:
        return job
    create = {name: value for name, value in job.headers.create.items() if name != "content-type"}
    return replace(job, headers=replace(job.headers, create=create))


class _Copy:
    """One copy, of which the source is known."""

    def __init__(
        self, engine: Engine, job: UploadJob, source: CopySource, described: DescribedSource, log: FailedAttempts
    ) -> None:
        self._engine = engine
        self._job = job
        self._source = source
        self._described = described
        self._size = described.found.size
        self._log = log

    async def run(self) -> UploadReceipt:
        """Copy by one request if the store takes that, else in parts; an empty object is put."""
        provider = self._engine.provider
        if provider.max_object_size is not None and self._size > provider.max_object_size:
            raise ObjectTooLargeError(f"{provider.name} takes objects of {provider.max_object_size} bytes at most")
        is_obeyed = not self._job.headers.has_conditions or provider.conditional_copy is True
        if self._size <= provider.max_copy_size and is_obeyed:
            return await self._commit(self._copy_whole())
        job = replace(self._job, headers=replace(self._job.headers, create=await self._full_description()))
        if not self._size:
            return await self._commit(self._put_nothing(job))
        if not provider.multipart:
            raise ConfigurationError(
                f"{provider.name} has no multipart uploads, so it copies at most {provider.max_copy_size} bytes and "
                "without conditions: download the object and upload it again"
            )
        check_conditions(job.headers, provider, {"CompleteMultipartUpload"})
        if not self._source.etag and self._source.version_id is None:
            raise IntegrityError(
                f"{self._place} has no ETag, so parts of two versions could be mixed; nothing was copied"
            )
        job = replace(job, plan=plan_copy(provider, self._size), size=self._size)
        receipt = await MultipartCopy(self._engine, job, self._source, self._size, self._log).run()
        return replace(receipt, verification=Verification())

    async def _commit(self, copying: Coroutine[Any, Any, UploadReceipt]) -> UploadReceipt:
        """Send a copy of one request, for which the end of the driver waits some seconds."""
        requests = UploadRequests(self._engine, self._job, self._log)
        return await CommitInFlight(self._engine, requests.given_up).send(copying)

    async def _copy_whole(self) -> UploadReceipt:
        given = self._job.headers
        directives: dict[str, str] = {}
        create: Mapping[str, str] = given.create
        if any(self._job.attributes.get(name) is not None for name in _DESCRIBING):
            directives["x-amz-metadata-directive"] = "REPLACE"
            create = self._description()
        if "x-amz-tagging" in create:
            directives["x-amz-tagging-directive"] = "REPLACE"
        headers = {**create, **given.commit, **directives}
        operation = CopyObject(self._job.bucket, self._job.key, self._source, headers)
        try:
            return await copy_whole(self._engine, self._job, operation, self._size, self._log)
        except PreconditionFailedError as error:
            if given.has_conditions:
                raise
            raise self._source_has_changed() from error

    async def _put_nothing(self, job: UploadJob) -> UploadReceipt:
        requests = UploadRequests(self._engine, job, self._log)
        return requests.receipt(await requests.put(()), 0)

    def _description(self) -> dict[str, str]:
        """Return the headers of the source with those that were given instead."""
        is_replaced = self._job.attributes.get("metadata") is not None
        metadata = {} if is_replaced else read_metadata("metadata", self._described.found.metadata)
        return {**self._described.headers, **metadata, **self._job.headers.create}

    async def _full_description(self) -> dict[str, str]:
        """Return the description with the tags of the source, which only a copy of the whole object takes along."""
        headers = self._description()
        if self._described.tag_count and "x-amz-tagging" not in headers:
            source = self._source
            tags = GetObjectTagging(source.bucket, source.key, source.headers, source.version_id)
            headers["x-amz-tagging"] = await self._engine.client.run(tags, log=self._log.begin())
        return headers

    def _source_has_changed(self) -> IntegrityError:
        return IntegrityError(f"{self._place} was replaced while it was copied; nothing was committed")

    @property
    def _place(self) -> str:
        return f"{self._source.bucket}/{self._source.key}"
