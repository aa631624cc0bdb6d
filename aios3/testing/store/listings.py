"""Listings of objects, uploads and parts, one page a request."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar
from urllib.parse import quote

from aios3.testing.wire.answers import Answer, Refusal, xml_response
from aios3.testing.wire.bodies import Body, checksum_elements
from aios3.testing.wire.documents import leaf, timestamp, tree, write_document
from aios3.testing.wire.received import ReceivedRequest

from .state import OpenUpload, Store, StoredObject, StoredPart, StoredVersion

__all__ = ["list_multipart_uploads", "list_object_versions", "list_objects", "list_objects_v2", "list_parts"]

_Item = TypeVar("_Item")


def list_objects(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """List keys in the order of their UTF-8 bytes, after a marker that is a key."""
    marker, delimiter = request.head.parameter("marker") or "", request.head.parameter("delimiter")
    listing = _list_keys(store, request, marker)
    fields = [leaf("Marker", listing.encode(marker))]
    # S3 names the next marker only with a delimiter. Without one, it is the last key.
    if listing.is_truncated and delimiter and listing.page:
        fields.append(leaf("NextMarker", listing.encode(listing.page[-1])))
    return _listing_response(store, request, listing, fields, with_owner=True)


def list_objects_v2(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """List keys in the order of their UTF-8 bytes, after a key or from a token on."""
    store.require_bucket(request)
    if request.head.parameter("list-type") != "2":
        raise Refusal(501, "NotImplemented", "Only version 2 of ListObjects has a list-type.", Header="list-type")
    token, start = request.head.parameter("continuation-token"), request.head.parameter("start-after")
    listing = _list_keys(store, request, (start or "") if token is None else _read_token(token))
    fields = [leaf("KeyCount", len(listing.page))]
    if start is not None:
        fields.append(leaf("StartAfter", listing.encode(start)))
    if token is not None:
        fields.append(leaf("ContinuationToken", token))
    if listing.is_truncated and listing.page:
        fields.append(leaf("NextContinuationToken", base64.b64encode(listing.page[-1].encode()).decode()))
    with_owner = request.head.parameter("fetch-owner") == "true"
    return _listing_response(store, request, listing, fields, with_owner=with_owner)


@dataclass(frozen=True, slots=True)
class _Listing:
    """One page of a listing of objects."""

    page: list[str]
    """Keys and common prefixes in order."""
    common: set[str]
    """Those entries of the page that are common prefixes."""
    is_truncated: bool
    prefix: str
    most: int
    encode: _Encoder


def _list_keys(store: Store, request: ReceivedRequest, after: str) -> _Listing:
    bucket = store.require_bucket(request)
    prefix, encode = _read_common(store, request)
    most = _read_count(request, "max-keys", store.page_limit)
    keys = (key for owner, key in store.objects if owner == bucket and key.startswith(prefix))
    entries = _group(keys, prefix, request.head.parameter("delimiter"))
    page, is_truncated = _take((entry for entry in entries if entry.encode() > after.encode()), most)
    return _Listing(page, {entry for entry in page if entries[entry]}, is_truncated, prefix, most, encode)


def _listing_response(
    store: Store, request: ReceivedRequest, listing: _Listing, fields: list[str], *, with_owner: bool
) -> Answer:
    bucket, encode = store.require_bucket(request), listing.encode
    shared = [leaf("Name", bucket), leaf("Prefix", encode(listing.prefix)), leaf("MaxKeys", listing.most)]
    if delimiter := request.head.parameter("delimiter"):
        shared.append(leaf("Delimiter", encode(delimiter)))
    shared += [_truncated(listing.is_truncated), *_encoding_field(request)]
    owner = [tree("Owner", leaf("ID", "owner"))] if with_owner else []
    entries = [
        tree("CommonPrefixes", leaf("Prefix", encode(each)))
        if each in listing.common
        else _object_entry(encode(each), store.objects[bucket, each], *owner)
        for each in listing.page
    ]
    return xml_response(write_document("ListBucketResult", *shared, *fields, *entries))


def _group(keys: Iterable[str], prefix: str, delimiter: str | None) -> dict[str, bool]:
    """Return keys and common prefixes in the order of their UTF-8 bytes, and whether each is a common prefix."""
    entries = {}
    for key in sorted(keys, key=str.encode):
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        entries[key if end < 0 or delimiter is None else key[: end + len(delimiter)]] = end >= 0
    return entries


def list_object_versions(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """List versions and markers of deletions by key, and those of one key from the newest on."""
    bucket = store.require_bucket(request)
    prefix, encode = _read_common(store, request)
    most = _read_count(request, "max-keys", store.page_limit)
    key_marker = request.head.parameter("key-marker") or ""
    id_marker = request.head.parameter("version-id-marker") or ""
    entries = [entry for entry in _versions(store, bucket) if entry[0].startswith(prefix)]
    passed = [
        place for place, entry in enumerate(entries) if (entry[0], entry[1].version_id) == (key_marker, id_marker)
    ]
    if id_marker:
        entries = entries[passed[0] + 1 :] if passed else []
    elif key_marker:
        entries = [entry for entry in entries if entry[0].encode() > key_marker.encode()]
    page, truncated = _take(entries, most)
    fields = [leaf("Name", bucket), leaf("Prefix", encode(prefix)), leaf("KeyMarker", encode(key_marker))]
    fields += [leaf("VersionIdMarker", id_marker), leaf("MaxKeys", most), _truncated(truncated)]
    fields += _encoding_field(request)
    if truncated and page:
        fields.append(leaf("NextKeyMarker", encode(page[-1][0])))
        fields.append(leaf("NextVersionIdMarker", page[-1][1].version_id))
    listed = [_version_entry(encode(key), version, is_latest=is_latest) for key, version, is_latest in page]
    return xml_response(write_document("ListVersionsResult", *fields, *listed))


def _versions(store: Store, bucket: str) -> Iterator[tuple[str, StoredVersion, bool]]:
    keys = {key for owner, key in (*store.objects, *store.versions) if owner == bucket}
    for key in sorted(keys, key=str.encode):
        history = store.versions.get((bucket, key), [])
        if not history and (found := store.objects.get((bucket, key))):
            history = [StoredVersion("null", found, found.stored_at)]
        for place, version in enumerate(reversed(history)):
            yield key, version, place == 0


def _version_entry(key: str, version: StoredVersion, *, is_latest: bool) -> str:
    common = [leaf("Key", key), leaf("VersionId", version.version_id), leaf("IsLatest", str(is_latest).lower())]
    common.append(leaf("LastModified", timestamp(version.stored_at)))
    if version.found is None:
        return tree("DeleteMarker", *common)
    found = version.found
    return tree(
        "Version", *common, leaf("ETag", found.etag), leaf("Size", found.size), leaf("StorageClass", "STANDARD")
    )


def list_multipart_uploads(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """List open uploads by key, and uploads of one key by their start."""
    bucket = store.require_bucket(request)
    prefix, encode = _read_common(store, request)
    if request.head.parameter("delimiter"):
        raise Refusal(501, "NotImplemented", "Listing uploads by delimiter is not here.", Header="delimiter")
    most = _read_count(request, "max-uploads", store.page_limit)
    key_marker = request.head.parameter("key-marker") or ""
    id_marker = request.head.parameter("upload-id-marker") or ""
    # sorted() is stable, and the uploads are in the order of their start.
    uploads = sorted((u for u in store.uploads.values() if u.bucket == bucket), key=lambda upload: upload.key.encode())
    wanted = (u for u in _after_markers(uploads, key_marker, id_marker) if _is_wanted(u, prefix, store))
    page, truncated = _take(wanted, most)
    fields = [leaf("Bucket", bucket), leaf("KeyMarker", encode(key_marker)), leaf("UploadIdMarker", id_marker)]
    fields += [leaf("Prefix", encode(prefix)), leaf("MaxUploads", most), _truncated(truncated)]
    fields += _encoding_field(request)
    if truncated and page:
        fields.append(leaf("NextKeyMarker", encode(page[-1].key)))
        fields.append(leaf("NextUploadIdMarker", page[-1].upload_id))
    entries = [_upload_entry(encode(upload.key), upload) for upload in page]
    return xml_response(write_document("ListMultipartUploadsResult", *fields, *entries))


def list_parts(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """List the parts of an open upload by number."""
    upload = store.require_upload(request)
    most = _read_count(request, "max-parts", store.page_limit)
    marker = _read_count(request, "part-number-marker", None, absent=0)
    page, truncated = _take((upload.parts[number] for number in sorted(upload.parts) if number > marker), most)
    fields = [leaf("Bucket", upload.bucket), leaf("Key", upload.key), leaf("UploadId", upload.upload_id)]
    fields += [leaf("PartNumberMarker", marker), leaf("MaxParts", most), _truncated(truncated)]
    if page:
        fields.append(leaf("NextPartNumberMarker", page[-1].number))
    if upload.checksum_algorithm:
        fields.append(leaf("ChecksumAlgorithm", upload.checksum_algorithm.upper()))
        fields.append(leaf("ChecksumType", upload.checksum_type))
    return xml_response(write_document("ListPartsResult", *fields, *(_part_entry(part) for part in page)))


def _take(items: Iterable[_Item], most: int) -> tuple[list[_Item], bool]:
    rest = iter(items)
    page = list(islice(rest, most))
    # S3 calls a page of zero entries "not truncated".
    return page, most > 0 and next(rest, None) is not None


def _read_count(request: ReceivedRequest, name: str, most: int | None, absent: int | None = None) -> int:
    value = request.head.parameter(name)
    if value is None:
        return (most if absent is None else absent) or 0
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise Refusal(400, "InvalidArgument", f"Provided {name} not an integer or within integer range")
    return int(value) if most is None else min(int(value), most)


class _Encoder:
    """Writes keys in the encoding that the request asked for."""

    def __init__(self, *, url: bool) -> None:
        self._url = url

    def __call__(self, key: str) -> str:
        return quote(key, safe="/-_.~") if self._url else key


def _read_common(store: Store, request: ReceivedRequest) -> tuple[str, _Encoder]:
    encoding = request.head.parameter("encoding-type")
    if encoding not in {None, "url"}:
        raise Refusal(400, "InvalidArgument", "Invalid Encoding Method specified in Request")
    prefix = request.head.parameter("prefix") or ""
    if store.provider.lists_by_folder and prefix and not prefix.endswith("/"):
        raise Refusal(400, "InvalidRequest", "A prefix has to end in a delimiter here.")
    return prefix, _Encoder(url=encoding == "url")


def _encoding_field(request: ReceivedRequest) -> list[str]:
    return [leaf("EncodingType", "url")] if request.head.parameter("encoding-type") else []


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token, validate=True).decode()
    except (binascii.Error, ValueError):
        raise Refusal(400, "InvalidArgument", "The continuation token provided is incorrect") from None


def _after_markers(uploads: list[OpenUpload], key_marker: str, id_marker: str) -> list[OpenUpload]:
    ids = [upload.upload_id for upload in uploads if upload.key == key_marker]
    passed = set(ids[: ids.index(id_marker) + 1]) if id_marker in ids else set() if id_marker else set(ids)
    return [u for u in uploads if u.key.encode() >= key_marker.encode() and u.upload_id not in passed]


def _is_wanted(upload: OpenUpload, prefix: str, store: Store) -> bool:
    if prefix and store.provider.lists_uploads_by_exact_key:
        return upload.key == prefix
    return upload.key.startswith(prefix)


def _truncated(truncated: bool) -> str:
    return leaf("IsTruncated", str(truncated).lower())


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


def _upload_entry(key: str, upload: OpenUpload) -> str:
    return tree(
        "Upload",
        leaf("Key", key),
        leaf("UploadId", upload.upload_id),
        tree("Initiator", leaf("ID", "owner")),
        tree("Owner", leaf("ID", "owner")),
        leaf("StorageClass", upload.headers.get("x-amz-storage-class", "STANDARD")),
        leaf("Initiated", timestamp(upload.initiated_at)),
    )


def _part_entry(part: StoredPart) -> str:
    return tree(
        "Part",
        leaf("PartNumber", part.number),
        leaf("LastModified", timestamp(part.stored_at)),
        leaf("ETag", part.etag),
        leaf("Size", part.size),
        *checksum_elements(part.checksums),
    )
