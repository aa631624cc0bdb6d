"""Options: frozen, and checked when they are made."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from aios3.errors import ConfigurationError
from aios3.options import GIB, MIB, RetryPolicy, Timeouts, TransferConfig, is_byte_count

DEFAULTS: list[Any] = [TransferConfig(), RetryPolicy(), Timeouts()]


def test_the_defaults_are_the_documented_ones() -> None:
    """5 MiB parts, eight at once, 256 MiB in all."""
    transfer = TransferConfig()
    assert (transfer.part_size, transfer.concurrency, transfer.memory_limit) == (5 * MIB, 8, 256 * MIB)
    assert (transfer.checksum, transfer.part_growth, transfer.payload_signing) == ("auto", "auto", "auto")
    assert (transfer.spill_directory, transfer.spill_limit) == ("auto", 4 * GIB)
    assert RetryPolicy().max_attempts > 1


@pytest.mark.parametrize("options", DEFAULTS, ids=lambda options: type(options).__name__)
def test_options_do_not_change(options: Any) -> None:
    name = dataclasses.fields(options)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(options, name, 1)
    assert options == type(options)()
    assert hash(options) == hash(type(options)())


@pytest.mark.parametrize("options", DEFAULTS, ids=lambda options: type(options).__name__)
def test_every_option_is_documented(options: Any) -> None:
    import ast
    import inspect
    import textwrap

    (body,) = ast.parse(textwrap.dedent(inspect.getsource(type(options)))).body
    assert isinstance(body, ast.ClassDef)
    for field, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign):
            assert isinstance(after, ast.Expr), ast.unparse(field)


WRONG = [
    *({"part_size": value} for value in (0, -1, 5.0, True, "5")),
    *({"concurrency": value} for value in (0, 1001, 1.5, "many")),
    *({"memory_limit": value} for value in (5 * MIB - 1, 1e9)),
    *({"spill_limit": value} for value in (0, 1e9)),
    {"checksum": "md4"},
    {"part_growth": "fast"},
    {"payload_signing": None},
    {"mechanism": "chunked"},
    {"suspendable": None},
    *({"spill_directory": value} for value in (3, "", b"/tmp")),
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_wrong_transfer_is_refused_by_name(wrong: dict[str, Any]) -> None:
    (name, value), *_ = wrong.items()
    with pytest.raises(ConfigurationError, match=rf"{name}( '?{value}'?|\b.* must )"):
        TransferConfig(**wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"memory_limit": 20 * MIB - 1}, "memory_limit must hold at least four parts"),
        ({"spill_limit": 5 * MIB - 1}, "spill_limit must hold at least one part"),
    ],
)
def test_a_spill_directory_needs_room_for_parts(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        TransferConfig(spill_directory="spill", **wrong)


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
    made = TransferConfig(**right)
    assert {name: getattr(made, name) for name in right} == right


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_attempts", 0), ("max_attempts", 1.5), ("base_delay", -0.1), ("base_delay", math.nan),
        ("throttle_base_delay", -1), ("max_delay", -1), ("budget", -1), ("budget", 0.5),
    ],
)  # fmt: skip
def test_a_wrong_retry_policy_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        RetryPolicy(**{name: value})
    RetryPolicy(max_attempts=1, base_delay=0, throttle_base_delay=0, max_delay=0, budget=0)


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
    assert is_byte_count(value) is is_one
