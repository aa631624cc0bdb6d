"""Multipart uploads of the server: create, parts, complete and abort."""

from __future__ import annotations

from itertools import pairwise

from aios3.testing.wire.answers import Answer, Refusal
from aios3.testing.wire.bodies import CHECKSUM_PREFIX, Body, checksum_elements, require_lock_digest, verify_checksum
from aios3.testing.wire.documents import ListedPart, MalformedDocumentError, leaf, read_completion, write_document
from aios3.testing.wire.received import ReceivedRequest

from .descriptions import CUSTOMER_KEY, described
from .multipart_checksums import check_algorithm, check_listed_checksums, object_checksums, read_checksum_plan
from .state import (
    CompletedUpload,
    OpenUpload,
    Store,
    StoredObject,
    StoredPart,
    check_conditions,
    multipart_etag,
)

__all__ = [
    "abort_multipart_upload",
    "complete_multipart_upload",
    "create_multipart_upload",
    "require_upload_key",
    "upload_part",
]


def create_multipart_upload(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Create a multipart upload."""
    bucket, key = store.require_address(request)
    algorithm, kind = read_checksum_plan(request)
    upload_id = store.new_upload_id()
    headers = described(request.head)
    store.uploads[upload_id] = OpenUpload(bucket, key, upload_id, store.clock(), headers, algorithm, kind)
    document = write_document(
        "InitiateMultipartUploadResult", leaf("Bucket", bucket), leaf("Key", key), leaf("UploadId", upload_id)
    )
    plan = {CHECKSUM_PREFIX + "algorithm": algorithm.upper(), CHECKSUM_PREFIX + "type": kind} if algorithm else {}
    return Answer(200, {"Content-Type": "application/xml", **plan}, document)


def upload_part(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Store one part, instead of an earlier part with the same number."""
    number, most = request.part_number or 0, store.provider.max_parts
    if not 1 <= number <= most:
        message = f"Part number must be an integer between 1 and {most}, inclusive"
        raise Refusal(400, "InvalidArgument", message, ArgumentName="partNumber", ArgumentValue=number)
    upload = store.require_upload(request)
    require_upload_key(request, upload)
    require_lock_digest(request.head, upload.headers, "Put Part", always=upload.bucket in store.locked_buckets)
    checksums = verify_checksum(request.head, body)
    check_algorithm(upload, checksums)
    etag = store.opaque_etag() or f'"{body.digest("md5").hex()}"'
    upload.parts[number] = StoredPart(number, body.received, etag, store.clock(), checksums, body.kept)
    return Answer(200, {"ETag": etag, **checksums})


def require_upload_key(request: ReceivedRequest, upload: OpenUpload) -> None:
    """Check the customer key of a part, of which every part needs the one that Create had.

    Raises:
        Refusal: the key is missing, differs, or is not wanted.
    """
    expected, given = upload.headers.get(CUSTOMER_KEY), request.header(CUSTOMER_KEY)
    if expected is not None and given is None:
        message = "The multipart upload initiate requested encryption. Subsequent part requests must include it."
        raise Refusal(400, "InvalidRequest", message)
    if expected != given:
        message = "The provided encryption parameters did not match the ones used originally."
        raise Refusal(400, "InvalidRequest", message)


def complete_multipart_upload(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Make an object of the listed parts, or change nothing."""
    try:
        listed = read_completion(body.kept or b"")
    except MalformedDocumentError as error:
        raise Refusal(400, "MalformedXML", f"The XML you provided was not well-formed: {error}") from None
    repeated = _repeated_response(store, request, listed)
    if repeated:
        return repeated
    upload = store.require_upload(request)
    parts = _match_parts(upload, listed)
    _check_sizes(store, parts)
    check_listed_checksums(upload, listed)
    _check_object_size(request, parts)
    checksums = object_checksums(request, upload, parts)
    address = (upload.bucket, upload.key)
    check_conditions(request.head, store.objects.get(address))
    etag = store.opaque_etag() or multipart_etag(parts)
    version = store.save(address, _assemble(store, upload, parts, etag, checksums))
    del store.uploads[upload.upload_id]
    response = _completion_response(request, upload, etag, checksums).with_headers(version.items())
    store.completed[upload.upload_id] = CompletedUpload(*address, listed, response)
    return response


def abort_multipart_upload(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Remove the upload and its parts."""
    del store.uploads[store.require_upload(request).upload_id]
    return Answer(204)


def _repeated_response(store: Store, request: ReceivedRequest, listed: list[ListedPart]) -> Answer | None:
    done = store.completed.get(request.upload_id or "")
    if done is None or store.forget_completed:
        return None
    same = (done.bucket, done.key) == (request.bucket, request.key) and done.listed == listed
    return done.response if same else None


def _match_parts(upload: OpenUpload, listed: list[ListedPart]) -> list[StoredPart]:
    if any(before.number >= after.number for before, after in pairwise(listed)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise Refusal(400, "InvalidPartOrder", message, UploadId=upload.upload_id)
    if upload.checksum_algorithm and [part.number for part in listed] != list(range(1, len(listed) + 1)):
        raise Refusal(400, "InvalidPartOrder", "With checksums, part numbers are consecutive from 1.")
    parts = []
    for wanted in listed:
        part = upload.parts.get(wanted.number)
        if part is None or part.etag.strip('"') != wanted.etag:
            message = "One or more of the specified parts could not be found, or its entity tag did not match."
            details = {"UploadId": upload.upload_id, "PartNumber": wanted.number, "ETag": wanted.etag}
            raise Refusal(400, "InvalidPart", message, **details)
        parts.append(part)
    return parts


def _check_sizes(store: Store, parts: list[StoredPart]) -> None:
    least = store.provider.min_part_size
    *most, last = parts
    for part in most:
        if part.size < least:
            message = "Your proposed upload is smaller than the minimum allowed size"
            details = {"ProposedSize": part.size, "MinSizeAllowed": least, "PartNumber": part.number}
            raise Refusal(400, "EntityTooSmall", message, **details, ETag=part.etag.strip('"'))
    if store.provider.equal_parts and most:
        sizes = {part.size for part in most}
        if len(sizes) > 1 or last.size > most[0].size:
            raise Refusal(400, "InvalidPart", "All non-trailing parts must have the same length.")


def _check_object_size(request: ReceivedRequest, parts: list[StoredPart]) -> None:
    declared = request.header("x-amz-mp-object-size")
    size = sum(part.size for part in parts)
    if declared is not None and declared != str(size):
        message = f"The provided 'x-amz-mp-object-size' header value {declared} does not match the size {size}."
        raise Refusal(400, "InvalidRequest", message)


def _assemble(
    store: Store, upload: OpenUpload, parts: list[StoredPart], etag: str, checksums: dict[str, str]
) -> StoredObject:
    pieces = tuple(part.content for part in parts if part.content is not None)
    return StoredObject(
        size=sum(part.size for part in parts),
        etag=etag,
        headers=upload.headers,
        stored_at=store.clock(),
        parts=tuple(parts),
        checksums=checksums,
        checksum_type=upload.checksum_type or "FULL_OBJECT",
        pieces=pieces if len(pieces) == len(parts) else None,
    )


def _completion_response(request: ReceivedRequest, upload: OpenUpload, etag: str, checksums: dict[str, str]) -> Answer:
    location = f"http://{request.header('Host')}{request.path}"
    fields = [leaf("Location", location), leaf("Bucket", upload.bucket), leaf("Key", upload.key), leaf("ETag", etag)]
    if checksums:
        fields += [*checksum_elements(checksums), leaf("ChecksumType", upload.checksum_type)]
    return Answer(200, {"Content-Type": "application/xml"}, write_document("CompleteMultipartUploadResult", *fields))
