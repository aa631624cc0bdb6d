"""S3 operations that aios3 uses, each a frozen value that builds its request and reads its response."""

from __future__ import annotations

from .base import CONTROL_OPERATIONS, Operation
from .buckets import CreateBucket, DeleteBucket, HeadBucket
from .copies import CopyObject, CopySource, DescribedSource, GetObjectTagging, HeadSource, UploadPartCopy
from .deletions import MOST_KEYS, DeleteObjects, DeletionReport, is_exact_in_xml
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
from .versions import ListObjectVersions, VersionsPage

__all__ = [
    "CONTROL_OPERATIONS",
    "MOST_KEYS",
    "AbortMultipartUpload",
    "BucketsPage",
    "Committed",
    "CompleteMultipartUpload",
    "CopyObject",
    "CopySource",
    "CreateBucket",
    "CreateDirectoryBucket",
    "CreateMultipartUpload",
    "CreateSession",
    "DeleteBucket",
    "DeleteObject",
    "DeleteObjects",
    "DeletionReport",
    "DescribedSource",
    "GetObject",
    "GetObjectTagging",
    "HeadBucket",
    "HeadObject",
    "HeadSource",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjectVersions",
    "ListObjectsV2",
    "ListParts",
    "ListedPart",
    "ObjectsPage",
    "Operation",
    "PartResponse",
    "PartsPage",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
    "UploadsPage",
    "VersionsPage",
    "is_exact_in_xml",
]
