"""Listing of the versions of objects and of the markers of deletions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from aios3.testing.store.acls import owner_element
from aios3.testing.store.pages import (
    after_markers,
    encoding_field,
    group,
    prefix_entry,
    read_common,
    read_count,
    take,
    truncated_field,
)
from aios3.testing.store.state import NULL_VERSION, Store, StoredVersion, number_of
from aios3.testing.wire.answers import Answer, xml_response
from aios3.testing.wire.bodies import Body
from aios3.testing.wire.documents import leaf, timestamp, tree, write_document
from aios3.testing.wire.received import ReceivedRequest

__all__ = ["list_object_versions"]


@dataclass(frozen=True, slots=True)
class _Entry:
    """Version of a key in a listing."""

    version: StoredVersion
    is_latest: bool


def list_object_versions(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """List versions and markers of deletions by key, and those of one key from the newest on."""
    bucket = store.require_bucket(request)
    prefix, encode = read_common(store, request)
    most = read_count(request.head.parameter("max-keys"), "max-keys", store.page_limit)
    key_marker = request.head.parameter("key-marker") or ""
    id_marker = request.head.parameter("version-id-marker") or ""
    wanted = ((key, entry) for key, entry in _versions(store, bucket) if key.startswith(prefix))
    last = _number(store, (bucket, key_marker), id_marker)
    entries = after_markers(
        group(wanted, prefix, request.head.parameter("delimiter")),
        key_marker,
        lambda entry: entry.version.number < last,
    )
    page, truncated = take(entries, most)
    fields = [leaf("Name", bucket), leaf("Prefix", encode(prefix)), leaf("KeyMarker", encode(key_marker))]
    fields += [leaf("VersionIdMarker", id_marker), leaf("MaxKeys", most), truncated_field(is_truncated=truncated)]
    fields += encoding_field(request, encode)
    if truncated and page:
        key, entry = page[-1]
        fields.append(leaf("NextKeyMarker", encode(key)))
        fields += [leaf("NextVersionIdMarker", entry.version.version_id)] if entry else []
    listed = [prefix_entry(encode(key)) if entry is None else _element(encode(key), entry) for key, entry in page]
    return xml_response(write_document("ListVersionsResult", *fields, *listed))


def _number(store: Store, address: tuple[str, str], id_marker: str) -> int:
    """Return the number of the version that a marker names. A client may have removed that version since."""
    if not id_marker:
        return -1
    numbers = {version.version_id: version.number for version in _history(store, address)}
    return numbers.get(id_marker, number_of(id_marker, absent=sys.maxsize))


def _versions(store: Store, bucket: str) -> Iterator[tuple[str, _Entry]]:
    keys = {key for owner, key in (*store.objects, *store.versions) if owner == bucket}
    for key in sorted(keys, key=str.encode):
        for place, version in enumerate(reversed(_history(store, (bucket, key)))):
            yield key, _Entry(version, is_latest=place == 0)


def _history(store: Store, address: tuple[str, str]) -> list[StoredVersion]:
    history, found = store.versions.get(address, []), store.objects.get(address)
    return history or ([StoredVersion(NULL_VERSION, found, found.stored_at)] if found else [])


def _element(key: str, entry: _Entry) -> str:
    version, found = entry.version, entry.version.found
    common = [leaf("Key", key), leaf("VersionId", version.version_id), leaf("IsLatest", str(entry.is_latest).lower())]
    common += [leaf("LastModified", timestamp(version.stored_at)), owner_element()]
    if found is None:
        return tree("DeleteMarker", *common)
    storage_class = found.headers.get("x-amz-storage-class", "STANDARD")
    return tree(
        "Version", *common, leaf("ETag", found.etag), leaf("Size", found.size), leaf("StorageClass", storage_class)
    )
