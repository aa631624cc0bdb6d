"""Copies of the server: of a whole object, or of a range of bytes as a part."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote_to_bytes

from aios3.testing.wire.answers import Answer, Refusal, xml_response
from aios3.testing.wire.bodies import CHECKSUM_PREFIX, Body, checksum_elements, checksum_of
from aios3.testing.wire.documents import leaf, timestamp, write_document
from aios3.testing.wire.received import ReceivedRequest

from .descriptions import CONTENT_HEADERS, described
from .multipart import require_upload_key
from .reads import is_wanted, require_customer_key
from .state import Store, StoredObject, StoredPart, check_conditions

__all__ = ["copy_object", "upload_part_copy"]

_RANGE: Final = re.compile(r"bytes=([0-9]+)-([0-9]+)")
_SOURCE: Final = "x-amz-copy-source-"
_CHANGES: Final = ("x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-server-side-encryption")
"""Beginnings of the headers that give a copy to itself a sense."""


def copy_object(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Copy an object of at most 5 GiB, with its metadata or with new metadata."""
    address = store.require_address(request)
    source, version = _source(store, request)
    if source.size > store.provider.max_copy_size:
        message = "The specified copy source is larger than the maximum allowable size for a copy source"
        raise Refusal(400, "InvalidRequest", f"{message}: {store.provider.max_copy_size}")
    if source is store.objects.get(address) and not _changes_something(request):
        message = "This copy request is illegal because it is trying to copy an object to itself without changing it."
        raise Refusal(400, "InvalidRequest", message)
    check_conditions(request.head, store.objects.get(address))
    digest = hashlib.md5(b"".join(source.pieces or ()), usedforsecurity=False).hexdigest()
    copied = dataclasses.replace(
        source,
        etag=store.opaque_etag() or f'"{digest}"',
        headers=_headers(request, source),
        stored_at=store.clock(),
        parts=(),
        checksums={name: _checksum(name, source.pieces or ()) for name in source.checksums},
        checksum_type="FULL_OBJECT",
    )
    saved = store.save(address, copied)
    return _result("CopyObjectResult", copied.etag, copied.stored_at, {**saved, **version}, copied.checksums)


def _changes_something(request: ReceivedRequest) -> bool:
    if "REPLACE" in {request.header("x-amz-metadata-directive"), request.header("x-amz-tagging-directive")}:
        return True
    return any(name.lower().startswith(_CHANGES) for name, _ in request.headers)


def upload_part_copy(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Store a range of an object as one part."""
    upload = store.require_upload(request)
    require_upload_key(request, upload)
    source, version = _source(store, request)
    if source.pieces is None:
        raise Refusal(501, "NotImplemented", "This server does not keep bodies (keep_bodies=False).")
    content = source.body
    section = request.header("x-amz-copy-source-range")
    if section is not None:
        found = _RANGE.fullmatch(section)
        if found is None or int(found[1]) > int(found[2]):
            raise Refusal(400, "InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=a-b")
        if int(found[2]) >= source.size:
            message = f"Range specified is not valid for source object of size: {source.size}"
            raise Refusal(400, "InvalidArgument", message)
        content = content[int(found[1]) : int(found[2]) + 1]
    if len(content) > store.provider.max_part_size:
        raise Refusal(400, "InvalidRequest", "The part is too large")
    number, now = request.part_number or 0, store.clock()
    etag = store.opaque_etag() or f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
    names = [CHECKSUM_PREFIX + upload.checksum_algorithm] if upload.checksum_algorithm else []
    checksums = {name: _checksum(name, [content]) for name in names}
    upload.parts[number] = StoredPart(number, len(content), etag, now, checksums, content)
    return _result("CopyPartResult", etag, now, version, checksums)


def _source(store: Store, request: ReceivedRequest) -> tuple[StoredObject, dict[str, str]]:
    """Return the source, and the header that names its version."""
    place, _, query = (request.header("x-amz-copy-source") or "").partition("?")
    path = unquote_to_bytes(place).decode().removeprefix("/")
    bucket, _, key = path.partition("/")
    if bucket not in store.buckets:
        raise Refusal(404, "NoSuchBucket", "The specified bucket does not exist", BucketName=bucket)
    version_id = unquote_to_bytes(query.removeprefix("versionId=")).decode() if query else None
    found, version = store.find((bucket, key), version_id)
    require_customer_key(found, request.header(f"{_SOURCE}server-side-encryption-customer-key-md5"))
    if not is_wanted(request, found, _SOURCE):
        raise Refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    version_id = version.get("x-amz-version-id")
    return found, {} if version_id is None else {"x-amz-copy-source-version-id": version_id}


def _headers(request: ReceivedRequest, source: StoredObject) -> dict[str, str]:
    given = described(request.head)
    if request.header("x-amz-metadata-directive") == "REPLACE":
        kept = {}
    else:
        kept = {name: value for name, value in source.headers.items() if _is_metadata(name)}
        given = {name: value for name, value in given.items() if not _is_metadata(name)}
    if request.header("x-amz-tagging-directive") != "REPLACE":
        given.pop("x-amz-tagging", None)
        kept |= {name: value for name, value in source.headers.items() if name == "x-amz-tagging"}
    return {**kept, **given}


def _is_metadata(name: str) -> bool:
    return name in CONTENT_HEADERS or name.startswith("x-amz-meta-")


def _checksum(name: str, pieces: Iterable[bytes]) -> str:
    """Return the checksum of a header's name. S3 computes it again for a copy."""
    return base64.b64encode(checksum_of(name.removeprefix(CHECKSUM_PREFIX), pieces)).decode()


def _result(
    root: str, etag: str, now: datetime, headers: dict[str, str], checksums: Mapping[str, str] = MappingProxyType({})
) -> Answer:
    document = write_document(
        root, leaf("LastModified", timestamp(now)), leaf("ETag", etag), *checksum_elements(checksums)
    )
    return xml_response(document).with_headers(headers.items())
