"""Listings of open uploads and of their parts, one page a request."""

from __future__ import annotations

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
from aios3.testing.store.state import OpenUpload, Store, StoredPart, number_of
from aios3.testing.wire.answers import Answer, xml_response
from aios3.testing.wire.bodies import Body, checksum_elements
from aios3.testing.wire.documents import leaf, timestamp, tree, write_document
from aios3.testing.wire.received import ReceivedRequest

__all__ = ["list_multipart_uploads", "list_parts"]


def list_multipart_uploads(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """List open uploads by key, and uploads of one key by their start."""
    bucket = store.require_bucket(request)
    prefix, encode = read_common(store, request)
    most = read_count(request.head.parameter("max-uploads"), "max-uploads", store.page_limit)
    key_marker = request.head.parameter("key-marker") or ""
    id_marker = request.head.parameter("upload-id-marker") or ""
    # sorted() is stable, and the uploads are in the order of their start.
    uploads = sorted((u for u in store.uploads.values() if u.bucket == bucket), key=lambda upload: upload.key.encode())
    wanted = ((u.key, u) for u in uploads if _is_wanted(u, prefix, store))
    entries = group(wanted, prefix, request.head.parameter("delimiter"))
    if key_marker:
        # A client may have aborted the upload of the marker since, so its number counts and not its place.
        after = number_of(id_marker) if id_marker else None
        entries = after_markers(entries, key_marker, lambda u: after is not None and number_of(u.upload_id) > after)
    page, truncated = take(entries, most)
    fields = [leaf("Bucket", bucket), leaf("KeyMarker", encode(key_marker)), leaf("UploadIdMarker", id_marker)]
    fields += [leaf("Prefix", encode(prefix)), leaf("MaxUploads", most), truncated_field(is_truncated=truncated)]
    fields += encoding_field(request, encode)
    if truncated and page:
        key, upload = page[-1]
        fields.append(leaf("NextKeyMarker", encode(key)))
        fields += [leaf("NextUploadIdMarker", upload.upload_id)] if upload else []
    listed = [
        prefix_entry(encode(key)) if upload is None else _upload_entry(encode(key), upload) for key, upload in page
    ]
    return xml_response(write_document("ListMultipartUploadsResult", *fields, *listed))


def _is_wanted(upload: OpenUpload, prefix: str, store: Store) -> bool:
    if prefix and store.provider.lists_uploads_by_exact_key:
        return upload.key == prefix
    return upload.key.startswith(prefix)


def _upload_entry(key: str, upload: OpenUpload) -> str:
    fields = [leaf("Key", key), leaf("UploadId", upload.upload_id), *_owners(upload)]
    return tree("Upload", *fields, leaf("Initiated", timestamp(upload.initiated_at)))


def _owners(upload: OpenUpload) -> list[str]:
    storage_class = upload.headers.get("x-amz-storage-class", "STANDARD")
    return [owner_element("Initiator"), owner_element(), leaf("StorageClass", storage_class)]


def list_parts(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """List the parts of an open upload by number."""
    upload = store.require_upload(request)
    most = read_count(request.head.parameter("max-parts"), "max-parts", store.page_limit)
    marker = read_count(request.head.parameter("part-number-marker"), "part-number-marker", None, absent=0)
    page, truncated = take((upload.parts[number] for number in sorted(upload.parts) if number > marker), most)
    fields = [leaf("Bucket", upload.bucket), leaf("Key", upload.key), leaf("UploadId", upload.upload_id)]
    fields += [leaf("PartNumberMarker", marker), leaf("MaxParts", most), truncated_field(is_truncated=truncated)]
    fields += _owners(upload)
    if page:
        fields.append(leaf("NextPartNumberMarker", page[-1].number))
    if upload.checksum_algorithm:
        fields.append(leaf("ChecksumAlgorithm", upload.checksum_algorithm.upper()))
        fields.append(leaf("ChecksumType", upload.checksum_type))
    return xml_response(write_document("ListPartsResult", *fields, *(_part_entry(part) for part in page)))


def _part_entry(part: StoredPart) -> str:
    return tree(
        "Part",
        leaf("PartNumber", part.number),
        leaf("LastModified", timestamp(part.stored_at)),
        leaf("ETag", part.etag),
        leaf("Size", part.size),
        *checksum_elements(part.checksums),
    )
