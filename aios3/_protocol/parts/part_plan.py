"""Plan of an upload: the choice of parts or of one streamed PutObject, and the sizes; arithmetic and rules only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from aios3.errors import ConfigurationError, ObjectTooLargeError, PartLimitError
from aios3.options import KIB, MIB, TransferConfig
from aios3.providers import Provider

__all__ = [
    "SEGMENT_SIZE",
    "PartPlan",
    "StreamPlan",
    "check_part_size",
    "plan_copy",
    "plan_parts",
    "plan_resumed",
    "plan_upload",
    "reading_reserve",
]

SEGMENT_SIZE: Final = 256 * KIB
"""Bytes of one segment, which is also one write to the socket: the cheapest measured size over TLS."""

_NO_LIMIT: Final = 1 << 62

_USUAL_COPY: Final = 256 * MIB
"""Bytes of a copied part. A store copies one within seconds, and some at once are as fast as the store."""


@dataclass(frozen=True, slots=True)
class PartPlan:
    """The size of every part of one upload.

    The first half of the part numbers has one size. Where parts may grow, the
    second half doubles in ten steps up to `largest_size`. So a stream of unknown
    length can go far beyond ``max_parts * first_size``, while a stream of ordinary
    length has equal parts.
    """

    first_size: int
    """Bytes of the first part."""
    largest_size: int
    """Bytes of the largest part; equal to `first_size` where parts must not grow."""
    max_parts: int
    is_streamed: ClassVar = False
    """The upload becomes one request without parts."""

    @property
    def put_limit(self) -> int | None:
        """Most bytes of an upload without parts; ``None`` for one with parts, which `max_parts` limits."""
        return None

    def size_of(self, number: int) -> int:
        """Return the bytes of part `number` (from 1); the part in which the source ends may be shorter.

        Raises:
            PartLimitError: the store takes no part of that number.
        """
        if number > self.max_parts:
            raise PartLimitError(
                f"the source is longer than {self.capacity} bytes, which is all that {self.max_parts} parts can hold "
                f"with part_size={self.first_size}; declare its size, or use a larger part_size or memory_limit"
            )
        equal = max(1, self.max_parts // 2)
        if number <= equal:
            return self.first_size
        doublings = (number - equal - 1) // self._step + 1
        return min(self.largest_size, self.first_size << min(doublings, 64))

    @property
    def _step(self) -> int:
        return max(1, self.max_parts // 20)

    @property
    def capacity(self) -> int:
        """Bytes that all parts together hold."""
        return sum(self.size_of(number) for number in range(1, self.max_parts + 1))


def check_part_size(provider: Provider, transfer: TransferConfig) -> None:
    """Raise `ConfigurationError` if the provider does not take parts of ``transfer.part_size`` bytes."""
    least, most = provider.min_part_size, provider.max_part_size
    if not least <= transfer.part_size <= most:
        raise ConfigurationError(
            f"part_size is {transfer.part_size} bytes, but {provider.name} takes parts of {least} to {most} bytes"
        )


def reading_reserve(driver: TransferConfig) -> int:
    """Return the bytes of ``memory_limit`` that are reserved for reading parts back from the disk.

    0 means that no part can be spilled.
    """
    is_enough = driver.memory_limit >= 4 * driver.part_size
    return driver.memory_limit // 4 if driver.spill_directory is not None and is_enough else 0


def plan_parts(provider: Provider, transfer: TransferConfig, *, size: int | None, memory_limit: int) -> PartPlan:
    """Lay out the parts of an upload of `size` bytes, or of unknown length if `size` is ``None``.

    Raises:
        ConfigurationError: the parts do not suit the provider or cannot be held in `memory_limit` bytes.
        PartLimitError: `size` is more than the provider's parts can hold.
    """
    check_part_size(provider, transfer)
    if transfer.part_size > memory_limit:
        raise ConfigurationError(
            f"part_size is {transfer.part_size} bytes, but the driver may hold only {memory_limit} (memory_limit)"
        )
    if size is not None:
        first = _size_for(size, provider, transfer, memory_limit)
        return PartPlan(first, first, provider.max_parts)
    grows = transfer.part_growth == "auto" and not provider.equal_parts
    largest = max(transfer.part_size, min(provider.max_part_size, memory_limit // 2)) if grows else transfer.part_size
    return PartPlan(transfer.part_size, largest, provider.max_parts)


def plan_resumed(provider: Provider, transfer: TransferConfig, *, size: int | None, memory_limit: int) -> PartPlan:
    """Lay out the remaining parts of an upload that began with parts of ``transfer.part_size`` bytes.

    Raises:
        ConfigurationError: the parts do not suit the provider or cannot be held in `memory_limit` bytes.
        PartLimitError: `size` is more than parts of that size can hold.
    """
    plan = plan_parts(provider, transfer, size=None, memory_limit=memory_limit)
    if size is not None and size > plan.capacity:
        plan.size_of(plan.max_parts + 1)
    return plan


def _size_for(size: int, provider: Provider, transfer: TransferConfig, memory_limit: int) -> int:
    needed = -(-size // provider.max_parts)
    if needed <= transfer.part_size:
        return transfer.part_size
    rounded = -(-needed // MIB) * MIB
    if needed > provider.max_part_size:
        raise PartLimitError(
            f"{size} bytes are more than {provider.max_parts} parts of {provider.max_part_size} bytes, "
            f"the most that {provider.name} takes"
        )
    if needed > memory_limit:
        raise ConfigurationError(f"{size} bytes need parts of {rounded} bytes; raise memory_limit to at least that")
    return min(rounded, provider.max_part_size, memory_limit)


def plan_copy(provider: Provider, size: int) -> PartPlan:
    """Lay out the parts of a copy of `size` bytes, all equal but the last.

    Raises:
        PartLimitError: `size` is more than the provider's parts can hold.
    """
    most = min(provider.max_part_size, provider.max_copy_size)
    needed = -(-size // provider.max_parts)
    if needed > most:
        raise PartLimitError(f"{size} bytes are more than {provider.max_parts} copied parts of {most} bytes can hold")
    rounded = -(-needed // MIB) * MIB
    part = min(most, max(provider.min_part_size, _USUAL_COPY, rounded))
    return PartPlan(part, part, provider.max_parts)


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
