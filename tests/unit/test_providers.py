"""The record of a provider, and how it is found."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from typing import Any

import pytest

from aios3 import PROVIDERS, ConfigurationError, Provider
from aios3._protocol.checksums.digests import CHECKSUMS
from aios3._protocol.wire.uri import Endpoint
from aios3.options import GIB, MIB, TransferConfig
from aios3.providers import find_provider

ALL_NAMES = (
    "generic aws s3express google cloudflare backblaze digitalocean wasabi minio ceph ovh scaleway linode ibm oracle "
    "alibaba tencent huawei yandex hetzner storj tigris fastly ionos impossible mega selectel idrive vultr exoscale "
    "upcloud infomaniak contabo supabase seaweedfs garage rustfs versity localstack moto rclone swift"
)


def test_every_promised_name_is_there() -> None:
    assert " ".join(PROVIDERS) == ALL_NAMES
    assert " ".join(provider.name for provider in PROVIDERS.values()) == ALL_NAMES


def test_a_provider_is_found_by_name_or_is_itself() -> None:
    assert find_provider("scaleway") is PROVIDERS["scaleway"]
    own = Provider("own")
    assert find_provider(own) is own


@pytest.mark.parametrize("name", ["", "AWS", "s3", "sources"])
def test_an_unknown_name_says_what_is_known(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"unknown provider '{name}'; known are: alibaba, aws, .*, yandex"):
        find_provider(name)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PROVIDERS["own"] = Provider("own")  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        PROVIDERS["aws"].max_parts = 1  # type: ignore[misc]
    assert not hasattr(PROVIDERS["aws"], "__dict__")


def test_sources_are_no_part_of_what_a_provider_is() -> None:
    said = Provider("own", sources={"max_parts": "the operator"})
    assert said == Provider("own")
    assert len({said, Provider("own")}) == 1
    assert "the operator" not in repr(said)


def test_what_has_no_source_is_unknown() -> None:
    said = Provider("own", sources={"max_parts": "the operator"})
    assert "max_parts" not in said.unknown
    assert {"max_part_size", "conditional_put", "endpoint"} <= said.unknown
    assert not {"name", "sources"} & said.unknown
    assert len(Provider("own").unknown) == len(dataclasses.fields(Provider)) - 2


def test_of_a_generic_store_nothing_is_known() -> None:
    assert PROVIDERS["generic"] == Provider("generic")
    assert dict(PROVIDERS["generic"].sources) == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_part_size": 0}, "min_part_size must be positive"),
        ({"min_part_size": 6 * GIB}, "not above max_part_size"),
        ({"max_parts": 0}, "max_parts must be at least 1"),
        ({"recommended_part_size": 0}, "recommended_part_size must be positive"),
        ({"max_object_size": 0}, "max_object_size must be positive"),
        ({"reorder_buffer": 0}, "reorder_buffer must be positive"),
        ({"endpoint": "https://a", "endpoint_form": "https://{b}"}, "only for a provider without an endpoint"),
        ({"endpoint": "https://{zone}.a"}, "zones need a control_endpoint"),
        ({"endpoint": "https://a", "endpoint_variants": ((frozenset(), "https://b"),)}, "unknown endpoint variant"),
        ({"endpoint": "https://a", "endpoint_variants": ((frozenset({"fast"}), "https://b"),)}, "variant: fast"),
        ({"addressing": "host"}, "unknown addressing 'host'"),
        ({"signing_service": "sqs"}, "unknown signing_service 'sqs'"),
        ({"checksums": frozenset({"md5", "crc32"})}, "unknown checksums: md5"),
        ({"default_checksum": "crc32"}, "checksums must hold"),
        ({"full_object_checksums": frozenset({"crc32"})}, "checksums must hold"),
        ({"composite_checksums": frozenset({"sha1"}), "checksums": frozenset({"crc32"})}, "checksums must hold"),
        ({"refused_attributes": frozenset({"acl", "if_match", "colour"})}, "no upload attributes colour"),
    ],
)
def test_a_record_that_cannot_be_right_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Provider("own", **changes)
    with pytest.raises(ConfigurationError, match=message):
        dataclasses.replace(PROVIDERS["generic"], **changes)


def test_a_record_at_the_limits_is_taken() -> None:
    numbers = (
        "min_part_size",
        "max_part_size",
        "max_parts",
        "recommended_part_size",
        "max_object_size",
        "reorder_buffer",
    )
    own = Provider(
        "own",
        **dict.fromkeys(numbers, 1),
        checksums=frozenset({"crc32"}),
        full_object_checksums=frozenset({"crc32"}),
        default_checksum="crc32",
        conditional_put=False,
        refused_attributes=frozenset({"if_none_match"}),
        aborts_uploads_after=timedelta(days=1),
    )
    assert own.max_parts == 1


def test_a_store_of_which_nothing_is_known_is_treated_with_care() -> None:
    """No extras, its ETags looked up, addressed by path, and only what it says itself counts as too large."""
    unknown = Provider("unknown")
    assert (unknown.checksums, unknown.default_checksum, unknown.complete_etag_is_final) == (frozenset(), None, False)
    assert (unknown.min_part_size, unknown.max_part_size, unknown.max_parts) == (5 * MIB, 5 * GIB, 10_000)
    assert (unknown.addressing, unknown.endpoint, unknown.max_object_size) == ("path", None, None)
    assert unknown.conditional_put is unknown.conditional_complete is unknown.content_md5 is None


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.name)
def test_every_endpoint_is_a_url(provider: Provider) -> None:
    """Over https, once its names in braces are filled in: the region by us, others by the caller."""
    for pattern, names in (
        (provider.endpoint, {"zone"} if provider.has_zones else set()),
        (provider.control_endpoint, set()),
        (provider.endpoint_form, {"account", "location", "namespace", "project", "service"}),
        *(
            (alias, {"account", "location", "namespace", "number", "project", "satellite", "vpce"})
            for alias in provider.endpoint_aliases
        ),
        *((variant, set()) for _, variant in provider.endpoint_variants),
        *((point, {"vpce"}) for _, point in provider.access_points),
    ):
        found = set(re.findall(r"\{(\w+)\}", pattern or ""))
        assert found <= names | {"region"}
        url = (pattern or "https://any.example.org").format(**dict.fromkeys(found, "eu-test-1"))
        assert Endpoint.parse(url, provider.addressing).scheme == "https"
    if provider.region_required:
        assert "{region}" in (provider.endpoint or provider.endpoint_form or "")


def test_every_checksum_of_the_table_can_be_computed() -> None:
    assert frozenset().union(*(provider.checksums for provider in PROVIDERS.values())) == CHECKSUMS.keys()


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.name)
def test_every_provider_takes_what_is_sent_by_default(provider: Provider) -> None:
    assert provider.min_part_size <= TransferConfig().part_size == 5 * MIB <= provider.max_part_size
    assert provider.default_checksum in {None, *provider.full_object_checksums}
    if provider.recommended_part_size is not None:
        assert provider.min_part_size <= provider.recommended_part_size <= provider.max_part_size
