"""Groups of Ceph's s3-tests that the store for tests is tried by, and the tests of them that are out of its scope."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["GROUPS", "OUT_OF_SCOPE"]

GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "conditional": r"if_?(none_?|non_?)?match|if_?(un)?modified|conditional",
        "checksum": r"checksum|cksum",
        "attributes": r"attributes",
        "multipart": r"multipart|upload_part",
        "copy": r"object_copy|copy_object",
        "ranged": r"ranged",
        "list": r"_list(_|$)",
        "head": r"_head(_|$)",
        "read": r"_read(_|$)",
    }
)
"""Pattern in the name of a test, by group. A test belongs to the first group that fits."""

OUT_OF_SCOPE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Amazon S3 takes only `If-None-Match: *` and `If-Match` with an ETag for writes, and 501 for the rest.": (
            r"_put_(current_)?object_(current_)?if_(none_)?match"
            r"|put_object_ifmatch_(overwrite|nonexisted)|put_object_ifnonmatch_(good|failed)|conditional_write_1mb"
        ),
        "Amazon S3 takes conditions on time and size for directory buckets only; the store refuses them with 501.": (
            r"delete_objects?_.*if_match_(last_modified_time|size)"
        ),
        "Amazon S3 refuses a conditional delete of a missing object with 404; Ceph says that it succeeded.": (
            r"delete_objects?_(current_|version_)?if_match$"
        ),
        "Amazon S3 gives a part the ETag of the object, and 416 InvalidPartNumber for a part that is missing.": (
            r"multipart_(sse_c_|single_)*get_part"
        ),
        "Amazon S3 refuses a checksum that is not base64 of the right size with InvalidRequest, not BadDigest.": (
            r"object_checksum_(sha256|crc64nvme)|multipart_checksum_sha256"
        ),
        "Amazon S3 refuses a Complete without the checksums of the parts, if the checksum is made of them.": (
            r"get_multipart_checksum_object_attributes"
        ),
        "Amazon S3 refuses a copied range that the source does not have with InvalidArgument, not InvalidRange.": (
            r"multipart_copy_invalid_range"
        ),
        "Amazon S3 takes a part number once in a Complete; the test lists the same number twice.": (
            r"multipart_resend_first_finishes_last"
        ),
        "Amazon S3 refuses another customer key with 403, not 400.": r"sse_c_multipart_bad_download",
        "Amazon S3 lists no buckets without a signature.": r"list_buckets_anonymous",
        "Extensions of Ceph: unordered listings, statistics of buckets, reads from another cloud.": (
            r"list_(v2_)?unordered|bucket_head_extended|head_bucket_usage|read_through|restore|cloud"
        ),
        "boto3 does not decode the prefix of a listing of version 1, which S3 encodes.": (
            r"^test_bucket_list_prefix_unreadable"
        ),
        "Grants and policies: the store has one account, canned ACLs, and no policies.": (
            r"owner$|not_owned|policy|_grant|_acl_(read|full|canned)|access_bucket|copy_canned_acl|_acl_xml"
        ),
        "Encryption with keys of a key service, and by the default of the bucket.": r"kms|sse_s3_default",
        "Forms that browsers post.": r"post_object",
        "Object lock, lifecycle and logging are settings that the store does not apply.": r"lock|lifecycle|logging",
    }
)
"""Pattern in the names of tests that may fail, by the reason."""
