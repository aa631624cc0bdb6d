"""Checks of an upload's arguments, and the job made from them. They send nothing and never wait."""

from __future__ import annotations

import math
import secrets
from dataclasses import replace
from typing import Any, Final

from aios3._client.client import OperationClient
from aios3._protocol.attributes.headers import check_conditions, possible_commits, read_attributes
from aios3._protocol.attributes.options import RequestOptions
from aios3._protocol.checksums.digests import is_available
from aios3._protocol.parts.part_plan import PartPlan, plan_resumed, plan_upload
from aios3._protocol.wire.uri import check_bucket, check_key, check_upload_id
from aios3._upload.shared.integrity import ObjectChecksum
from aios3._upload.shared.job import BeforeCommit, UploadJob
from aios3._upload.shared.progress import ProgressCallback
from aios3.checkpoints import FileIdentity, UploadCheckpoint
from aios3.errors import ConfigurationError, ObjectTooLargeError
from aios3.models import UploadAttributes
from aios3.options import TransferConfig, is_byte_count
from aios3.providers import Provider

__all__ = [
    "check_callable",
    "check_place",
    "check_secrecy",
    "check_sizes",
    "check_type",
    "checksum_of",
    "fixed_checksum",
    "make_job",
    "parts_in_flight",
    "require_no_tail",
    "with_fixed_parts",
    "with_head",
    "with_tail",
]


_MOST_IN_FLIGHT: Final = 32
"""Limit of parts in flight of one upload with ``"auto"``: at 10 MB/s per connection they make 2.5 Gbit/s."""


def make_job(
    provider: Provider,
    driver_transfer: TransferConfig,
    bucket: str,
    key: str,
    *,
    size: int | None,
    max_size: int | None,
    on_progress: ProgressCallback | None,
    transfer: TransferConfig | None,
    resume: UploadCheckpoint | None,
    attributes: UploadAttributes,
    file: FileIdentity | None = None,
    before_commit: BeforeCommit | None = None,
    began_at: float | None = None,
) -> UploadJob:
    """Return the job for a call of an upload method.

    Raises:
        TypeError: an argument is of the wrong type, or there is no attribute of that name.
        ConfigurationError: the call cannot work with these arguments.
        ObjectTooLargeError, PartLimitError: the declared size exceeds `max_size` or a limit of the store.
    """
    check_bucket(bucket)
    check_key(key)
    transfer = driver_transfer if transfer is None else transfer
    check_type("transfer", transfer, TransferConfig)
    check_type("resume", resume, UploadCheckpoint, type(None))
    check_callable("on_progress", on_progress)
    check_callable("before_commit", before_commit)
    headers = read_attributes(key, attributes, provider)
    check_sizes(provider, size, max_size)
    if resume is not None:
        transfer = _transfer_of(resume, transfer, bucket, key, size, max_size)
    plan = _plan(provider, transfer, driver_transfer, size=size, is_resumed=resume is not None)
    # Nothing else could prove whose object it is after a lost response.
    is_nonce_needed = plan.is_streamed and (size is None or size > plan.first_size)
    job = UploadJob(
        bucket=bucket,
        key=key,
        headers=headers,
        plan=plan,
        concurrency=parts_in_flight(provider, transfer),
        is_adaptive=transfer.concurrency == "auto",
        checksum=checksum_of(provider, transfer),
        size=size,
        max_size=max_size,
        on_progress=on_progress,
        attributes=attributes,
        file=file,
        nonce=secrets.token_hex(16) if (transfer.nonce or is_nonce_needed) and resume is None else None,
        resume=resume,
        is_suspendable=transfer.suspendable,
        sends_md5=transfer.checksum == "md5",
        before_commit=before_commit,
        began_at=began_at,
    )
    if headers.has_conditions:
        check_conditions(headers, provider, possible_commits(plan, size))
    _check_lock(job, provider)
    return job


def with_head(job: UploadJob, head: int, driver: TransferConfig) -> UploadJob:
    """Return the job of an upload whose first `head` bytes, rounded up to whole parts, are kept until its end.

    Raises:
        ConfigurationError: the head does not suit the other arguments, or the driver's memory.
    """
    if not is_byte_count(head) or not head:
        raise ConfigurationError(f"seekable_head must be a number of bytes above 0, not {head!r}")
    if job.resume is not None:
        raise ConfigurationError("an upload with a seekable_head cannot be resumed: its head was not stored")
    if job.plan.is_streamed:
        raise ConfigurationError("seekable_head needs a multipart upload, and this upload is one streamed PutObject")
    size = job.plan.first_size
    parts = -(-head // size)
    if parts * size > driver.memory_limit // 4 or parts > job.plan.max_parts // 2:
        raise ConfigurationError(
            f"seekable_head is {parts * size} bytes in whole parts, and may have a quarter of the driver's "
            f"memory_limit, {driver.memory_limit // 4} bytes; raise memory_limit"
        )
    return replace(job, head_parts=parts, is_suspendable=False)


def with_fixed_parts(transfer: TransferConfig) -> TransferConfig:
    """Return the options with parts that do not grow, because a large part makes a large tail."""
    check_type("transfer", transfer, TransferConfig)
    return replace(transfer, part_growth="fixed")


def with_tail(job: UploadJob, every: Any, driver: TransferConfig) -> UploadJob:
    """Return the job of an upload whose tail is kept in the store `every` so many seconds.

    Raises:
        ConfigurationError: that does not suit the other arguments, or the driver's memory.
    """
    if isinstance(every, bool) or not isinstance(every, int | float) or not 0 < every < math.inf:
        raise ConfigurationError(f"durable_every must be a number of seconds above 0, not {every!r}")
    if job.head_parts:
        raise ConfigurationError("an upload with a seekable_head cannot be durable: its head is stored last")
    if job.plan.is_streamed:
        raise ConfigurationError("durable_every needs a multipart upload, and this upload is one streamed PutObject")
    if 4 * job.plan.first_size > driver.memory_limit:
        raise ConfigurationError(
            f"durable_every needs memory for four parts of {job.plan.first_size} bytes, and memory_limit is "
            f"{driver.memory_limit}"
        )
    return replace(job, keeps_tail=True)


def require_no_tail(checkpoint: UploadCheckpoint) -> None:
    """Raise `ConfigurationError` if bytes of the checkpoint lie beside the upload."""
    if checkpoint.tail is not None:
        raise ConfigurationError("the checkpoint has a tail: resume it by open_upload with durable_every")


def _check_lock(job: UploadJob, provider: Provider) -> None:
    """Check that an upload under an object lock, or with Content-MD5, sends a digest that the store accepts.

    Raises:
        ConfigurationError: no digest can be sent with the bodies.
    """
    if not job.headers.is_locked and not job.sends_md5:
        return
    reason = "an object lock" if job.headers.is_locked else 'checksum="md5"'
    if job.plan.is_streamed and (job.size is None or job.size > job.plan.first_size):
        raise ConfigurationError(
            f"{reason} needs Content-MD5 or a checksum of the whole body before its first byte is sent; a "
            "streamed upload has neither"
        )
    if job.needs_md5 and provider.content_md5 is False:
        raise ConfigurationError(
            f"{reason} needs Content-MD5, which {provider.name} does not take, or a checksum: choose one with "
            "TransferConfig(checksum=...)"
        )


def check_sizes(provider: Provider, size: int | None, max_size: int | None) -> None:
    for name, value in (("size", size), ("max_size", max_size)):
        if value is not None and not is_byte_count(value):
            raise ConfigurationError(f"{name} must be a number of bytes, not {value!r}")
    if size is not None and max_size is not None and size > max_size:
        raise ObjectTooLargeError(f"the declared size of {size} bytes is more than max_size={max_size}")
    largest = provider.max_object_size
    if size is not None and largest is not None and size > largest:
        raise ObjectTooLargeError(f"{provider.name} takes objects of {largest} bytes at most, not of {size}")


def _transfer_of(
    resume: UploadCheckpoint, transfer: TransferConfig, bucket: str, key: str, size: int | None, max_size: int | None
) -> TransferConfig:
    """Return the options with the values that were fixed when the upload began.

    Raises:
        ConfigurationError: the checkpoint belongs to another upload.
        ObjectTooLargeError: the checkpoint holds more than `max_size` bytes.
    """
    check_place(resume, bucket, key)
    if None not in (size, resume.size) and size != resume.size:
        raise ConfigurationError(f"the upload was begun with a size of {resume.size} bytes, not of {size}")
    if size is not None and size < resume.offset:
        raise ConfigurationError(f"the checkpoint holds {resume.offset} bytes, more than the declared size of {size}")
    if max_size is not None and max_size < resume.offset:
        raise ObjectTooLargeError(f"the checkpoint holds {resume.offset} bytes, more than max_size={max_size}")
    return replace(
        transfer,
        part_size=resume.part_size,
        memory_limit=max(transfer.memory_limit, resume.part_size),
        spill_directory=None,  # the driver's directory applies, and so does its memory_limit
        checksum=fixed_checksum(resume.checksum, transfer),
        mechanism="multipart",
    )


def fixed_checksum(checksum: str | None, transfer: TransferConfig) -> Any:
    """Return the option for an upload that began with `checksum`. Content-MD5 belongs to each body alone."""
    return "md5" if checksum is None and transfer.checksum == "md5" else checksum


def check_place(checkpoint: UploadCheckpoint, bucket: str, key: str) -> None:
    """Raise `ConfigurationError` if the checkpoint belongs to another object, or has no id of an upload."""
    check_upload_id(checkpoint.upload_id)
    if (checkpoint.bucket, checkpoint.key) != (bucket, key):
        raise ConfigurationError(f"the checkpoint is of {checkpoint.bucket}/{checkpoint.key}, not of {bucket}/{key}")


def _plan(
    provider: Provider, transfer: TransferConfig, driver: TransferConfig, *, size: int | None, is_resumed: bool
) -> PartPlan:
    if is_resumed:
        return plan_resumed(provider, transfer, size=size, memory_limit=driver.memory_limit)
    return plan_upload(provider, transfer, driver, size=size)


def parts_in_flight(provider: Provider, transfer: TransferConfig) -> int:
    """Return the limit of parts in flight. Parts before their turn must fit into the store's reorder buffer."""
    buffer = provider.reorder_buffer
    most = _MOST_IN_FLIGHT if transfer.concurrency == "auto" else transfer.concurrency
    return most if buffer is None else max(1, min(most, buffer // transfer.part_size))


def checksum_of(provider: Provider, transfer: TransferConfig) -> ObjectChecksum | None:
    algorithm: str | None = transfer.checksum
    if algorithm == "auto":
        algorithm = provider.default_checksum
        if algorithm is not None and not is_available(algorithm):
            return None
    if algorithm in (None, "md5"):
        return None
    if algorithm not in provider.checksums:
        raise ConfigurationError(f"{provider.name} is not known to take {algorithm} checksums")
    if not is_available(algorithm):
        raise ConfigurationError(
            f"a {algorithm} checksum needs awscrt: pip install 'aios3-upload[checksums]', or choose another"
        )
    return ObjectChecksum(algorithm, is_full_object=algorithm in provider.full_object_checksums)


def check_secrecy(client: OperationClient, options: RequestOptions) -> None:
    """Raise `ConfigurationError` if a customer key would be sent over http."""
    if options.has_customer_key and client.endpoint.scheme != "https":
        raise ConfigurationError("sse_customer_key needs an https endpoint: over http the key could be read")


def check_type(name: str, value: object, *kinds: type) -> None:
    """Raise a `TypeError` that names the argument unless `value` is of one of the `kinds`."""
    if not isinstance(value, kinds):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} must be a {expected}, not a {type(value).__name__}")


def check_callable(name: str, value: object) -> None:
    """Raise a `TypeError` that names the argument unless `value` can be called or is ``None``."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a function or None, not a {type(value).__name__}")
