"""Processing of a request: checks that S3 makes for every operation, authentication, and dispatch."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from aios3.credentials import Credentials
from aios3.testing.listings import objects as listings
from aios3.testing.listings import uploads, versions
from aios3.testing.store import acls, buckets, copies, deletions, multipart, objects, reads
from aios3.testing.store.cors import preflight
from aios3.testing.store.settings import UNSET_SETTINGS, get_unset_setting
from aios3.testing.store.state import Store
from aios3.testing.wire.answers import Answer, Refusal
from aios3.testing.wire.aws_chunked import ChunkedBody, check_chunks, is_aws_chunked, read_chunks
from aios3.testing.wire.bodies import Body, verify_md5
from aios3.testing.wire.received import PREFLIGHT, UNKNOWN_OPERATION, ReceivedRequest
from aios3.testing.wire.signatures import UNSIGNED_PAYLOAD, Authorization, check_authorization, read_authorization

from .provider_limits import checked_region, refuse_plain_http, refuse_what_is_not_taken
from .sessions import create_session, find_keys

__all__ = ["admit", "check_head", "process"]

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_PART_OPERATIONS: Final = frozenset({"UploadPart", "UploadPartCopy", "ListParts"})
_DATA_OPERATIONS: Final = frozenset({"PutObject", "UploadPart"})
_MAX_DOCUMENT_SIZE: Final = 8 * 1024 * 1024
"""Bytes. A document with 10,000 parts and checksums has some 1.2 MB."""

_Handler = Callable[[Store, ReceivedRequest, Body], Answer]

_HANDLERS: Final[Mapping[str, _Handler]] = MappingProxyType(
    {
        "ListBuckets": buckets.list_buckets,
        "CreateSession": create_session,
        "CreateBucket": buckets.create_bucket,
        "HeadBucket": buckets.head_bucket,
        "DeleteBucket": buckets.delete_bucket,
        "GetBucketLocation": buckets.get_bucket_location,
        "GetBucketVersioning": buckets.get_bucket_versioning,
        "PutBucketVersioning": buckets.put_bucket_versioning,
        "GetBucketLifecycleConfiguration": buckets.get_bucket_lifecycle,
        "PutBucketLifecycleConfiguration": buckets.put_bucket_lifecycle,
        "DeleteBucketLifecycle": buckets.delete_bucket_lifecycle,
        "PutObject": objects.put_object,
        "GetObject": reads.get_object,
        "HeadObject": reads.head_object,
        "GetObjectAttributes": reads.get_object_attributes,
        "GetObjectTagging": objects.get_object_tagging,
        "PutObjectTagging": objects.put_object_tagging,
        "DeleteObjectTagging": objects.delete_object_tagging,
        "DeleteObject": deletions.delete_object,
        "DeleteObjects": deletions.delete_objects,
        "CopyObject": copies.copy_object,
        "UploadPartCopy": copies.upload_part_copy,
        "CreateMultipartUpload": multipart.create_multipart_upload,
        "UploadPart": multipart.upload_part,
        "CompleteMultipartUpload": multipart.complete_multipart_upload,
        "AbortMultipartUpload": multipart.abort_multipart_upload,
        "ListObjects": listings.list_objects,
        "ListObjectsV2": listings.list_objects_v2,
        "ListObjectVersions": versions.list_object_versions,
        "ListMultipartUploads": uploads.list_multipart_uploads,
        "ListParts": uploads.list_parts,
        "GetBucketAcl": acls.get_bucket_acl,
        "PutBucketAcl": acls.put_bucket_acl,
        "GetObjectAcl": acls.get_object_acl,
        "PutObjectAcl": acls.put_object_acl,
        **dict.fromkeys(UNSET_SETTINGS, get_unset_setting),
    }
)


def admit(store: Store, request: ReceivedRequest, *, is_tls: bool) -> None:
    """Apply the checks that need no body.

    Raises:
        Refusal: the body cannot or need not be read.
    """
    refuse_plain_http(store.provider, is_tls=is_tls)
    is_data = request.operation in _DATA_OPERATIONS
    is_multipart = "Multipart" in request.operation or request.operation in _PART_OPERATIONS
    takes_any = store.accept_chunked or not store.provider.multipart or is_aws_chunked(request.head)
    takes_chunks = is_data and request.head.is_chunked and takes_any
    if is_multipart and not store.provider.multipart:
        raise Refusal(501, "NotImplemented", "There are no multipart uploads here.")
    if request.header("Transfer-Encoding") is not None and not takes_chunks:
        message = "A header you provided implies functionality that is not implemented"
        raise Refusal(501, "NotImplemented", message, Header="Transfer-Encoding")
    length = request.head.content_length
    if length is None and is_data and not takes_chunks:
        raise Refusal(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    _check_size(store, request, length or 0)


def _check_size(store: Store, request: ReceivedRequest, size: int) -> None:
    is_data = request.operation in _DATA_OPERATIONS
    most = store.provider.max_part_size if is_data else _MAX_DOCUMENT_SIZE
    if size > most:
        message = "Your request exceeds the maximum allowed size"
        code = "EntityTooLarge" if is_data else "MaxMessageLengthExceeded"
        raise Refusal(400, code, message, ProposedSize=size, MaxSizeAllowed=most)


def process(
    store: Store,
    request: ReceivedRequest,
    body: Body,
    credentials: Credentials | None,
    public_buckets: Collection[str],
) -> Answer:
    """Authenticate a request, perform its operation, and return the response, which may be a refusal.

    ``credentials`` of ``None`` allow every request.
    """
    try:
        _check_form(request)
        chunked = read_chunks(request.head, body.kept or b"") if is_aws_chunked(request.head) else None
        if chunked is not None:
            body = body.decoded((data for data, _ in chunked.chunks), chunked.algorithms)
        _check_size(store, request, body.received)
        if request.operation == PREFLIGHT:
            return preflight(store.cors, request)
        signed = credentials and _authenticate(store, request, credentials, public_buckets)
        if signed:
            _check_payload(store, *signed, body, chunked)
        if chunked is not None:
            request.head = replace(request.head, headers=(*request.head.headers, *chunked.trailers))
        refuse_what_is_not_taken(store, request, body.received)
        verify_md5(request.head, body)
        return _HANDLERS[request.operation](store, request, body)
    except Refusal as refusal:
        return refusal.answer(request.request_id)


def _check_form(request: ReceivedRequest) -> None:
    try:
        f"{request.bucket}{request.key}".encode()
    except UnicodeEncodeError:
        raise Refusal(400, "InvalidURI", "Couldn't parse the specified URI.") from None
    if request.operation == UNKNOWN_OPERATION:
        raise Refusal(501, "NotImplemented", f"{request.method} {request.target} is not implemented here", Header="")


def check_head(
    store: Store, request: ReceivedRequest, credentials: Credentials | None, public_buckets: Collection[str]
) -> None:
    """Check what needs no body, for a client that waits for permission to send it.

    Raises:
        Refusal: the signature is wrong, or the bucket does not exist.
    """
    _check_form(request)
    if credentials is not None:
        _authenticate(store, request, credentials, public_buckets)
    if request.operation in _DATA_OPERATIONS:
        store.require_bucket(request)


def _authenticate(
    store: Store, request: ReceivedRequest, credentials: Credentials, public_buckets: Collection[str]
) -> tuple[Authorization, Credentials] | None:
    """Return the signature and its keys; ``None`` if the request needs none."""
    claim = read_authorization(request.head)
    if claim is None:
        if request.bucket not in public_buckets and not acls.allows_anonymous(store, request):
            raise Refusal(403, "AccessDenied", "Access Denied")
        return None
    region, now = checked_region(store), store.clock()
    claim, keys = find_keys(store, request, claim, credentials)
    service = store.provider.signing_service
    check_authorization(request.head, claim, credentials=keys, region=region, now=now, service=service)
    return claim, keys


def _check_payload(
    store: Store, claim: Authorization, keys: Credentials, body: Body, chunked: ChunkedBody | None
) -> None:
    claimed = claim.payload_hash
    if chunked is not None:
        check_chunks(chunked, claim, keys.secret_access_key)
    elif claimed == UNSIGNED_PAYLOAD:
        if claim.expires is None and store.provider.signs_payload_over_tls:
            raise Refusal(400, "XAmzContentSHA256Mismatch", "UNSIGNED-PAYLOAD is not taken here.")
    elif not _SHA256.fullmatch(claimed):
        message = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value."
        raise Refusal(400, "InvalidArgument", message)
    elif claimed != (computed := body.digest("sha256").hex()):
        message = "The provided 'x-amz-content-sha256' header does not match what was computed."
        details = {"ClientComputedContentSHA256": claimed, "S3ComputedContentSHA256": computed}
        raise Refusal(400, "XAmzContentSHA256Mismatch", message, **details)
