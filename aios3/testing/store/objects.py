"""Operations of the server that write whole objects and their tags."""

from __future__ import annotations

import dataclasses
from urllib.parse import parse_qsl, urlencode

from aios3.testing.wire.answers import Answer, Refusal, xml_response
from aios3.testing.wire.bodies import Body, require_lock_digest, verify_checksum
from aios3.testing.wire.documents import MalformedDocumentError, leaf, read_tags, tree, write_document
from aios3.testing.wire.received import ReceivedRequest

from .descriptions import check_tags, described
from .state import Store, StoredObject, check_conditions

__all__ = ["delete_object_tagging", "get_object_tagging", "put_object", "put_object_tagging"]


def put_object(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Store the body under the key, whole or not at all."""
    address = store.require_address(request)
    headers = described(request.head)
    require_lock_digest(request.head, headers, "Put Object", always=address[0] in store.locked_buckets)
    checksums = verify_checksum(request.head, body)
    check_conditions(request.head, store.objects.get(address))
    etag = store.opaque_etag() or f'"{body.digest("md5").hex()}"'
    pieces = None if body.kept is None else (body.kept,)
    version = store.save(
        address, StoredObject(body.received, etag, headers, store.clock(), (), checksums, pieces=pieces)
    )
    return Answer(200, {"ETag": etag, **checksums, **version})


def get_object_tagging(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return the tags of the object."""
    found, version = store.find(store.require_address(request), request.head.parameter("versionId"))
    pairs = parse_qsl(found.headers.get("x-amz-tagging", ""), keep_blank_values=True)
    tags = [tree("Tag", leaf("Key", name), leaf("Value", value)) for name, value in pairs]
    return xml_response(write_document("Tagging", tree("TagSet", *tags))).with_headers(version.items())


def put_object_tagging(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Replace the tags of the object, or of a version."""
    try:
        tags = read_tags(body.kept or b"")
    except MalformedDocumentError as error:
        raise Refusal(400, "MalformedXML", f"The XML you provided was not well-formed: {error}") from None
    check_tags(tags)
    return _tag(store, request, {"x-amz-tagging": urlencode(tags)}, status=200)


def delete_object_tagging(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Remove the tags of the object, or of a version."""
    return _tag(store, request, {}, status=204)


def _tag(store: Store, request: ReceivedRequest, tags: dict[str, str], *, status: int) -> Answer:
    address = store.require_address(request)
    found, version = store.find(address, request.head.parameter("versionId"))
    kept = {name: value for name, value in found.headers.items() if name != "x-amz-tagging"}
    store.replace(address, found, dataclasses.replace(found, headers={**kept, **tags}))
    return Answer(status, version)
