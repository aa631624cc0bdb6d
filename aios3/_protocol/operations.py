"""The S3 operations that aios3 speaks, each a frozen value that builds its request and reads its answer."""

from __future__ import annotations

from aios3._protocol.bucket_operations import CreateBucket, HeadBucket, ListMultipartUploads, UploadsPage
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
from aios3._protocol.operation import Operation

__all__ = [
    "AbortMultipartUpload",
    "Committed",
    "CompleteMultipartUpload",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteObject",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListMultipartUploads",
    "ListParts",
    "ListedPart",
    "Operation",
    "PartAnswer",
    "PartsPage",
    "PutObject",
    "UploadPart",
    "UploadsPage",
]
