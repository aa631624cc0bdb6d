"""What is known of each kind of store, and who said so.

Statements are grouped by their source, so that none can be without one. What no
statement of a row names is not known, and keeps the careful default of
`aios3.providers.Provider`. Sources are of 2026 unless they say otherwise.

A limit without a unit that can be trusted (MB, GB, TB) is read carefully: in
powers of 1,024 where it is a least, in powers of 1,000 where it is a most.
General knowledge, where nothing was read, never loosens a limit.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from aios3.options import GIB, KIB, MIB
from aios3.provider_facts import Facts, facts, row

__all__ = ["ROWS"]

TIB: Final = 1024 * GIB
GB: Final = 10**9
TB: Final = 10**12

_CRCS: Final = frozenset({"crc32", "crc32c", "crc64nvme"})
_COMPOSITE: Final = frozenset({"crc32", "crc32c", "sha1", "sha256"})
_ALL: Final = _CRCS | _COMPOSITE
_CONDITIONS: Final = frozenset({"if_match", "if_none_match"})
_LOCKS: Final = frozenset({"object_lock_mode", "object_lock_retain_until", "object_lock_legal_hold"})
_OWNERSHIP: Final = frozenset({"request_payer", "expected_bucket_owner"})
_ENCRYPTION: Final = frozenset({"server_side_encryption", "sse_kms_key_id", "sse_kms_context", "sse_bucket_key"})

_COMMON: Final = "general knowledge"
_UNCONFIRMED: Final = "nobody has confirmed it"
_RCLONE: Final = "rclone: its table of S3 providers"
_TESTS: Final = "this project's conformance tests"


def _parts(least: int = 5 * MIB, most: int = 5 * GIB, count: int = 10_000) -> Facts:
    return {"min_part_size": least, "max_part_size": most, "max_parts": count}


def _host_per_region(pattern: str) -> Facts:
    return {"endpoint": pattern, "region_required": True}


def _variants(**patterns: str) -> Facts:
    return {"endpoint_variants": tuple((frozenset(name.split("_")), pattern) for name, pattern in patterns.items())}


ROWS: Final = (
    row("generic"),
    row(
        "aws",
        "Amazon S3 user guide and API reference",
        _parts(),
        facts(endpoint="https://s3.{region}.amazonaws.com", addressing="virtual", needs_location=True),
        facts(default_region="us-east-1", checks_region=True, signs_payload_over_tls=False, content_md5=True),
        facts(max_object_size=10_000 * 5 * GIB, aborts_uploads_after=None),
        facts(conditional_put=True, conditional_complete=True),
        "the user guide on object integrity; answers of Amazon S3 recorded by the tests of LocalStack",
        facts(checksums=_ALL, full_object_checksums=_CRCS, composite_checksums=_COMPOSITE, complete_etag_is_final=True),
        facts(checks_object_size=True),
        # The cheapest that covers the whole object and needs nothing installed.
        facts(default_checksum="crc32"),
        "Amazon S3 user guide: dual-stack endpoints, transfer acceleration; the endpoint rules of AWS's SDKs",
        _variants(
            dualstack="https://s3.dualstack.{region}.amazonaws.com",
            fips="https://s3-fips.{region}.amazonaws.com",
            dualstack_fips="https://s3-fips.dualstack.{region}.amazonaws.com",
            accelerate="https://s3-accelerate.amazonaws.com",
            accelerate_dualstack="https://s3-accelerate.dualstack.amazonaws.com",
        ),
        "Amazon S3 user guide: request routing; AWS General Reference: endpoints of Amazon S3",
        facts(endpoint_aliases=("https://s3-{region}.amazonaws.com", "https://s3-external-1.amazonaws.com")),
    ),
    # Part numbers must be consecutive, as they always are here. The ETag is random.
    row(
        "s3express",
        "Amazon S3 user guide on directory buckets; the service model in botocore",
        _parts(),
        facts(endpoint="https://s3express-{zone}.{region}.amazonaws.com", region_required=True),
        facts(control_endpoint="https://s3express-control.{region}.amazonaws.com", lists_by_folder=True),
        facts(addressing="virtual", signing_service="s3express", max_object_size=10_000 * 5 * GIB),
        facts(checksums=_ALL, content_md5=False, conditional_put=True, conditional_complete=True),
        facts(refused_attributes=_LOCKS | {"acl", "tags", "sse_customer_key"}),
    ),
    # The XML API with HMAC keys.
    row(
        "google",
        "cloud.google.com/storage: XML API multipart uploads, migration from Amazon S3; issues of other clients",
        facts(endpoint="https://storage.googleapis.com", default_region="auto", aborts_uploads_after=None),
        facts(conditional_complete=False, checksums=frozenset()),
        "the same for conditions and locks; for tags general knowledge",
        facts(refused_attributes=_CONDITIONS | _LOCKS | {"tags"}),
        _COMMON,
        _parts(),
        facts(max_object_size=5 * TIB),
    ),
    # Complete answers InvalidPart (10048) to unequal parts. Takes one write per second and key (429).
    row(
        "cloudflare",
        "developers.cloudflare.com/r2: S3 API, limits, multipart objects",
        _parts(most=5 * GIB - 5 * MIB),
        facts(endpoint_form="https://{account}.r2.cloudflarestorage.com", default_region="auto"),
        facts(max_object_size=5 * TIB - 5 * GIB, equal_parts=True, complete_etag_is_final=True),
        facts(aborts_uploads_after=timedelta(days=7), conditional_put=True),
        facts(checksums=_ALL, full_object_checksums=frozenset({"crc64nvme"}), composite_checksums=_COMPOSITE),
        # The only one that covers the whole object.
        facts(default_checksum="crc64nvme"),
        facts(refused_attributes=_LOCKS | _ENCRYPTION | _OWNERSHIP | {"acl", "tags", "website_redirect_location"}),
    ),
    row(
        "backblaze",
        "backblaze.com/docs: S3-compatible API; home-assistant issue 143995, s3transfer issue 327 (August 2025)",
        _host_per_region("https://s3.{region}.backblazeb2.com"),
        facts(https_only=True, content_md5=True, checksums=frozenset(), refused_attributes=frozenset({"acl"})),
        _COMMON,
        _parts(),
        facts(max_object_size=10 * TB),
        _UNCONFIRMED,
        facts(signs_payload_over_tls=True),
    ),
    # The CDN's host takes only 7.91 MiB in one PUT, the region's host takes all.
    row(
        "digitalocean",
        "DigitalOcean's documentation, as quoted in PasswordPusher issue 1895; " + _RCLONE,
        _parts(most=5 * GB),
        _host_per_region("https://{region}.digitaloceanspaces.com"),
        facts(max_object_size=5 * TB),
    ),
    row(
        "wasabi",
        "docs.wasabi.com; " + _RCLONE,
        _parts(),
        facts(endpoint="https://s3.{region}.wasabisys.com", default_region="us-east-1", max_object_size=5 * TB),
    ),
    # Keys with //, . or .. segments are refused.
    row(
        "minio",
        "minio/minio: docs/minio-limits.md and sources (February 2026)",
        _parts(most=5 * TIB),
        facts(max_object_size=50 * TIB, aborts_uploads_after=timedelta(hours=24), lists_uploads_by_exact_key=True),
        facts(default_region="us-east-1", complete_etag_is_final=True, checksums=_ALL),
        facts(conditional_put=True, conditional_complete=True),
    ),
    # Checksums since Squid; conditions in recent releases only.
    row(
        "ceph",
        "Ceph's documentation; ceph/s3-tests",
        _parts(),
        facts(default_region="us-east-1", checks_region=False, max_object_size=5 * TIB, checksums=_COMPOSITE),
    ),
    row(
        "ovh",
        "ovh/public-cloud-roadmap issue 781; " + _RCLONE,
        _parts(),
        _host_per_region("https://s3.{region}.io.cloud.ovh.net"),
    ),
    # Samples show Complete's ETag without the number of parts.
    row(
        "scaleway",
        "Scaleway's documentation: multipart uploads, supported checksums, conditional writes (July 2026); " + _RCLONE,
        _parts(most=5 * GB, count=1_000),
        _host_per_region("https://s3.{region}.scw.cloud"),
        facts(max_object_size=5 * TB, complete_etag_is_final=False, conditional_put=True, conditional_complete=True),
        facts(checksums=_ALL, full_object_checksums=_CRCS, composite_checksums=_COMPOSITE, default_checksum="crc32"),
    ),
    # The region is the cluster's id.
    row("linode", _RCLONE, _host_per_region("https://{region}.linodeobjects.com")),
    row(
        "ibm",
        "cloud.ibm.com: object operations; " + _RCLONE,
        _parts(),
        _host_per_region("https://s3.{region}.cloud-object-storage.appdomain.cloud"),
        facts(max_object_size=10 * TB),
    ),
    row(
        "oracle",
        "docs.oracle.com: Amazon S3 compatibility API",
        facts(endpoint_form="https://{namespace}.compat.objectstorage.{region}.oci.customer-oci.com"),
        facts(region_required=True, max_parts=10_000, refused_attributes=frozenset({"acl"})),
        _COMMON,
        facts(max_object_size=10 * TIB),
        _UNCONFIRMED,
        facts(signs_payload_over_tls=True),
    ),
    # Buckets by path are refused (SecondLevelDomainForbidden).
    row(
        "alibaba",
        "alibabacloud.com: UploadPart, error code 0017-00000804; " + _RCLONE,
        _parts(least=100 * KIB, most=5 * GB),
        _host_per_region("https://oss-{region}.aliyuncs.com"),
        facts(addressing="virtual", signs_payload_over_tls=False),
        _COMMON,
        facts(max_object_size=48_800 * GB),
    ),
    # The bucket's name ends in the app id.
    row(
        "tencent",
        "tencentcloud.com: documents 436/14112 and 436/10687; " + _RCLONE,
        _parts(least=1 * MIB, most=5 * GB),
        _host_per_region("https://cos.{region}.myqcloud.com"),
        facts(addressing="virtual"),
        _COMMON,
        facts(max_object_size=48_800 * GB),
        _UNCONFIRMED,
        facts(signs_payload_over_tls=True),
    ),
    row(
        "huawei",
        _RCLONE,
        _host_per_region("https://obs.{region}.myhuaweicloud.com"),
        facts(addressing="virtual"),
        _COMMON,
        facts(max_part_size=5 * GB, max_parts=10_000, max_object_size=48_800 * GB),
        _UNCONFIRMED,
        facts(signs_payload_over_tls=True),
    ),
    row(
        "yandex",
        "yandex.cloud: S3 API reference, common request headers and uploadPart",
        facts(default_region="ru-central1", min_part_size=5 * MIB, max_parts=10_000, content_md5=True),
        _COMMON,
        facts(endpoint="https://storage.yandexcloud.net"),
    ),
    row("hetzner", _RCLONE, _parts(), _host_per_region("https://{region}.your-objectstorage.com")),
    # Each part is at least one segment of 64 MB, at a fee each.
    row(
        "storj",
        "storj.dev: S3 compatibility, multipart part size; " + _RCLONE,
        facts(endpoint="https://gateway.storjshare.io", checks_region=False),
        facts(min_part_size=5 * MIB, max_parts=10_000, recommended_part_size=64 * MIB),
    ),
    row(
        "seaweedfs",
        "seaweedfs/seaweedfs: weed/s3api (August 2026)",
        facts(min_part_size=5 * MIB, max_parts=10_000, checks_region=False),
        facts(checksums=_ALL, conditional_put=True, conditional_complete=True),
    ),
    row(
        "garage",
        "deuxfleurs/garage: sources of 1.2.0, s3-compatibility.md (June 2025)",
        facts(default_region="garage", checks_region=True, min_part_size=1, checksums=_COMPOSITE),
        facts(conditional_put=False, conditional_complete=False),
        facts(refused_attributes=_CONDITIONS | _LOCKS | {"acl", "tags"}),
    ),
    row(
        "localstack",
        "localstack/localstack",
        facts(min_part_size=5 * MIB, checks_region=False, checksums=_ALL),
        facts(conditional_put=True, conditional_complete=True, checks_object_size=True),
    ),
    row(
        "moto",
        "moto 5.2.5",
        facts(min_part_size=5 * MIB, checks_region=False, conditional_put=True),
        _TESTS,
        facts(complete_etag_is_final=True),
    ),
    # Complete's ETag has the multipart form, HEAD's is the MD5 of the whole; conditions on Complete are ignored.
    row(
        "rclone",
        "rclone serve s3, its documentation (August 2026)",
        facts(reorder_buffer=256 * MIB, aborts_uploads_after=timedelta(hours=24)),
        _TESTS,
        facts(checks_region=False, complete_etag_is_final=False),
        facts(conditional_complete=False, refused_attributes=_CONDITIONS),
    ),
    # max_upload_part_num is 1,000 unless the operator raised it. Checksums and conditions since 2.36.
    row(
        "swift",
        "openstack/swift: s3api, CHANGELOG of 2.36.0",
        facts(default_region="us-east-1", min_part_size=5 * MIB, max_parts=1_000, checksums=_ALL),
        facts(conditional_put=True, conditional_complete=True, refused_attributes=frozenset({"if_match"})),
        _TESTS,
        facts(complete_etag_is_final=True),
    ),
)
