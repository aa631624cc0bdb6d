"""Which mechanism an upload gets, and what a streamed one refuses beforehand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._protocol.parts.part_plan import PartPlan, StreamPlan, plan_parts, plan_upload
from aios3.errors import ConfigurationError, ObjectTooLargeError
from aios3.options import GIB, MIB, TransferConfig
from aios3.providers import Provider

WITH_PARTS = Provider("with-parts")
PLAIN = Provider("plain", multipart=False)
DRIVER = TransferConfig()


def plan(
    provider: Provider = PLAIN, *, size: int | None = None, driver: TransferConfig = DRIVER, **options: Any
) -> PartPlan:
    return plan_upload(provider, TransferConfig(**options), driver, size=size)


@pytest.mark.parametrize(
    ("provider", "mechanism", "is_stream"),
    [
        (WITH_PARTS, "auto", False),
        (WITH_PARTS, "multipart", False),
        (WITH_PARTS, "stream", True),
        (PLAIN, "auto", True),
        (PLAIN, "stream", True),
    ],
)
@pytest.mark.parametrize("size", [None, 7, 100 * MIB])
def test_the_caller_chooses_else_the_provider(
    provider: Provider, mechanism: str, is_stream: bool, size: int | None
) -> None:
    assert isinstance(plan(provider, mechanism=mechanism, size=size), StreamPlan) is is_stream


def test_a_stream_begins_with_one_part_and_goes_on_in_segments() -> None:
    made = plan(part_size=6 * MIB)
    assert made.size_of(1) == 6 * MIB
    assert made.size_of(2) == made.size_of(10**9) == made.largest_size == SEGMENT_SIZE
    assert made.max_parts > 5 * GIB


def test_a_piece_is_never_more_than_a_part() -> None:
    assert (
        plan(part_size=1000, memory_limit=1000, driver=TransferConfig(part_size=1, memory_limit=1000)).size_of(2)
        == 1000
    )


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({}, 5 * GIB),
        ({"max_part_size": 6 * MIB}, 6 * MIB),
        ({"max_object_size": 7 * MIB}, 7 * MIB),
        ({"max_object_size": 9 * GIB}, 5 * GIB),
    ],
)
def test_a_stream_may_be_as_long_as_one_put(changes: dict[str, Any], limit: int) -> None:
    provider = replace(PLAIN, **changes)
    made = plan(provider, size=limit)
    assert isinstance(made, StreamPlan)
    assert made.limit == limit
    with pytest.raises(ObjectTooLargeError, match=f"{limit + 1} bytes are more than the {limit} that plain takes"):
        plan(provider, size=limit + 1)


def test_the_beginning_is_no_longer_than_one_put() -> None:
    assert plan(replace(PLAIN, min_part_size=1, max_part_size=MIB)).size_of(1) == MIB


def test_the_drivers_memory_must_hold_the_beginning() -> None:
    """Else nothing could ever begin."""
    with pytest.raises(ConfigurationError, match=r" may hold only \d+ \(memory_limit\)$"):
        plan(part_size=6 * MIB, driver=TransferConfig(memory_limit=5 * MIB))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"payload_signing": "sha256"}, "^payload_signing='sha256' needs .* is signed with UNSIGNED-PAYLOAD$"),
        ({"checksum": "crc32"}, "^checksum='crc32' needs .* has none$"),
        ({"checksum": "sha256"}, "^checksum='sha256' needs .* has none$"),
    ],
)
def test_what_must_be_known_beforehand_cannot_be_had(options: dict[str, Any], message: str) -> None:
    for size in (None, 5 * MIB + 1):
        with pytest.raises(ConfigurationError, match=message):
            plan(size=size, **options)
    assert isinstance(plan(size=5 * MIB, **options), StreamPlan)


def test_parts_are_laid_out_for_the_declared_size() -> None:
    size = 500 * GIB
    assert plan(WITH_PARTS, size=size) == plan_parts(WITH_PARTS, DRIVER, size=size, memory_limit=DRIVER.memory_limit)
    assert plan(WITH_PARTS, size=size) != plan(WITH_PARTS)


def test_parts_cannot_be_had_where_there_are_none() -> None:
    with pytest.raises(ConfigurationError, match="plain has no multipart uploads"):
        plan(mechanism="multipart")
