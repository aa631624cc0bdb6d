"""S3 operations that aios3 uses, each a frozen value that builds its request and reads its response."""

from __future__ import annotations

from .base import CONTROL_OPERATIONS, Operation
from .buckets import CreateBucket, DeleteBucket, HeadBucket
from .directory_buckets import CreateDirectoryBucket, CreateSession
from .listings import BucketsPage, ListBuckets, ListMultipartUploads, ListObjectsV2, ObjectsPage, UploadsPage
from .multipart import (
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CreateMultipartUpload,
    ListedPart,
    ListParts,
    PartResponse,
    PartsPage,
    UploadPart,
)
from .objects import Committed, DeleteObject, GetObject, HeadObject, PutObject

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
    "PartResponse",
    "PartsPage",
    "PutObject",
    "UploadPart",
    "UploadsPage",
]
