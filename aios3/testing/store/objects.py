"""Operations of the server on buckets and on whole objects."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import format_datetime
from typing import Final
from urllib.parse import parse_qsl

from aios3.testing.wire.answers import Answer, Refusal
from aios3.testing.wire.bodies import Body, require_lock_digest, verify_checksum
from aios3.testing.wire.documents import (
    MalformedDocumentError,
    leaf,
    read_location_constraint,
    timestamp,
    tree,
    write_document,
)
from aios3.testing.wire.received import ReceivedRequest

from .state import Store, StoredObject, check_conditions, described
from .transcoding import is_unpacked, unpacked_response

__all__ = [
    "create_bucket",
    "delete_bucket",
    "get_object",
    "get_object_tagging",
    "head_bucket",
    "head_object",
    "list_buckets",
    "put_object",
    "require_customer_key",
]

_BUCKET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]")
_RANGE: Final = re.compile(r"bytes=([0-9]*)-([0-9]*)")
CUSTOMER_KEY_PREFIX: Final = "x-amz-server-side-encryption-customer-"
_OVERRIDES: Final = frozenset({
    "response-content-type", "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-cache-control", "response-expires",
})  # fmt: skip
_NOT_RETURNED: Final = frozenset({"x-amz-acl", "x-amz-tagging"})


def list_buckets(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """List every bucket."""
    buckets = [
        tree("Bucket", leaf("Name", name), leaf("CreationDate", timestamp(created)))
        for name, created in sorted(store.buckets.items())
    ]
    owner = tree("Owner", leaf("ID", "owner"))
    root = "ListAllMyDirectoryBucketsResult" if store.has_sessions else "ListAllMyBucketsResult"
    return xml_response(write_document(root, owner, tree("Buckets", *buckets)))


def create_bucket(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Create a bucket, only in the region of the server."""
    name = request.bucket or ""
    if not _BUCKET_NAME.fullmatch(name):
        raise Refusal(400, "InvalidBucketName", "The specified bucket is not valid.", BucketName=name)
    _check_location(store, body)
    if name in store.buckets:
        message = "Your previous request to create the named bucket succeeded and you already own it."
        raise Refusal(409, "BucketAlreadyOwnedByYou", message, BucketName=name)
    store.buckets[name] = store.clock()
    return Answer(200, {"Location": f"/{name}"})


def _check_location(store: Store, body: Body) -> None:
    try:
        constraint = read_location_constraint(body.kept or b"")
    except MalformedDocumentError as error:
        raise Refusal(400, "MalformedXML", f"The XML you provided was not well-formed: {error}") from None
    if store.provider.default_region == "auto" or (constraint is None and not store.provider.needs_location):
        return
    # Amazon S3 refuses a location constraint that names us-east-1.
    if store.region == "us-east-1" and constraint == "us-east-1":
        raise Refusal(400, "InvalidLocationConstraint", "The specified location-constraint is not valid")
    if (constraint or "us-east-1") != store.region:
        message = f"The {constraint or 'unspecified'} location constraint is incompatible with this endpoint."
        raise Refusal(400, "IllegalLocationConstraintException", message)


def head_bucket(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return 200 and the region if the bucket exists."""
    store.require_bucket(request)
    return Answer(200, {"x-amz-bucket-region": store.region})


def delete_bucket(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Remove a bucket without objects, and its open uploads."""
    name = store.require_bucket(request)
    if any(bucket == name for bucket, _ in store.objects):
        message = "The bucket you tried to delete is not empty"
        raise Refusal(409, "BucketNotEmpty", message, BucketName=name)
    del store.buckets[name]
    for upload in [upload for upload in store.uploads.values() if upload.bucket == name]:
        del store.uploads[upload.upload_id]
    return Answer(204)


def put_object(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Store the body under the key, whole or not at all."""
    address = store.require_address(request)
    headers = described(request.head)
    require_lock_digest(request.head, headers, "Put Object", always=address[0] in store.locked_buckets)
    checksums = verify_checksum(request.head, body)
    check_conditions(request.head, store.objects.get(address))
    etag = store.opaque_etag() or f'"{body.digest("md5").hex()}"'
    pieces = None if body.kept is None else (body.kept,)
    version = store.save(address, StoredObject(body.received, etag, headers, store.clock(), (), checksums, pieces))
    return Answer(200, {"ETag": etag, **checksums, **version})


def get_object(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return the object, or one range of it."""
    found, headers = _find(store, request)
    if found.pieces is None:
        raise Refusal(501, "NotImplemented", "This server does not keep bodies (keep_bodies=False).")
    if is_unpacked(store, found, request):
        return unpacked_response(found, headers)
    section = _read_range(request.header("Range"), found.size)
    if section is None:
        return Answer(200, headers, found.body)
    first, last = section
    headers["Content-Range"] = f"bytes {first}-{last}/{found.size}"
    return Answer(206, headers, found.body[first : last + 1])


def head_object(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return the headers that GetObject would return, without the body."""
    found, headers = _find(store, request)
    if is_unpacked(store, found, request):
        return unpacked_response(found, headers)
    return Answer(200, {**headers, "Content-Length": str(found.size)})


def get_object_tagging(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return the tags of the object."""
    found, version = store.find(store.require_address(request), request.head.parameter("versionId"))
    pairs = parse_qsl(found.headers.get("x-amz-tagging", ""), keep_blank_values=True)
    tags = [tree("Tag", leaf("Key", name), leaf("Value", value)) for name, value in pairs]
    return xml_response(write_document("Tagging", tree("TagSet", *tags))).with_headers(version.items())


def _find(store: Store, request: ReceivedRequest) -> tuple[StoredObject, dict[str, str]]:
    """Return the object or the version that a read asks for, and the headers of the response."""
    address = store.require_address(request)
    found, version = store.find(address, request.head.parameter("versionId"))
    require_customer_key(found, request.header(f"{CUSTOMER_KEY_PREFIX}key-md5"))
    wanted = request.header("If-Match")
    if wanted and wanted.strip('"') not in {"*", found.etag.strip('"')}:
        raise Refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    return found, {**_object_headers(found, request), **version, **_overrides(request)}


def require_customer_key(found: StoredObject, key_md5: str | None) -> None:
    """Check the MD5 of the customer key of a read.

    Raises:
        Refusal: the object was encrypted with another key, or the key is missing or not wanted.
    """
    stored = found.headers.get(f"{CUSTOMER_KEY_PREFIX}key-md5")
    if stored == key_md5:
        return
    if stored is not None and key_md5 is not None:
        raise Refusal(403, "AccessDenied", "Access Denied")
    message = "The encryption parameters are not applicable to this object."
    if stored is not None:
        message = (
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to "
            "retrieve the object."
        )
    raise Refusal(400, "InvalidRequest", message)


def _overrides(request: ReceivedRequest) -> dict[str, str]:
    """Return the headers that the query replaces."""
    return {name.removeprefix("response-"): value for name, value in request.query if name in _OVERRIDES}


def _object_headers(found: StoredObject, request: ReceivedRequest) -> dict[str, str]:
    headers = {name: value for name, value in found.headers.items() if name not in _NOT_RETURNED}
    headers.setdefault("content-type", "binary/octet-stream")
    tags = found.headers.get("x-amz-tagging")
    if tags:
        headers["x-amz-tagging-count"] = str(tags.count("&") + 1)
    if request.header("x-amz-checksum-mode") == "ENABLED":
        headers.update(found.checksums)
    return {
        "ETag": found.etag,
        "Last-Modified": http_date(found.stored_at),
        "Accept-Ranges": "bytes",
        **headers,
    }


def _read_range(value: str | None, size: int) -> tuple[int, int] | None:
    """Return the first and the last byte, or ``None`` for the whole. S3 ignores a range that it cannot read."""
    found = _RANGE.fullmatch(value or "")
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if first and last and int(first) > int(last):
        return None
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last), size - 1) if first and last else size - 1
    if start > end:
        message = "The requested range is not satisfiable"
        raise Refusal(416, "InvalidRange", message, RangeRequested=value, ActualObjectSize=size)
    return start, end


def http_date(moment: datetime) -> str:
    """Return a time in the format of HTTP headers."""
    return format_datetime(moment, usegmt=True)


def xml_response(body: bytes) -> Answer:
    """Return a response with status 200 and a document."""
    return Answer(200, {"Content-Type": "application/xml"}, body)
