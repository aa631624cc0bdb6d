"""The table of providers against a second reading of the same facts, made by hand and in another form.

A cell that is ``?`` is not known, so the record must hold the careful value.
"""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aios3 import PROVIDERS, Provider
from aios3._providers.toml_reader import ROWS
from aios3.options import GIB, MIB

DEFAULT = Provider("generic")
EVERY = pytest.mark.parametrize("name", PROVIDERS)

# Endpoint without the scheme | region to sign for, "!" where one must be named | addressing | wrong region refused
WHERE = """
generic      | ?                                                                | ?           | P | ?
aws          | s3.{region}.amazonaws.com                                        | us-east-1   | V | yes
s3express    | s3express-{zone}.{region}.amazonaws.com                          | !           | V | ?
google       | storage.googleapis.com                                           | auto        | P | ?
cloudflare   | {account}.r2.cloudflarestorage.com                               | auto        | P | ?
backblaze    | s3.{region}.backblazeb2.com                                      | !           | P | ?
digitalocean | {region}.digitaloceanspaces.com                                  | !           | P | ?
wasabi       | s3.{region}.wasabisys.com                                        | us-east-1   | P | ?
minio        | ?                                                                | us-east-1   | P | ?
ceph         | ?                                                                | us-east-1   | P | no
ovh          | s3.{region}.io.cloud.ovh.net                                     | !           | P | ?
scaleway     | s3.{region}.scw.cloud                                            | !           | P | ?
linode       | {region}.linodeobjects.com                                       | !           | P | ?
ibm          | s3.{region}.cloud-object-storage.appdomain.cloud                 | !           | P | ?
oracle       | {namespace}.compat.objectstorage.{region}.oci.customer-oci.com   | !           | P | ?
alibaba      | s3.oss-{region}.aliyuncs.com                                     | !           | V | ?
tencent      | cos.{region}.myqcloud.com                                        | !           | V | ?
huawei       | obs.{region}.myhuaweicloud.com                                   | !           | V | ?
yandex       | storage.yandexcloud.net                                          | ru-central1 | P | ?
hetzner      | {region}.your-objectstorage.com                                  | !           | P | ?
storj        | gateway.storjshare.io                                            | ?           | P | no
tigris       | t3.storage.dev                                                   | auto        | V | ?
fastly       | {region}.object.fastlystorage.app                                | !           | P | ?
ionos        | s3.{region}.ionoscloud.com                                       | !           | P | ?
impossible   | {region}.storage.impossibleapi.net                               | !           | P | ?
mega         | s3.{region}.megas4.com                                           | !           | P | ?
selectel     | s3.{region}.storage.selcloud.ru                                  | !           | P | ?
idrive       | s3.{region}.idrivee2.com                                         | !           | P | ?
vultr        | {region}.vultrobjects.com                                        | !           | V | ?
exoscale     | sos-{region}.exo.io                                              | !           | P | ?
upcloud      | {service}.upcloudobjects.com                                     | ?           | P | ?
infomaniak   | s3.{location}.infomaniak.cloud                                   | us-east-1   | P | ?
contabo      | {region}.contabostorage.com                                      | !           | P | ?
supabase     | {project}.storage.supabase.co/storage/v1/s3                      | ?           | P | ?
seaweedfs    | ?                                                                | ?           | P | no
garage       | ?                                                                | garage      | P | yes
rustfs       | ?                                                                | ?           | P | ?
versity      | ?                                                                | ?           | P | ?
localstack   | ?                                                                | ?           | P | no
moto         | ?                                                                | ?           | P | no
rclone       | ?                                                                | ?           | P | no
swift        | ?                                                                | us-east-1   | P | ?
"""

# No row, here and in the next table, is a row of `?`.
# Number of parts | least size | most size | object
PARTS = """
aws          | 10,000 | 5 MiB   | 5 GiB        | 50,000 GiB
s3express    | 10,000 | 5 MiB   | 5 GiB        | 50,000 GiB
google       | 10,000 | 5 MiB   | 5 GiB        | 5 TiB
cloudflare   | 10,000 | 5 MiB   | 5,115 MiB    | 5,115 GiB
backblaze    | 10,000 | 5 MiB   | 5 GiB        | 10 TB
digitalocean | 10,000 | 5 MiB   | 5 GB         | 5 TB
wasabi       | 10,000 | 5 MiB   | 5 GiB        | 5 TB
minio        | 10,000 | 5 MiB   | 5 TiB        | 50 TiB
ceph         | 10,000 | 5 MiB   | ?            | 5 TiB
ovh          | 10,000 | 5 MiB   | 5 GiB        | ?
scaleway     | 1,000  | 5 MB    | 5 GB         | 5 TB
ibm          | 10,000 | 5 MiB   | 5 GiB        | 10 TB
oracle       | 10,000 | ?       | ?            | 10 TiB
alibaba      | 10,000 | 100 KB  | 5 GB         | 48.8 TB
tencent      | 10,000 | 1 MB    | 5 GB         | 48.8 TB
huawei       | 10,000 | ?       | 5 GB         | 48.8 TB
yandex       | 10,000 | 5 MB    | ?            | ?
hetzner      | 10,000 | 5 MiB   | 5 GiB        | ?
storj        | 10,000 | 5 MiB   | ?            | ?
tigris       | ?      | ?       | ?            | 5 TB
fastly       | 10,000 | 5 MB    | 5 GB         | 5 TB
ionos        | ?      | ?       | 5 GB         | 5 TiB
impossible   | ?      | ?       | ?            | 50 TiB
mega         | ?      | 5 MB    | ?            | ?
exoscale     | 10,000 | 5 MiB   | 5 GiB        | 4 TiB
infomaniak   | 1,000  | ?       | ?            | ?
contabo      | ?      | ?       | ?            | 5 TB
supabase     | ?      | ?       | ?            | 500 GB
seaweedfs    | 10,000 | 5 MiB   | ?            | ?
garage       | ?      | 1 B     | ?            | ?
rustfs       | ?      | 5 MiB   | ?            | ?
localstack   | ?      | 5 MiB   | ?            | ?
moto         | ?      | 5 MiB   | ?            | ?
swift        | 1,000  | 5 MiB   | ?            | ?
"""

# Checksum headers | FULL_OBJECT | COMPOSITE | Content-MD5 | If-None-Match on PutObject | on Complete
EXTRAS = """
aws          | crc32 c 64 sha1 sha256   | crc32 c 64              | crc32 c sha1 sha256      | yes | yes | yes
s3express    | crc32 c 64 sha1 sha256   | ?                       | ?                        | no  | yes | yes
google       |                          | ?                       | ?                        | ?   | ?   | no
cloudflare   | crc32 c 64 sha1 sha256   | 64                      | crc32 c sha1 sha256      | ?   | yes | yes
backblaze    |                          | ?                       | ?                        | yes | ?   | ?
minio        | crc32 c 64 sha1 sha256   | ?                       | ?                        | ?   | yes | yes
ceph         | crc32 c sha1 sha256      | ?                       | ?                        | ?   | ?   | ?
ovh          | ?                        | ?                       | ?                        | ?   | yes | yes
scaleway     | crc32 c 64 sha1 sha256   | crc32 c 64              | crc32 c sha1 sha256      | ?   | yes | yes
yandex       | ?                        | ?                       | ?                        | yes | ?   | ?
storj        | ?                        | ?                       | ?                        | ?   | yes | yes
tigris       | ?                        | ?                       | ?                        | ?   | yes | ?
mega         |                          | ?                       | ?                        | yes | ?   | ?
selectel     | ?                        | ?                       | ?                        | ?   | yes | yes
exoscale     | ?                        | ?                       | ?                        | ?   | no  | no
supabase     | ?                        | ?                       | ?                        | no  | ?   | ?
seaweedfs    | crc32 c 64 sha1 sha256   | ?                       | ?                        | ?   | yes | yes
garage       | crc32 c sha1 sha256      | ?                       | ?                        | ?   | no  | no
rustfs       | ?                        | ?                       | ?                        | ?   | yes | yes
versity      | ?                        | ?                       | ?                        | ?   | yes | yes
localstack   | crc32 c 64 sha1 sha256   | ?                       | ?                        | ?   | yes | yes
moto         | ?                        | ?                       | ?                        | ?   | yes | ?
rclone       | ?                        | ?                       | ?                        | ?   | ?   | no
swift        | crc32 c 64 sha1 sha256   | ?                       | ?                        | ?   | yes | yes
"""

LOCKS = "object_lock_mode object_lock_retain_until object_lock_legal_hold"
MANAGED_KEYS = "server_side_encryption sse_kms_key_id sse_kms_context sse_bucket_key"

REFUSED = {
    "s3express": "acl tags sse_customer_key object_lock_mode object_lock_retain_until object_lock_legal_hold",
    "google": "if_match if_none_match tags object_lock_mode object_lock_retain_until object_lock_legal_hold",
    "cloudflare": "acl tags server_side_encryption sse_kms_key_id sse_kms_context sse_bucket_key object_lock_mode "
    "object_lock_retain_until object_lock_legal_hold request_payer expected_bucket_owner website_redirect_location",
    "backblaze": "acl",
    "oracle": "acl",
    "hetzner": f"{MANAGED_KEYS} request_payer website_redirect_location",
    "storj": "if_match",
    "mega": f"acl tags {MANAGED_KEYS} sse_customer_key {LOCKS} request_payer expected_bucket_owner storage_class "
    "website_redirect_location cache_control content_disposition content_encoding content_language expires",
    "exoscale": f"if_match if_none_match tags {MANAGED_KEYS} website_redirect_location",
    "contabo": f"{MANAGED_KEYS} sse_customer_key",
    "supabase": f"acl tags {MANAGED_KEYS} sse_customer_key {LOCKS} request_payer expected_bucket_owner storage_class "
    "website_redirect_location",
    "garage": "if_match if_none_match acl tags object_lock_mode object_lock_retain_until object_lock_legal_hold",
    "rclone": "if_match if_none_match",
    "swift": "if_match",
}

AMAZON_PARTITIONS = (
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov"),
)

ONLY_HERE: dict[str, dict[str, Any]] = {
    "endpoint_variants": {
        "aws": (
            (frozenset({"dualstack"}), "https://s3.dualstack.{region}.amazonaws.com"),
            (frozenset({"fips"}), "https://s3-fips.{region}.amazonaws.com"),
            (frozenset({"fips", "dualstack"}), "https://s3-fips.dualstack.{region}.amazonaws.com"),
            (frozenset({"accelerate"}), "https://s3-accelerate.amazonaws.com"),
            (frozenset({"accelerate", "dualstack"}), "https://s3-accelerate.dualstack.amazonaws.com"),
        ),
    },
    "endpoint_aliases": {
        "aws": (
            "https://s3.amazonaws.com",
            "https://s3-{region}.amazonaws.com",
            "https://s3-fips-{region}.amazonaws.com",
            "https://s3-external-1.amazonaws.com",
            "https://bucket.{vpce}.s3.{region}.vpce.amazonaws.com",
        ),
        "google": ("https://storage.{location}.rep.googleapis.com", "https://commondatastorage.googleapis.com"),
        "digitalocean": ("https://{region}.cdn.digitaloceanspaces.com",),
        "wasabi": ("https://s3.wasabisys.com",),
        "oracle": (
            "https://vhcompat.objectstorage.{region}.oci.customer-oci.com",
            "https://{namespace}.compat.objectstorage.{region}.oraclecloud.com",
        ),
        "ibm": (
            "https://s3.private.{region}.cloud-object-storage.appdomain.cloud",
            "https://s3.direct.{region}.cloud-object-storage.appdomain.cloud",
        ),
        "tencent": (
            "https://cos-internal.{region}.myqcloud.com",
            "https://cos.accelerate.myqcloud.com",
            "https://cos.{region}.tencentcos.cn",
            "https://cos-internal.{region}.tencentcos.cn",
            "https://cos.accelerate.tencentcos.cn",
            "https://cos-internal.accelerate.tencentcos.cn",
        ),
        "yandex": ("https://storage.yandexcloud.kz",),
        "storj": ("https://gateway.{satellite}.storjshare.io",),
        "cloudflare": (
            "https://{account}.eu.r2.cloudflarestorage.com",
            "https://{account}.fedramp.r2.cloudflarestorage.com",
        ),
        "ovh": ("https://s3.{region}.perf.cloud.ovh.net", "https://s3.{region}.cloud.ovh.net"),
        "alibaba": (
            "https://s3.oss-{region}-internal.aliyuncs.com",
            "https://s3.oss-accelerate.aliyuncs.com",
            "https://oss-{region}.aliyuncs.com",
            "https://oss-{region}-internal.aliyuncs.com",
            "https://oss-accelerate.aliyuncs.com",
            "https://oss-accelerate-overseas.aliyuncs.com",
        ),
        "tigris": ("https://t3.storageapi.dev", "https://fly.storage.tigris.dev"),
        "ionos": ("https://s3-{region}.ionoscloud.com", "https://s3.de-central.profitbricks.com"),
        "mega": ("https://s3.{region}.s4.mega.io", "https://s3.g.s4.mega.io"),
        "selectel": ("https://s3.storage.selcloud.ru",),
        "infomaniak": ("https://s3.swiss-backup{number}.infomaniak.com",),
        "supabase": ("https://{project}.supabase.co/storage/v1/s3",),
    },
    "partitions": {
        "aws": tuple(
            (start, domain, frozenset({"fips", "accelerate"} if start == "cn-" else ()))
            for start, domain in AMAZON_PARTITIONS
        ),
        "s3express": tuple((start, domain, frozenset()) for start, domain in AMAZON_PARTITIONS),
        "ovh": (("us-", "io.cloud.ovh.us", frozenset()),),
        "huawei": (("eu-west-101", "myhuaweicloud.eu", frozenset()),),
    },
    "access_points": {
        "aws": (
            (frozenset(), "https://s3-accesspoint.{region}.amazonaws.com"),
            (frozenset({"dualstack"}), "https://s3-accesspoint.dualstack.{region}.amazonaws.com"),
            (frozenset({"fips"}), "https://s3-accesspoint-fips.{region}.amazonaws.com"),
            (frozenset({"private"}), "https://accesspoint.{vpce}.s3.{region}.vpce.amazonaws.com"),
            (frozenset({"fips", "dualstack"}), "https://s3-accesspoint-fips.dualstack.{region}.amazonaws.com"),
        ),
    },
    "has_tenants": {"ceph": True},
    "owns_variables": {"aws": True, "s3express": True},
    "has_one_region": dict.fromkeys(("google", "cloudflare", "yandex", "tigris"), True),
    "foreign_addressing": dict.fromkeys(("aws", "s3express"), "path"),
    "needs_location": {"aws": True},
    "signing_service": {"s3express": "s3express"},
    "control_endpoint": {"s3express": "https://s3express-control.{region}.amazonaws.com"},
    "https_only": {"backblaze": True},
    "equal_parts": {"cloudflare": True, "mega": True},
    "recommended_part_size": {"storj": 64 * MIB},
    "reorder_buffer": {"rclone": 256 * MIB},
    "lists_uploads_by_exact_key": {"minio": True},
    "lists_by_folder": {"s3express": True},
    "unpacks_gzip": {"google": True},
    "versions": {"aws": True, **dict.fromkeys(("google", "cloudflare", "s3express"), False)},
    "conditional_copy": {"aws": True},
    "conditional_delete": {"aws": True},
    "max_copy_size": {"aws": 5 * GIB},
    "default_checksum": {"aws": "crc32", "scaleway": "crc32", "cloudflare": "crc64nvme"},
    "checks_object_size": {"aws": True, "localstack": True},
    "complete_etag_is_final": dict.fromkeys(
        ("aws", "ceph", "cloudflare", "garage", "localstack", "minio", "moto", "swift", "versity"), True
    ),
    "signs_payload_over_tls": dict.fromkeys(("backblaze", "oracle", "tencent", "huawei"), True),
    "aborts_uploads_after": {
        "cloudflare": timedelta(days=7),
        "minio": timedelta(days=1),
        "rclone": timedelta(days=1),
    },
    "multipart": {},
    "expired_key_codes": {
        "ceph": frozenset({"AccessDenied"}),
        "minio": frozenset({"InvalidAccessKeyId"}),
        "alibaba": frozenset({"InvalidAccessKeyId"}),
        "huawei": frozenset({"InvalidAccessKeyId"}),
    },
}
"""By field, the providers that have another value than the default."""

FROM_GENERAL_KNOWLEDGE = {
    "google": {"min_part_size", "max_part_size", "max_parts", "max_object_size"},
    "backblaze": {"min_part_size", "max_part_size", "max_parts", "max_object_size"},
    "oracle": {"max_object_size"},
    "alibaba": {"max_object_size"},
    "tencent": {"max_object_size"},
    "huawei": {"max_part_size", "max_parts", "max_object_size"},
    "yandex": {"endpoint"},
    "infomaniak": {"max_parts"},
}
"""What no source was read for."""

_UNITS = {"B": (1, 1), "KB": (1024, 1000), "MB": (1024**2, 1000**2), "GB": (1024**3, 1000**3), "TB": (1024**4, 1000**4)}


def cells(table: str, name: str) -> list[str]:
    """Return the cells of one row, after the name."""
    rows = {line.split("|")[0].strip(): line.split("|")[1:] for line in table.strip().splitlines()}
    assert list(rows) == [known for known in PROVIDERS if known in rows]
    return [cell.strip() for cell in rows.get(name, "?" * len(rows["aws"]))]


def read_size(text: str, *, is_least: bool) -> int:
    """Return bytes; units that vendors mix up count as what asks less of the store."""
    number, unit = text.replace(",", "").split()
    if unit in _UNITS:
        return round(float(number) * _UNITS[unit][0 if is_least else 1])
    return round(float(number) * _UNITS[unit.replace("i", "")][0])


def read_checksums(text: str) -> frozenset[str]:
    """Return the algorithms: ``c`` is crc32c, ``64`` is crc64nvme."""
    return frozenset({"c": "crc32c", "64": "crc64nvme"}.get(word, word) for word in text.split() if word != "?")


def read_answer(text: str) -> bool | None:
    """Return what yes, no and ? mean."""
    return {"yes": True, "no": False, "?": None}[text]


def expected(name: str) -> Provider:
    """Return the record that the tables above make."""
    host, region, addressing, checks_region = cells(WHERE, name)
    has_more = host == "?" or "{" in host.replace("{region}", "").replace("{zone}", "")
    count, least, most, whole = cells(PARTS, name)
    headers, full, composite, md5, put, complete = cells(EXTRAS, name)
    return Provider(
        name,
        endpoint=None if has_more else f"https://{host}",
        endpoint_form=f"https://{host}" if has_more and host != "?" else None,
        default_region=DEFAULT.default_region if region in ("?", "!") else region,
        region_required=region == "!",
        addressing={"P": "path", "V": "virtual"}[addressing],  # type: ignore[arg-type]
        checks_region=read_answer(checks_region),
        max_parts=DEFAULT.max_parts if count == "?" else int(count.replace(",", "")),
        min_part_size=DEFAULT.min_part_size if least == "?" else read_size(least, is_least=True),
        max_part_size=DEFAULT.max_part_size if most == "?" else read_size(most, is_least=False),
        max_object_size=None if whole == "?" else read_size(whole, is_least=False),
        checksums=read_checksums(headers),
        full_object_checksums=read_checksums(full),
        composite_checksums=read_checksums(composite),
        content_md5=read_answer(md5),
        conditional_put=read_answer(put),
        conditional_complete=read_answer(complete),
        refused_attributes=frozenset(REFUSED.get(name, "").split()),
        **{field: special[name] for field, special in ONLY_HERE.items() if name in special},
    )


@EVERY
def test_a_record_says_what_is_known_and_no_more(name: str) -> None:
    wanted, found = dataclasses.asdict(expected(name)), dataclasses.asdict(PROVIDERS[name])
    del wanted["sources"], found["sources"]
    assert found == wanted


def test_no_field_escapes_the_second_reading() -> None:
    in_tables = {
        "endpoint",
        "endpoint_form",
        "default_region",
        "region_required",
        "addressing",
        "checks_region",
        "max_parts",
    }
    in_tables |= {"min_part_size", "max_part_size", "max_object_size", "checksums", "full_object_checksums"}
    in_tables |= {"composite_checksums", "content_md5", "conditional_put", "conditional_complete", "refused_attributes"}
    assert in_tables | set(ONLY_HERE) == DEFAULT.unknown


@EVERY
def test_what_differs_from_the_careful_value_has_a_source(name: str) -> None:
    provider = PROVIDERS[name]
    differing = {field for field in DEFAULT.unknown if getattr(provider, field) != getattr(DEFAULT, field)}
    assert differing <= provider.sources.keys()
    assert not differing & provider.unknown
    assert provider.sources.keys() <= DEFAULT.unknown
    assert all(len(source) > 3 for source in provider.sources.values())


def test_general_knowledge_is_named_as_such() -> None:
    found = {
        name: {field for field, source in sources.items() if source == "general knowledge"}
        for name, _, sources in ROWS
        if "general knowledge" in sources.values()
    }
    assert found == FROM_GENERAL_KNOWLEDGE


@pytest.mark.parametrize("name", FROM_GENERAL_KNOWLEDGE)
def test_general_knowledge_loosens_no_limit(name: str) -> None:
    provider, fields = PROVIDERS[name], FROM_GENERAL_KNOWLEDGE[name]
    assert "min_part_size" not in fields or provider.min_part_size >= DEFAULT.min_part_size
    assert "max_part_size" not in fields or provider.max_part_size <= DEFAULT.max_part_size
    assert "max_parts" not in fields or provider.max_parts <= DEFAULT.max_parts


@EVERY
def test_a_condition_that_would_be_ignored_is_refused(name: str) -> None:
    provider = PROVIDERS[name]
    if False in (provider.conditional_put, provider.conditional_complete):
        assert {"if_match", "if_none_match"} <= provider.refused_attributes
    else:
        assert "if_none_match" not in provider.refused_attributes


@EVERY
def test_an_unknown_whether_is_a_careful_no(name: str) -> None:
    provider = PROVIDERS[name]
    if "checksums" in provider.unknown:
        assert provider.checksums == frozenset()
    if "conditional_complete" in provider.unknown:
        assert provider.conditional_complete is None


def test_the_largest_objects_fit_the_parts() -> None:
    """An object size that known parts cannot reach would be a slip of the pen: by more than a hundredth, at least."""
    for provider in PROVIDERS.values():
        if provider.max_object_size is not None and not {"max_parts", "max_part_size"} & provider.unknown:
            assert provider.max_object_size <= 1.01 * provider.max_parts * max(provider.max_part_size, 5 * GIB)


def test_the_table_of_final_etags_names_the_providers_that_need_no_head() -> None:
    page = Path(__file__).parents[3].joinpath("docs/stores.md").read_text()
    (row,) = [line for line in page.splitlines() if "| none if the response has the ETag" in line]
    named = set(re.findall("`([a-z0-9]+)`", row.split("|")[1]))
    assert named == {name for name, provider in PROVIDERS.items() if provider.complete_etag_is_final}
