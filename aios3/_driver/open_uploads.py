"""Driver methods for a multipart upload that stays open between calls, and that any process may continue."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Unpack, cast

from aios3._client.paging import iterate_pages
from aios3._protocol.attributes.headers import ObjectHeaders, check_conditions, read_attributes
from aios3._protocol.operations import CopySource, HeadObject, ListParts, UploadPart, UploadPartCopy
from aios3._protocol.parts.part_plan import PartPlan, plan_parts
from aios3._protocol.wire.response_headers import unquote_etag
from aios3._protocol.wire.uri import check_bucket, check_key, check_upload_id
from aios3._upload.lifecycle import create_upload
from aios3._upload.multipart.abort import AbortOutcome
from aios3._upload.multipart.resume import as_uploaded, list_stored_parts
from aios3._upload.open_upload import abort_despite_cancellation, check_parts, complete_upload
from aios3._upload.open_upload import upload_parts as send_parts
from aios3._upload.shared.job import BeforeCommit, PartRange, UploadJob
from aios3._upload.shared.progress import ProgressCallback
from aios3._upload.source.closing_deadline import ClosingDeadline
from aios3._upload.source.kinds import Source
from aios3._upload.source.readers import SourceReader
from aios3.checkpoints import MultipartUpload
from aios3.errors import ConfigurationError, SizeMismatchError, StorageError
from aios3.models import PartsUploaded, UploadAccess, UploadAttributes, UploadedPart, UploadReceipt
from aios3.options import TransferConfig, is_byte_count
from aios3.providers import Provider

from .arguments import check_callable, check_sizes, check_type, checksum_of, fixed_checksum, make_job, parts_in_flight
from .base import DriverBase
from .uploads import engine_for, open_engine
from .urls import presign_operation, whole_seconds

__all__ = [
    "abort",
    "complete",
    "copy_part",
    "create",
    "create_part_url",
    "iterate_parts",
    "upload_part",
    "upload_parts",
]


async def create(
    driver: DriverBase,
    bucket: str,
    key: str,
    *,
    size: int | None = None,
    transfer: TransferConfig | None = None,
    **attributes: Unpack[UploadAttributes],
) -> MultipartUpload:
    """See `S3StorageDriver.create_multipart_upload`."""
    job = _job_of_creation(driver, bucket, key, size, transfer, attributes)
    check_conditions(job.headers, driver._provider, {"CompleteMultipartUpload"})
    engine = await engine_for(driver, job)
    upload_id = await create_upload(engine, job)
    return MultipartUpload(
        bucket,
        key,
        upload_id,
        job.plan.first_size,
        checksum=None if job.checksum is None else job.checksum.algorithm,
        size=size,
        created_at=engine.client.clock_skew.now(),
        nonce=job.nonce,
        if_none_match=attributes.get("if_none_match"),
        if_match=attributes.get("if_match"),
        request_payer=attributes.get("request_payer"),
        expected_bucket_owner=attributes.get("expected_bucket_owner"),
    )


def _job_of_creation(
    driver: DriverBase,
    bucket: str,
    key: str,
    size: int | None,
    transfer: TransferConfig | None,
    attributes: UploadAttributes,
) -> UploadJob:
    transfer = driver._transfer if transfer is None else transfer
    check_type("transfer", transfer, TransferConfig)
    if not driver._provider.multipart:
        raise ConfigurationError(f"{driver._provider.name} has no multipart uploads")
    job = make_job(
        driver._provider,
        driver._transfer,
        bucket,
        key,
        size=size,
        max_size=None,
        on_progress=None,
        transfer=replace(transfer, mechanism="multipart", part_growth="fixed"),
        resume=None,
        attributes=attributes,
    )
    return replace(job, is_suspendable=False, call="create_multipart_upload", began_at=driver._clock.monotonic())


async def upload_parts(
    driver: DriverBase,
    upload: MultipartUpload,
    source: Source,
    *,
    first_part: int = 1,
    last: bool = True,
    on_progress: ProgressCallback | None = None,
    **access: Unpack[UploadAccess],
) -> PartsUploaded:
    """See `S3StorageDriver.upload_parts`."""
    async with _reading(driver, source, upload) as reader:
        check_callable("on_progress", on_progress)
        job = _job_of_parts(driver, upload, access, first_part, is_last=last)
        if upload.size is not None:
            left = upload.size - (first_part - 1) * upload.part_size
            if left < 0 or (left == 0 and first_part > 1):
                raise ConfigurationError(f"part {first_part} lies behind the end of an object of {upload.size} bytes")
            job = replace(job, size=left)
        job = replace(job, on_progress=on_progress, call="upload_parts", began_at=driver._clock.monotonic())
        return await send_parts(await engine_for(driver, job), job, reader)


async def upload_part(
    driver: DriverBase, upload: MultipartUpload, part_number: int, source: Source, **access: Unpack[UploadAccess]
) -> UploadedPart:
    """See `S3StorageDriver.upload_part`."""
    async with _reading(driver, source, upload) as reader:
        job = _job_of_parts(driver, upload, access, part_number, is_last=True)
        size = _size_of_part(upload, part_number)
        job = replace(job, size=size, max_size=upload.part_size if size is None else None)
        stored = await send_parts(await engine_for(driver, job), job, reader)
    if not stored.parts:
        raise SizeMismatchError(f"the source of part {part_number} has no bytes")
    return stored.parts[0]


def _size_of_part(upload: MultipartUpload, number: int) -> int | None:
    """Return the bytes that a part must have; ``None`` if it may have any number up to a whole part."""
    size = upload.size_of_part(number)
    if size is not None and (size < 0 or (size == 0 and number > 1)):
        raise ConfigurationError(f"part {number} lies behind the end of an object of {upload.size} bytes")
    return size


def _words_of_size(upload: MultipartUpload, wanted: int | None) -> str:
    return f"at most {upload.part_size}" if wanted is None else str(wanted)


async def copy_part(
    driver: DriverBase,
    upload: MultipartUpload,
    part_number: int,
    from_bucket: str,
    from_key: str,
    *,
    start: int | None = None,
    end: int | None = None,
    **access: Unpack[UploadAccess],
) -> UploadedPart:
    """See `S3StorageDriver.copy_part`."""
    job = _job_of_parts(driver, upload, access, part_number, is_last=True)
    check_bucket(from_bucket)
    check_key(from_key)
    wanted = _size_of_part(upload, part_number)
    engine = await engine_for(driver, job)
    owner = set() if from_bucket == upload.bucket else {"x-amz-expected-bucket-owner"}
    reading = {name: value for name, value in job.headers.every.items() if name not in owner}
    found = await engine.client.run(HeadObject(from_bucket, from_key, reading))
    first, behind = start or 0, found.size if end is None else end
    if not 0 <= first < behind <= found.size:
        raise ConfigurationError(
            f"{from_bucket}/{from_key} has {found.size} bytes, so bytes {first} to {behind} cannot be copied"
        )
    if behind - first > upload.part_size or wanted not in (None, behind - first):
        raise SizeMismatchError(
            f"part {part_number} must have {_words_of_size(upload, wanted)} bytes, and the range has {behind - first}"
        )
    source = CopySource(from_bucket, from_key, None, found.etag, reading)
    place = upload.bucket, upload.key, upload.upload_id, part_number
    with engine.using(upload.upload_id):
        operation = UploadPartCopy(*place, source, first, behind, job.headers.part)
        stored = await engine.client.run(operation, read_timeout=engine.timeouts.complete)
    checksum = None if upload.checksum is None else stored.checksum
    return UploadedPart(part_number, behind - first, unquote_etag(stored.etag), checksum)


def _reading(driver: DriverBase, source: Source, upload: object) -> SourceReader:
    name = f"{upload.bucket}/{upload.key}" if isinstance(upload, MultipartUpload) else "no upload"
    return SourceReader(source, deadline=ClosingDeadline(source, name, driver._timeouts.cleanup))


def _job_of_parts(
    driver: DriverBase, upload: MultipartUpload, access: UploadAccess, first_part: int, *, is_last: bool
) -> UploadJob:
    _check_part_number(driver._provider, first_part)
    job = _job_of(driver, upload, access)
    transfer = replace(_transfer_of(driver, upload), part_growth="fixed")
    plan_parts(driver._provider, transfer, size=None, memory_limit=driver._transfer.memory_limit)
    return replace(job, range=PartRange(upload, first_part, is_last))


def _check_part_number(provider: Provider, number: object) -> None:
    if not is_byte_count(number) or not 1 <= cast("int", number) <= provider.max_parts:
        raise ConfigurationError(f"a part number is from 1 to {provider.max_parts}, not {number!r:.80}")


def _job_of(driver: DriverBase, upload: MultipartUpload, access: UploadAccess) -> UploadJob:
    """Return a job for an upload that was created before, without a source."""
    check_type("upload", upload, MultipartUpload)
    provider, transfer = driver._provider, _transfer_of(driver, upload)
    return UploadJob(
        bucket=upload.bucket,
        key=upload.key,
        headers=_headers_of(provider, upload, access),
        plan=PartPlan(upload.part_size, upload.part_size, provider.max_parts),
        concurrency=parts_in_flight(provider, transfer),
        is_adaptive=transfer.concurrency == "auto",
        checksum=checksum_of(provider, transfer),
        size=None,
        max_size=None,
        on_progress=None,
        attributes=cast("UploadAttributes", dict(access)),
        nonce=upload.nonce,
        is_suspendable=False,
        sends_md5=transfer.checksum == "md5",
    )


def _transfer_of(driver: DriverBase, upload: MultipartUpload) -> TransferConfig:
    return replace(
        driver._transfer,
        part_size=upload.part_size,
        memory_limit=max(driver._transfer.memory_limit, upload.part_size),
        spill_directory=None,  # the driver's directory applies, and so does its memory_limit
        checksum=fixed_checksum(upload.checksum, driver._transfer),
        mechanism="multipart",
    )


def _headers_of(provider: Provider, upload: MultipartUpload, access: UploadAccess) -> ObjectHeaders:
    check_type("upload", upload, MultipartUpload)
    check_bucket(upload.bucket)
    check_key(upload.key)
    check_upload_id(upload.upload_id)
    if unknown := access.keys() - UploadAccess.__annotations__.keys():
        known = ", ".join(sorted(UploadAccess.__annotations__))
        raise TypeError(f"requests about an open upload have no {', '.join(sorted(unknown))}; they have {known}")
    kept = {
        "if_none_match": upload.if_none_match,
        "if_match": upload.if_match,
        "request_payer": upload.request_payer,
        "expected_bucket_owner": upload.expected_bucket_owner,
    }
    given = {name: value for name, value in access.items() if value is not None}
    return read_attributes(upload.key, {**kept, **given}, provider)


async def create_part_url(
    driver: DriverBase,
    upload: MultipartUpload,
    part_number: int,
    *,
    expires_in: float | timedelta,
    size: int | None = None,
    **access: Unpack[UploadAccess],
) -> str:
    """See `S3StorageDriver.create_part_url`."""
    headers = dict(_headers_of(driver._provider, upload, access).part)
    _check_part_number(driver._provider, part_number)
    check_sizes(driver._provider, size, None)
    wanted = _size_of_part(upload, part_number)
    if size is not None and (size > upload.part_size or wanted not in (None, size)):
        raise ConfigurationError(f"part {part_number} must have {_words_of_size(upload, wanted)} bytes, not {size}")
    seconds = whole_seconds(expires_in)
    if size is not None:
        headers["content-length"] = str(size)
    engine = await open_engine(driver, access)
    operation = UploadPart(upload.bucket, upload.key, upload.upload_id, part_number, (), headers)
    return await presign_operation(engine.client, operation, seconds)


async def iterate_parts(
    driver: DriverBase, upload: MultipartUpload, **access: Unpack[UploadAccess]
) -> AsyncGenerator[UploadedPart]:
    """See `S3StorageDriver.iterate_parts`."""
    job = _job_of(driver, upload, access)
    engine = await engine_for(driver, job)
    operation = ListParts(
        *upload.place, headers=job.headers.part
    )  # S3 lists the checksums of a customer key only to it
    async with aclosing(iterate_pages(engine.client, operation)) as pages:
        async for page in pages:
            for part in page.parts:
                yield as_uploaded(part)


async def complete(
    driver: DriverBase,
    upload: MultipartUpload,
    *,
    size: int | None = None,
    parts: Iterable[UploadedPart] | None = None,
    before_commit: BeforeCommit | None = None,
    **access: Unpack[UploadAccess],
) -> UploadReceipt:
    """See `S3StorageDriver.complete_multipart_upload`."""
    began_at = driver._clock.monotonic()
    check_callable("before_commit", before_commit)
    job = _job_of(driver, upload, access)
    check_sizes(driver._provider, size, None)
    given = None if parts is None else list(parts)
    for part in given or ():
        check_type("each of parts", part, UploadedPart)
    if None not in (size, upload.size) and size != upload.size:
        raise ConfigurationError(f"the upload was begun with a size of {upload.size} bytes, not of {size}")
    engine = await engine_for(driver, job)
    if given is None:
        given = [as_uploaded(part) for part in await list_stored_parts(engine.client, upload, job.headers.part)]
    listed = sorted(given, key=lambda part: part.number)
    check_parts(upload, listed, upload.size if size is None else size)
    if any(part.checksum is None for part in listed):
        job = replace(job, checksum=None)  # parts that others sent without one: the store knows its own checksum
    job = replace(
        job,
        before_commit=before_commit,
        range=PartRange(upload, 1, is_last=True),
        call="complete_multipart_upload",
        began_at=began_at,
    )
    return await complete_upload(engine, job, listed)


async def abort(driver: DriverBase, upload: MultipartUpload, **access: Unpack[UploadAccess]) -> None:
    """See `S3StorageDriver.abort_multipart_upload`."""
    headers = _headers_of(driver._provider, upload, access).every
    engine = await open_engine(driver, access)
    outcome = await abort_despite_cancellation(engine, upload, headers)
    if outcome is AbortOutcome.FAILED:
        raise StorageError(f"multipart upload {upload.upload_id} of {upload.bucket}/{upload.key}: {outcome.value}")
