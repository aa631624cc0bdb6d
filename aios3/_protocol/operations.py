"""The S3 operations that aios3 speaks, each a frozen value that builds its request and reads its answer."""

from __future__ import annotations

from aios3._protocol.bucket_operations import CreateBucket, DeleteBucket, HeadBucket
from aios3._protocol.directory_buckets import CreateDirectoryBucket
from aios3._protocol.listing_operations import (
    BucketsPage,
    ListBuckets,
    ListMultipartUploads,
    ListObjectsV2,
    ObjectsPage,
    UploadsPage,
)
from aios3._protocol.multipart_operations import (
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CreateMultipartUpload,
    ListedPart,
    ListParts,
    PartAnswer,
    PartsPage,
    UploadPart,
)
from aios3._protocol.object_operations import Committed, DeleteObject, GetObject, HeadObject, PutObject
from aios3._protocol.operation import CONTROL_OPERATIONS, Operation
from aios3._protocol.session_operations import CreateSession

__all__ = [
    "CONTROL_OPERATIONS",
    "AbortMultipartUpload",
    "BucketsPage",
    "Committed",
    "CompleteMultipartUpload",
    "CreateBucket",
    "CreateDirectoryBucket",
    "CreateMultipartUpload",
    "CreateSession",
    "DeleteBucket",
    "DeleteObject",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjectsV2",
    "ListParts",
    "ListedPart",
    "ObjectsPage",
    "Operation",
    "PartAnswer",
    "PartsPage",
    "PutObject",
    "UploadPart",
    "UploadsPage",
]
