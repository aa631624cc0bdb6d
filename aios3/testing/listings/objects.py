"""Listings of objects in both versions, one page a request."""

from __future__ import annotations

from dataclasses import dataclass

from aios3.testing.store.acls import owner_element
from aios3.testing.store.pages import (
    Encoder,
    encoding_field,
    group,
    make_token,
    prefix_entry,
    read_common,
    read_count,
    read_token,
    take,
    truncated_field,
)
from aios3.testing.store.state import Store, StoredObject
from aios3.testing.wire.answers import Answer, Refusal, xml_response
from aios3.testing.wire.bodies import Body
from aios3.testing.wire.documents import leaf, timestamp, tree, write_document
from aios3.testing.wire.received import ReceivedRequest

__all__ = ["list_objects", "list_objects_v2"]


def list_objects(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """List keys in the order of their UTF-8 bytes, after a marker that is a key."""
    marker, delimiter = request.head.parameter("marker") or "", request.head.parameter("delimiter")
    listing = _list_keys(store, request, marker)
    fields = [leaf("Marker", listing.encode(marker))]
    # S3 names the next marker only with a delimiter. Without one, it is the last key.
    if listing.is_truncated and delimiter and listing.page:
        fields.append(leaf("NextMarker", listing.encode(listing.page[-1][0])))
    return _listing_response(store, request, listing, fields, with_owner=True)


def list_objects_v2(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """List keys in the order of their UTF-8 bytes, after a key or from a token on."""
    store.require_bucket(request)
    if request.head.parameter("list-type") != "2":
        raise Refusal(501, "NotImplemented", "Only version 2 of ListObjects has a list-type.", Header="list-type")
    token, start = request.head.parameter("continuation-token"), request.head.parameter("start-after")
    listing = _list_keys(store, request, (start or "") if token is None else read_token(token))
    fields = [leaf("KeyCount", len(listing.page))]
    if start is not None:
        fields.append(leaf("StartAfter", listing.encode(start)))
    if token is not None:
        fields.append(leaf("ContinuationToken", token))
    if listing.is_truncated and listing.page:
        fields.append(leaf("NextContinuationToken", make_token(listing.page[-1][0])))
    with_owner = request.head.parameter("fetch-owner") == "true"
    return _listing_response(store, request, listing, fields, with_owner=with_owner)


@dataclass(frozen=True, slots=True)
class _Listing:
    """One page of a listing of objects."""

    page: list[tuple[str, StoredObject | None]]
    """Keys with their objects, and common prefixes with ``None``, in order."""
    is_truncated: bool
    prefix: str
    most: int
    encode: Encoder


def _list_keys(store: Store, request: ReceivedRequest, after: str) -> _Listing:
    bucket = store.require_bucket(request)
    prefix, encode = read_common(store, request)
    most = read_count(request.head.parameter("max-keys"), "max-keys", store.page_limit)
    keys = sorted((key for owner, key in store.objects if owner == bucket and key.startswith(prefix)), key=str.encode)
    entries = group(((key, store.objects[bucket, key]) for key in keys), prefix, request.head.parameter("delimiter"))
    page, is_truncated = take((entry for entry in entries if entry[0].encode() > after.encode()), most)
    return _Listing(page, is_truncated, prefix, most, encode)


def _listing_response(
    store: Store, request: ReceivedRequest, listing: _Listing, fields: list[str], *, with_owner: bool
) -> Answer:
    bucket, encode = store.require_bucket(request), listing.encode
    shared = [leaf("Name", bucket), leaf("Prefix", encode(listing.prefix)), leaf("MaxKeys", listing.most)]
    shared += [truncated_field(is_truncated=listing.is_truncated), *encoding_field(request, encode)]
    owner = [owner_element()] if with_owner else []
    entries = [
        prefix_entry(encode(key)) if found is None else _object_entry(encode(key), found, *owner)
        for key, found in listing.page
    ]
    return xml_response(write_document("ListBucketResult", *shared, *fields, *entries))


def _object_entry(key: str, found: StoredObject, *owner: str) -> str:
    return tree(
        "Contents",
        leaf("Key", key),
        leaf("LastModified", timestamp(found.stored_at)),
        leaf("ETag", found.etag),
        leaf("Size", found.size),
        *owner,
        leaf("StorageClass", found.headers.get("x-amz-storage-class", "STANDARD")),
    )
