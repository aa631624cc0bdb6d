"""Access control lists: the canned ACLs of buckets and objects, and what they allow without a signature.

The store has one account. So there are no grants to others, and bucket policies do not exist.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aios3.testing.wire.answers import Answer, Refusal, xml_response
from aios3.testing.wire.bodies import Body
from aios3.testing.wire.documents import leaf, tree, write_document
from aios3.testing.wire.received import ReceivedRequest

from .state import Store

__all__ = [
    "allows_anonymous",
    "canned_acl",
    "get_bucket_acl",
    "get_object_acl",
    "owner_element",
    "put_bucket_acl",
    "put_object_acl",
]

_EVERYBODY: Final = "AllUsers"
_GRANTS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = MappingProxyType(
    {
        "private": (),
        "public-read": ((_EVERYBODY, "READ"),),
        "public-read-write": ((_EVERYBODY, "READ"), (_EVERYBODY, "WRITE")),
        "authenticated-read": (("AuthenticatedUsers", "READ"),),
        "aws-exec-read": (),
        "bucket-owner-read": (),
        "bucket-owner-full-control": (),
    }
)
"""Groups and their permissions, by canned ACL. The owner has every permission."""

_BUCKET_READS: Final = frozenset({"HeadBucket", "ListObjects", "ListObjectsV2"})
_OBJECT_READS: Final = frozenset({"HeadObject", "GetObject"})
_WRITES: Final = frozenset({"PutObject", "DeleteObject"})


def owner_element(name: str = "Owner") -> str:
    """Return the element that names the only account."""
    return tree(name, leaf("ID", "owner"), leaf("DisplayName", "owner"))


def canned_acl(request: ReceivedRequest) -> str | None:
    """Return the canned ACL of a request; ``None`` if it names none.

    Raises:
        Refusal: there is no such canned ACL.
    """
    acl = request.header("x-amz-acl")
    if acl is not None and acl not in _GRANTS:
        raise Refusal(400, "InvalidArgument", "", ArgumentName="x-amz-acl", ArgumentValue=acl)
    return acl


def allows_anonymous(store: Store, request: ReceivedRequest) -> bool:
    """Return whether the ACL of the bucket or of the object allows a request without a signature.

    Raises:
        Refusal: the bucket does not exist.
    """
    if request.operation not in _BUCKET_READS | _OBJECT_READS | _WRITES:
        return False
    granted = _permissions(store.acls.get(store.require_bucket(request), "private"))
    if request.operation in _WRITES:
        return "WRITE" in granted
    if request.operation in _BUCKET_READS:
        return "READ" in granted
    try:
        found, _ = store.find(store.require_address(request), request.head.parameter("versionId"))
    except Refusal:
        return "READ" in granted  # who may list the bucket may know that the object is missing
    return "READ" in _permissions(found.headers.get("x-amz-acl", "private"))


def _permissions(acl: str) -> set[str]:
    return {permission for group, permission in _GRANTS.get(acl, ()) if group == _EVERYBODY}


def get_bucket_acl(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return the ACL of the bucket."""
    return _document(store.acls.get(store.require_bucket(request), "private"))


def put_bucket_acl(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Give the bucket a canned ACL."""
    store.acls[store.require_bucket(request)] = _required_acl(request)
    return Answer(200)


def get_object_acl(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return the ACL of the object, or of a version."""
    found, version = store.find(store.require_address(request), request.head.parameter("versionId"))
    return _document(found.headers.get("x-amz-acl", "private")).with_headers(version.items())


def put_object_acl(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Give the object, or a version of it, a canned ACL."""
    address, acl = store.require_address(request), _required_acl(request)
    found, version = store.find(address, request.head.parameter("versionId"))
    store.replace(address, found, dataclasses.replace(found, headers={**found.headers, "x-amz-acl": acl}))
    return Answer(200, version)


def _required_acl(request: ReceivedRequest) -> str:
    acl = canned_acl(request)
    if acl is None:
        raise Refusal(501, "NotImplemented", "Only canned ACLs are here, no grants.", Header="x-amz-acl")
    return acl


def _document(acl: str) -> Answer:
    owner = _grant("CanonicalUser", leaf("ID", "owner") + leaf("DisplayName", "owner"), "FULL_CONTROL")
    grants = [
        _grant("Group", leaf("URI", f"http://acs.amazonaws.com/groups/global/{group}"), permission)
        for group, permission in _GRANTS.get(acl, ())
    ]
    return xml_response(
        write_document("AccessControlPolicy", owner_element(), tree("AccessControlList", owner, *grants))
    )


def _grant(kind: str, grantee: str, permission: str) -> str:
    opening = f'<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="{kind}">'
    return tree("Grant", f"{opening}{grantee}</Grantee>", leaf("Permission", permission))
