"""Choice between one streamed PutObject and a multipart upload: arithmetic and rules only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from aios3.errors import ConfigurationError, ObjectTooLargeError
from aios3.options import TransferConfig
from aios3.providers import Provider

from .part_buffer import SEGMENT_SIZE
from .part_plan import PartPlan, plan_parts

__all__ = ["StreamPlan", "plan_upload"]

_NO_LIMIT: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class StreamPlan(PartPlan):
    """Plan of a streamed PutObject: a buffered beginning of `first_size` bytes, then pieces sent as they come."""

    limit: int
    """Most bytes that the store takes in one PutObject."""
    is_streamed: ClassVar = True

    @property
    def put_limit(self) -> int:
        """Most bytes of the object."""
        return self.limit

    def size_of(self, number: int) -> int:
        """Return the bytes of the beginning (number 1), or of the largest piece after it."""
        return self.first_size if number == 1 else min(SEGMENT_SIZE, self.first_size)


def plan_upload(provider: Provider, transfer: TransferConfig, driver: TransferConfig, *, size: int | None) -> PartPlan:
    """Choose the mechanism and lay out the upload of `size` bytes.

    Args:
        provider: limits and abilities of the store.
        transfer: options of this upload.
        driver: options of the driver, for the memory limit and payload signing.
        size: declared bytes, or ``None`` if unknown.

    Raises:
        ConfigurationError: the mechanism does not suit the provider or the other options.
        ObjectTooLargeError: `size` is more than one PutObject takes.
        PartLimitError: `size` is more than the provider's parts can hold.
    """
    if transfer.mechanism == "stream" or (transfer.mechanism == "auto" and not provider.multipart):
        return _plan_stream(provider, transfer, driver, size)
    if not provider.multipart:
        raise ConfigurationError(f"{provider.name} has no multipart uploads: use mechanism='auto' or 'stream'")
    return plan_parts(provider, transfer, size=size, memory_limit=driver.memory_limit)


def _plan_stream(provider: Provider, transfer: TransferConfig, driver: TransferConfig, size: int | None) -> StreamPlan:
    limit = min(provider.max_part_size, provider.max_object_size or provider.max_part_size)
    plan = StreamPlan(min(transfer.part_size, limit), SEGMENT_SIZE, _NO_LIMIT, limit)
    if plan.first_size > driver.memory_limit:
        raise ConfigurationError(
            f"part_size is {transfer.part_size} bytes, but the driver may hold only {driver.memory_limit} "
            "(memory_limit)"
        )
    if size is not None and size > limit:
        raise ObjectTooLargeError(f"{size} bytes are more than the {limit} that {provider.name} takes in one PutObject")
    if size is None or size > plan.first_size:
        _check_streamable(transfer, driver)
    return plan


def _check_streamable(transfer: TransferConfig, driver: TransferConfig) -> None:
    """Refuse options that need the whole body before its first byte is sent."""
    if "sha256" in (transfer.payload_signing, driver.payload_signing):
        raise ConfigurationError(
            "payload_signing='sha256' needs the whole body before its first byte is sent; a streamed upload is signed "
            "with UNSIGNED-PAYLOAD"
        )
    if transfer.checksum not in (None, "auto"):
        raise ConfigurationError(
            f"checksum={transfer.checksum!r} needs the whole body before its first byte is sent; a streamed upload "
            "has none"
        )
