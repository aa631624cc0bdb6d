"""XML documents of S3, written and read with the standard library only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

__all__ = [
    "DeletedKey",
    "ListedPart",
    "MalformedDocumentError",
    "leaf",
    "read_completion",
    "read_deletion",
    "read_location_constraint",
    "read_tags",
    "read_versioning",
    "timestamp",
    "tree",
    "write_document",
]

_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
_UNSAFE: Final = re.compile(r"[&<>\"\x00-\x1f\x7f]")


class MalformedDocumentError(Exception):
    """The body is not the document that the operation takes."""


@dataclass(frozen=True, slots=True)
class ListedPart:
    """Part in the list of a CompleteMultipartUpload."""

    number: int
    etag: str
    """ETag without quotes, even if it was sent with them."""
    checksums: Mapping[str, str]
    """Checksums by lower-case algorithm, for example ``"crc32"``."""


@dataclass(frozen=True, slots=True)
class DeletedKey:
    """Object in the list of a DeleteObjects."""

    key: str
    version_id: str | None
    etag: str | None
    has_other_condition: bool = False
    """Whether there is a condition on the time or the size of the object."""


def leaf(name: str, value: object) -> str:
    """Return an element that holds text. S3 writes control characters as references, though XML 1.0 forbids most."""
    return f"<{name}>{_UNSAFE.sub(lambda found: f'&#{ord(found[0])};', str(value))}</{name}>"


def tree(name: str, *children: str) -> str:
    """Return an element that holds elements."""
    return f"<{name}>{''.join(children)}</{name}>"


def write_document(root: str, *children: str, namespace: bool = True) -> bytes:
    """Return a whole document."""
    opening = f'<{root} xmlns="{_NAMESPACE}">' if namespace else f"<{root}>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{opening}{"".join(children)}</{root}>'.encode()


def timestamp(moment: datetime) -> str:
    """Return a time in the format of S3's documents, in UTC with milliseconds."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def read_completion(body: bytes) -> list[ListedPart]:
    """Read the parts of a CompleteMultipartUpload request, at least one.

    Raises:
        MalformedDocumentError: the body is another document, is broken, or lists no part.
    """
    root = _parse(body, "CompleteMultipartUpload")
    parts = [_read_part(child) for child in root]
    if not parts:
        raise MalformedDocumentError("no part is listed")
    return parts


def read_deletion(body: bytes) -> tuple[list[DeletedKey], bool]:
    """Read the objects of a DeleteObjects request, at least one, and whether the response leaves successes out.

    Raises:
        MalformedDocumentError: the body is another document, is broken, or lists no object.
    """
    root = _parse(body, "Delete")
    fields = [
        {_local_name(child): child.text or "" for child in element}
        for element in root
        if _local_name(element) == "Object"
    ]
    if not fields or not all(each.get("Key") for each in fields):
        raise MalformedDocumentError("an object has a Key")
    is_quiet = any(_local_name(child) == "Quiet" and child.text == "true" for child in root)
    other = {"LastModifiedTime", "Size"}
    return [
        DeletedKey(each["Key"], each.get("VersionId"), each.get("ETag"), bool(other & each.keys())) for each in fields
    ], is_quiet


def read_location_constraint(body: bytes) -> str | None:
    """Read the region of a CreateBucket request; ``None`` if it names none.

    Raises:
        MalformedDocumentError: the body is another document, or broken.
    """
    if not body:
        return None
    root = _parse(body, "CreateBucketConfiguration")
    return next((child.text or "" for child in root if _local_name(child) == "LocationConstraint"), None)


def read_tags(body: bytes) -> list[tuple[str, str]]:
    """Read the names and values of a PutObjectTagging request.

    Raises:
        MalformedDocumentError: the body is another document, or broken.
    """
    tags = []
    for element in _parse(body, "Tagging").iter():
        if _local_name(element) == "Tag":
            fields = {_local_name(child): child.text or "" for child in element}
            if "Key" not in fields:
                raise MalformedDocumentError("a tag has a Key")
            tags.append((fields["Key"], fields.get("Value", "")))
    return tags


def read_versioning(body: bytes) -> str | None:
    """Read the status of a PutBucketVersioning request; ``None`` if it names none.

    Raises:
        MalformedDocumentError: the body is another document, or broken.
    """
    root = _parse(body, "VersioningConfiguration")
    return next((child.text or "" for child in root if _local_name(child) == "Status"), None)


def _parse(body: bytes, expected: str) -> ET.Element:
    # Entities can make a reader fetch files or fill memory. S3 takes none either.
    if b"<!" in body:
        raise MalformedDocumentError("a document type declaration")
    try:
        root = ET.fromstring(body)
    except ET.ParseError as error:
        raise MalformedDocumentError(str(error)) from None
    if root.tag not in {expected, f"{{{_NAMESPACE}}}{expected}"}:
        raise MalformedDocumentError(f"not a {expected}: {root.tag}")
    return root


def _read_part(element: ET.Element) -> ListedPart:
    fields = {_local_name(child): (child.text or "").strip() for child in element}
    number, etag = fields.pop("PartNumber", ""), fields.pop("ETag", "")
    if _local_name(element) != "Part" or not re.fullmatch(r"[0-9]{1,9}", number) or not etag:
        raise MalformedDocumentError("a part is a Part with PartNumber and ETag")
    if any(not name.startswith("Checksum") for name in fields):
        raise MalformedDocumentError("an unknown element in a part")
    checksums = {name.removeprefix("Checksum").lower(): value for name, value in fields.items()}
    return ListedPart(int(number), etag.strip('"'), checksums)


def _local_name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
