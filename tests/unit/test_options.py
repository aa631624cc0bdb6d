"""Options: frozen, and checked when they are made."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from aios3.errors import ConfigurationError
from aios3.options import GIB, KIB, MIB, RetryPolicy, Timeouts, TransferConfig, is_byte_count

DEFAULTS: list[Any] = [TransferConfig(), RetryPolicy(), Timeouts()]


def test_units() -> None:
    """Powers of 1024."""
    assert (KIB, MIB, GIB) == (2**10, 2**20, 2**30)


def test_the_defaults_are_the_documented_ones() -> None:
    """5 MiB parts, eight at once, 256 MiB in all."""
    transfer = TransferConfig()
    assert (transfer.part_size, transfer.concurrency, transfer.memory_limit) == (5 * MIB, 8, 256 * MIB)
    assert (transfer.checksum, transfer.part_growth, transfer.payload_signing) == ("auto", "auto", "auto")
    assert (transfer.spill_directory, transfer.spill_limit) == ("auto", 4 * GIB)
    assert RetryPolicy().max_attempts > 1


@pytest.mark.parametrize("options", DEFAULTS, ids=lambda options: type(options).__name__)
def test_options_do_not_change(options: Any) -> None:
    """They are shared by all uploads of a driver; equal ones are equal."""
    name = dataclasses.fields(options)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(options, name, 1)
    assert options == type(options)()
    assert hash(options) == hash(type(options)())


@pytest.mark.parametrize("options", DEFAULTS, ids=lambda options: type(options).__name__)
def test_every_option_is_documented(options: Any) -> None:
    """With its unit, under the field."""
    import ast
    import inspect
    import textwrap

    (body,) = ast.parse(textwrap.dedent(inspect.getsource(type(options)))).body
    assert isinstance(body, ast.ClassDef)
    for field, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign):
            assert isinstance(after, ast.Expr), ast.unparse(field)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"part_size": 0}, "part_size"),
        ({"part_size": -1}, "part_size"),
        ({"part_size": 5.0}, "part_size"),
        ({"part_size": True}, "part_size"),
        ({"part_size": "5"}, "part_size"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": 1001}, "concurrency"),
        ({"concurrency": 1.5}, "concurrency"),
        ({"concurrency": "many"}, "concurrency"),
        ({"memory_limit": 5 * MIB - 1}, "memory_limit"),
        ({"memory_limit": 1e9}, "memory_limit"),
        ({"checksum": "md4"}, "checksum 'md4'"),
        ({"part_growth": "fast"}, "part_growth 'fast'"),
        ({"payload_signing": None}, "payload_signing None"),
        ({"mechanism": "chunked"}, "mechanism 'chunked'"),
        ({"suspendable": None}, "suspendable must be True or False"),
        ({"spill_directory": 3}, "spill_directory must be a path"),
        ({"spill_directory": ""}, "spill_directory must be a path"),
        ({"spill_directory": b"/tmp"}, "spill_directory must be a path"),
        ({"spill_directory": "spill", "memory_limit": 20 * MIB - 1}, "memory_limit must hold at least four parts"),
        ({"spill_directory": "spill", "spill_limit": 5 * MIB - 1}, "spill_limit must hold at least one part"),
        ({"spill_limit": 0}, "spill_limit"),
        ({"spill_limit": 1e9}, "spill_limit"),
    ],
)
def test_a_wrong_transfer_is_refused(wrong: dict[str, Any], words: str) -> None:
    """By name."""
    with pytest.raises(ConfigurationError, match=words):
        TransferConfig(**wrong)


@pytest.mark.parametrize(
    "right",
    [
        {"part_size": 1, "memory_limit": 1},
        {"concurrency": 1000},
        {"concurrency": "auto"},
        {"checksum": None},
        {"checksum": "crc32"},
        {"part_growth": "fixed"},
        {"payload_signing": "unsigned"},
        {"mechanism": "stream"},
        {"spill_directory": "spill", "memory_limit": 20 * MIB, "spill_limit": 5 * MIB},
        {"spill_directory": Path("spill")},
        {"spill_limit": 1},
    ],
)
def test_the_ends_of_the_ranges_are_allowed(right: dict[str, Any]) -> None:
    """Included on both sides."""
    made = TransferConfig(**right)
    assert {name: getattr(made, name) for name in right} == right


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": 1.5}, "max_attempts"),
        ({"base_delay": -0.1}, "base_delay"),
        ({"throttle_base_delay": -1}, "throttle_base_delay"),
        ({"max_delay": -1}, "max_delay"),
        ({"budget": -1}, "budget"),
        ({"budget": 0.5}, "budget"),
        ({"base_delay": math.nan}, "base_delay"),
    ],
)
def test_a_wrong_retry_policy_is_refused(wrong: dict[str, Any], words: str) -> None:
    """By name."""
    with pytest.raises(ConfigurationError, match=words):
        RetryPolicy(**wrong)


def test_a_policy_may_never_wait_and_never_retry() -> None:
    """For tests and for those who retry by themselves."""
    policy = RetryPolicy(max_attempts=1, base_delay=0, throttle_base_delay=0, max_delay=0, budget=0)
    assert (policy.max_attempts, policy.max_delay, policy.budget) == (1, 0, 0)


@pytest.mark.parametrize("name", ["connect", "send", "read", "complete", "cleanup"])
@pytest.mark.parametrize("wrong", [0, -1.0, math.nan])
def test_a_timeout_must_be_positive(name: str, wrong: float) -> None:
    """Zero would mean never or at once, depending on whom one asks."""
    with pytest.raises(ConfigurationError, match=f"the {name} timeout must be positive"):
        Timeouts(**{name: wrong})


def test_the_read_timeout_still_bears_its_former_name() -> None:
    """The last one given wins, also in a copy with another limit."""
    former = Timeouts(answer=5)
    assert former == Timeouts(read=5)
    assert dataclasses.replace(former, read=7).answer == 7


@pytest.mark.parametrize(
    ("value", "is_one"),
    [(0, True), (10**15, True), (-1, False), (1.0, False), (True, False), ("1", False), (None, False)],
)
def test_byte_counts(value: object, is_one: bool) -> None:
    """Whole numbers from 0."""
    assert is_byte_count(value) is is_one
