"""The reader of the provider table: no fact without its source, no value without its unit."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from aios3 import PROVIDERS, Provider
from aios3._providers.toml_reader import ROWS, read_rows


def test_every_table_becomes_a_provider_of_that_name() -> None:
    assert [row.name for row in ROWS] == list(PROVIDERS)


def test_facts_carry_the_source_of_their_table() -> None:
    (row,) = read_rows(
        """
        [[mine]]
        source = "a"
        max_parts = 1
        min_part_size = "5 MiB"
        max_object_size = "never"
        endpoint_variants.dualstack_fips = "https://x"

        [[mine]]
        source = "b"
        aborts_uploads_after = "7 days"
        checksums = ["crc32"]
        endpoint_aliases = ["https://b", "https://a"]
        """
    )
    assert row.name == "mine"
    assert row.facts == {
        "max_parts": 1,
        "min_part_size": 5 * 2**20,
        "max_object_size": None,
        "endpoint_variants": ((frozenset({"dualstack", "fips"}), "https://x"),),
        "aborts_uploads_after": timedelta(days=7),
        "checksums": frozenset({"crc32"}),
        "endpoint_aliases": ("https://b", "https://a"),
    }
    assert row.sources == dict.fromkeys(list(row.facts)[:4], "a") | dict.fromkeys(list(row.facts)[4:], "b")


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("[[x]]\nmax_parts = 1\nequal_parts = true", "x: max_parts, equal_parts: no source is named"),
        ('[[x]]\nsource = "a"\nmax_parts = 1\n[[x]]\nsource = "b"\nmax_parts = 1', "x: max_parts: named twice"),
        ('[[x]]\nsource = "a"\nmin_part_size = "5 Mb"', "'5 Mb' has none of the units"),
        ('[[x]]\nsource = "a"\nmin_part_size = "5"', "'5' has none of the units"),
        ("[[x]", "line 1"),
    ],
)
def test_a_malformed_table_names_what_is_wrong(table: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_rows(table)


def test_a_field_that_providers_do_not_have_is_refused() -> None:
    (row,) = read_rows('[[x]]\nsource = "a"\nmax_part = 1')
    assert "max_part" not in {field.name for field in dataclasses.fields(Provider)}
    with pytest.raises(TypeError, match="max_part"):
        Provider(row.name, **row.facts)
