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

_BUCKET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]")


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


def get_bucket_location(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return the region of the bucket. S3 leaves it empty for us-east-1."""
    store.require_bucket(request)
    region = "" if store.region == "us-east-1" else store.region
    return xml_response(write_document("LocationConstraint", region))


def get_bucket_versioning(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return whether the bucket keeps versions. S3 says nothing of a bucket that never did."""
    enabled = store.require_bucket(request) in store.versioned_buckets
    return xml_response(write_document("VersioningConfiguration", *([leaf("Status", "Enabled")] if enabled else [])))


def put_bucket_versioning(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Let the bucket keep versions from now on. The server cannot suspend that."""
    name = store.require_bucket(request)
    try:
        status = read_versioning(body.kept or b"")
    except MalformedDocumentError as error:
        raise Refusal(400, "MalformedXML", f"The XML you provided was not well-formed: {error}") from None
    if status != "Enabled":
        raise Refusal(501, "NotImplemented", "Only the status Enabled is here.")
    store.versioned_buckets.add(name)
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
