"""Deletions of the server: one object, one version, or many objects in one request."""

from __future__ import annotations

from typing import Final

from aios3.testing.wire.answers import Answer, Refusal, xml_response
from aios3.testing.wire.bodies import Body, named_checksum, verify_checksum
from aios3.testing.wire.documents import DeletedKey, MalformedDocumentError, leaf, read_deletion, tree, write_document
from aios3.testing.wire.received import ReceivedRequest

from .state import Store

__all__ = ["delete_object", "delete_objects"]

_MOST_KEYS: Final = 1000
_OTHER_CONDITIONS: Final = ("x-amz-if-match-last-modified-time", "x-amz-if-match-size")
"""Conditions that only directory buckets take, and that would do harm if they were ignored."""


def delete_object(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Remove the object or one version of it. A missing object is no error, unless there is a condition."""
    address = store.require_address(request)
    for name in _OTHER_CONDITIONS:
        if request.header(name) is not None:
            raise _other_condition(name)
    _check_condition(store, address, request.header("If-Match"))
    return Answer(204, _remove(store, address, request.head.parameter("versionId")))


def delete_objects(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Remove every listed object, and report each."""
    bucket = store.require_bucket(request)
    if request.header("Content-MD5") is None and named_checksum(request.head) is None:
        raise Refusal(400, "InvalidRequest", "Missing required header for this request: Content-MD5")
    verify_checksum(request.head, body)
    try:
        listed, is_quiet = read_deletion(body.kept or b"")
    except MalformedDocumentError as error:
        raise Refusal(400, "MalformedXML", f"The XML you provided was not well-formed: {error}") from None
    if len(listed) > _MOST_KEYS:
        raise Refusal(400, "MalformedXML", f"more than {_MOST_KEYS} keys")
    entries = [_delete_listed(store, bucket, each) for each in listed]
    return xml_response(
        write_document("DeleteResult", *(entry for entry in entries if not (is_quiet and entry.startswith("<Deleted"))))
    )


def _delete_listed(store: Store, bucket: str, each: DeletedKey) -> str:
    named = [leaf("Key", each.key)] + ([leaf("VersionId", each.version_id)] if each.version_id else [])
    address = (bucket, each.key)
    try:
        _check_permission(store, address)
        if each.has_other_condition:
            raise _other_condition("Object")
        _check_condition(store, address, each.etag)
    except Refusal as refusal:
        return tree("Error", *named, leaf("Code", refusal.code), leaf("Message", refusal.message))
    headers = _remove(store, address, each.version_id)
    marker = headers.get("x-amz-delete-marker")
    extra = [leaf("DeleteMarker", marker), leaf("DeleteMarkerVersionId", headers["x-amz-version-id"])] if marker else []
    return tree("Deleted", *named, *extra)


def _other_condition(name: str) -> Refusal:
    message = "A header you provided implies functionality that is not implemented"
    return Refusal(501, "NotImplemented", message, Header=name)


def _check_permission(store: Store, address: tuple[str, str]) -> None:
    if address in store.undeletable:
        raise Refusal(403, "AccessDenied", "Access Denied")


def _remove(store: Store, address: tuple[str, str], version_id: str | None) -> dict[str, str]:
    if version_id is not None:
        return store.remove_version(address, version_id)
    return store.save(address, None)


def _check_condition(store: Store, address: tuple[str, str], wanted: str | None) -> None:
    if wanted is None:
        return
    found, _ = store.find(address, None)
    if wanted.strip('"') not in {"*", found.etag.strip('"')}:
        raise Refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
