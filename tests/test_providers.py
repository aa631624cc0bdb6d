"""The table of stores: complete, plausible, and found by name."""

from __future__ import annotations

import dataclasses
from typing import Any, get_type_hints

import pytest

from aios3._protocol.checksums import CHECKSUMS
from aios3._protocol.uri import Endpoint
from aios3.errors import ConfigurationError
from aios3.models import UploadAttributes
from aios3.options import GIB, MIB
from aios3.providers import PROVIDERS, Provider, find_provider

PROMISED = [
    "generic", "aws", "s3express", "google", "cloudflare", "backblaze", "digitalocean", "wasabi", "minio", "ceph",
    "ovh", "scaleway", "linode", "ibm", "oracle", "alibaba", "tencent", "huawei", "yandex", "hetzner", "storj",
    "seaweedfs", "garage", "localstack", "moto", "rclone", "swift",
]  # fmt: skip


def test_every_promised_store_is_known() -> None:
    """By the name that the documentation gives."""
    assert sorted(PROVIDERS) == sorted(PROMISED)


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_a_store_is_found_by_its_name(name: str) -> None:
    """As the record that bears it."""
    assert find_provider(name) is PROVIDERS[name]
    assert PROVIDERS[name].name == name


def test_a_record_of_ones_own_is_taken_as_it_is() -> None:
    """Also a variant of a known one."""
    mine = dataclasses.replace(PROVIDERS["minio"], name="mine", max_parts=100)
    assert find_provider(mine) is mine


@pytest.mark.parametrize("wrong", ["amazon", "AWS", ""])
def test_an_unknown_name_is_refused(wrong: str) -> None:
    """With those that are known."""
    with pytest.raises(ConfigurationError, match="unknown provider.*known are: .*aws.*swift"):
        find_provider(wrong)


def test_the_table_cannot_be_changed() -> None:
    """Nor can a record."""
    with pytest.raises(TypeError):
        PROVIDERS["new"] = Provider("new")  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        PROVIDERS["aws"].max_parts = 1  # type: ignore[misc]


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.name)
def test_records_are_plausible(provider: Provider) -> None:
    """Limits, attributes and checksums are such as exist, and the endpoint is a URL for any region."""
    assert 1 <= provider.min_part_size <= 5 * MIB <= provider.max_part_size <= 5 * GIB
    assert 1 <= provider.max_parts <= 10_000
    assert provider.refused_attributes <= set(get_type_hints(UploadAttributes))
    assert provider.checksums <= set(CHECKSUMS)
    if provider.endpoint is not None:
        url = provider.endpoint.format(region="eu-test-1")
        assert url.startswith("https://")
        assert Endpoint.parse(url, provider.addressing).host


def test_a_store_of_which_nothing_is_known_is_treated_with_care() -> None:
    """No extras, its ETags looked up, addressed by path."""
    unknown = Provider("unknown")
    assert (unknown.checksums, unknown.complete_etag_is_final, unknown.addressing) == (frozenset(), False, "path")
    assert (unknown.min_part_size, unknown.max_part_size, unknown.max_parts) == (5 * MIB, 5 * GIB, 10_000)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"min_part_size": 0}, "min_part_size"),
        ({"min_part_size": 10, "max_part_size": 9}, "min_part_size"),
        ({"max_parts": 0}, "max_parts"),
    ],
)
def test_limits_that_cannot_be_are_refused(wrong: dict[str, Any], words: str) -> None:
    """When the record is made."""
    with pytest.raises(ConfigurationError, match=words):
        Provider("wrong", **wrong)
