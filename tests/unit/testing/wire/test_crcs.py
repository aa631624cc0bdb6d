"""The server's own CRCs, against published values."""

from __future__ import annotations

import base64
import sys
from types import ModuleType
from typing import Any

import pytest

from aios3.testing.wire.bodies import checksum_of
from aios3.testing.wire.crcs import CRC_SIZES, crc_by_table, native_crc
from tests.support.checksum_vectors import ALGORITHMS, load, make_input

ENTRIES = load("checksums/check_values.json")["entries"]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry['input']['recipe']}-{entry['length']}")
def test_the_published_values_come_out(entry: dict[str, Any], algorithm: str) -> None:
    assert b64(checksum_of(algorithm, [make_input(entry["input"])])) == entry[algorithm]["base64"]


@pytest.mark.parametrize("algorithm", CRC_SIZES)
def test_the_tables_alone_make_the_published_values(algorithm: str) -> None:
    crc = crc_by_table(algorithm)
    for entry in ENTRIES:
        if entry["length"] <= 70_000:
            assert f"{crc(make_input(entry['input']), 0):0{2 * CRC_SIZES[algorithm]}x}" == entry[algorithm]["hex"]


@pytest.mark.parametrize("module", [None, ModuleType("awscrt.checksums")], ids=["missing", "old"])
def test_a_package_that_is_missing_or_old_is_done_without(
    module: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "awscrt.checksums", module)
    native_crc.cache_clear()
    assert native_crc("crc32c") is None
    assert native_crc("crc32") is not None
    native_crc.cache_clear()
