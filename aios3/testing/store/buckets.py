"""Operations of the server on buckets and their settings."""

from __future__ import annotations

import re
from typing import Final

from aios3.testing.wire.answers import Answer, Refusal, xml_response
from aios3.testing.wire.bodies import Body
from aios3.testing.wire.documents import (
    MalformedDocumentError,
    leaf,
    read_location_constraint,
    read_versioning,
    timestamp,
    tree,
    write_document,
)
from aios3.testing.wire.received import ReceivedRequest

from .acls import canned_acl, owner_element
from .pages import make_token, read_count, read_token, take
from .state import Store

__all__ = [
    "create_bucket",
    "delete_bucket",
    "delete_bucket_lifecycle",
    "get_bucket_lifecycle",
    "get_bucket_location",
    "get_bucket_versioning",
    "head_bucket",
    "list_buckets",
    "put_bucket_lifecycle",
    "put_bucket_versioning",
]

_MOST_BUCKETS: Final = 10_000
_BUCKET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]")


def list_buckets(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """List buckets by name, one page a request. S3 gives 10,000 on a page at most."""
    prefix, token = request.head.parameter("prefix") or "", request.head.parameter("continuation-token")
    most = read_count(request.head.parameter("max-buckets"), "max-buckets", _MOST_BUCKETS)
    after = "" if token is None else read_token(token)
    page, is_truncated = take(
        (name for name in sorted(store.buckets) if name.startswith(prefix) and name > after), most
    )
    buckets = [
        tree("Bucket", leaf("Name", name), leaf("CreationDate", timestamp(store.buckets[name]))) for name in page
    ]
    fields = [leaf("Prefix", prefix)] if prefix else []
    if is_truncated:
        fields.append(leaf("ContinuationToken", make_token(page[-1])))
    root = "ListAllMyDirectoryBucketsResult" if store.has_sessions else "ListAllMyBucketsResult"
    return xml_response(write_document(root, owner_element(), tree("Buckets", *buckets), *fields))


def create_bucket(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Create a bucket, only in the region of the server."""
    name = request.bucket or ""
    if not _BUCKET_NAME.fullmatch(name):
        raise Refusal(400, "InvalidBucketName", "The specified bucket is not valid.", BucketName=name)
    _check_location(store, body)
    # The first region of S3 takes a bucket twice, for clients that are older than the error.
    if name in store.buckets and (store.region != "us-east-1" or store.has_sessions):
        message = "Your previous request to create the named bucket succeeded and you already own it."
        raise Refusal(409, "BucketAlreadyOwnedByYou", message, BucketName=name)
    store.buckets.setdefault(name, store.clock())
    store.acls[name] = canned_acl(request) or "private"
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
    if any(bucket == name for bucket, _ in (*store.objects, *store.versions)):
        message = "The bucket you tried to delete is not empty"
        raise Refusal(409, "BucketNotEmpty", message, BucketName=name)
    del store.buckets[name]
    for names in (store.versioned_buckets, store.suspended_buckets):
        names.discard(name)
    store.acls.pop(name, None)
    store.lifecycles.pop(name, None)
    for upload in [upload for upload in store.uploads.values() if upload.bucket == name]:
        del store.uploads[upload.upload_id]
    return Answer(204)


def get_bucket_location(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return the region of the bucket. S3 leaves it empty for us-east-1."""
    store.require_bucket(request)
    region = "" if store.region == "us-east-1" else store.region
    return xml_response(write_document("LocationConstraint", region))


def get_bucket_versioning(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return whether the bucket keeps versions. S3 says nothing of a bucket that never did."""
    name = store.require_bucket(request)
    status = "Enabled" if name in store.versioned_buckets else "Suspended" if name in store.suspended_buckets else None
    return xml_response(write_document("VersioningConfiguration", *([leaf("Status", status)] if status else [])))


def put_bucket_versioning(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Let the bucket keep versions from now on, or keep only those that it has."""
    name = store.require_bucket(request)
    try:
        status = read_versioning(body.kept or b"")
    except MalformedDocumentError as error:
        raise Refusal(400, "MalformedXML", f"The XML you provided was not well-formed: {error}") from None
    if status not in {"Enabled", "Suspended"}:
        raise Refusal(400, "IllegalVersioningConfigurationException", "The Versioning element must be specified")
    chosen, other = store.versioned_buckets, store.suspended_buckets
    if status == "Suspended":
        chosen, other = other, chosen
    chosen.add(name)
    other.discard(name)
    return Answer(200)


def get_bucket_lifecycle(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return the rules of the bucket as they were sent."""
    rules = store.lifecycles.get(store.require_bucket(request))
    if rules is None:
        message = "The lifecycle configuration does not exist"
        raise Refusal(404, "NoSuchLifecycleConfiguration", message, BucketName=request.bucket)
    return xml_response(rules)


def put_bucket_lifecycle(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Keep the rules of the bucket. The server never applies them."""
    store.lifecycles[store.require_bucket(request)] = body.kept or b""
    return Answer(200)


def delete_bucket_lifecycle(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Remove the rules of the bucket."""
    store.lifecycles.pop(store.require_bucket(request), None)
    return Answer(204)
