"""Writers of S3's XML request bodies, and a safe reader of its XML responses.

Reading tolerates variants that stores really send (no namespace, other namespaces,
prefixes, a byte order mark, white space first). It is strict about harmful input:
size, depth and document types are refused before a tree is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from xml.parsers import expat

import xmltodict

__all__ = [
    "Element",
    "XmlError",
    "parse_xml",
    "read_time",
    "to_utf8",
    "write_complete",
    "write_create_bucket",
    "write_create_directory_bucket",
    "write_delete",
]

MAX_DOCUMENT_BYTES: Final = 8 * 1024 * 1024
"""Bytes of a document. The largest honest response, a page of 10,000 parts with checksums, has some 3 MB."""

MAX_DEPTH: Final = 32
"""Levels of elements. S3's documents have four."""

MAX_ELEMENTS: Final = 100_000
"""Elements of a document, each a few hundred bytes of memory. A page of 10,000 parts has some 80,000."""

MAX_TAG_BYTES: Final = 256 * 1024
"""Bytes of a tag; S3's have 100. Tags are read as a whole, and a million attributes would fill hundreds of MB."""

MAX_REPLACED: Final = 100_000
"""Characters that are replaced; each costs more memory than its bytes. A body with more of them is no document."""

_FEED_BYTES: Final = 64 * 1024

_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>'
_WHITE_SPACE: Final = b" \t\r\n"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_DECLARED: Final = re.compile(rb"<\?xml[^>]{1,80}?encoding\s*=\s*[\"']([A-Za-z0-9_.-]{1,20})[\"']")
_CHARSET: Final = re.compile(
    r"iso-8859-[0-9]{1,2}|latin-?1|windows-125[0-9]|us-ascii|koi8-[ru]|gb2312|gbk|gb18030|big5|shift_jis|euc-(?:jp|kr)",
    re.ASCII | re.IGNORECASE,
)
"""Charsets of documents that are in real use. Python knows others that cause warnings, or are slow on hostile input."""
_UTF_16: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
"""Charsets by the first two bytes of a document that has no byte of an ASCII superset there."""

_FORBIDDEN: Final = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01])|x0*(?:[0-8bBcCeEfF]|1[0-9a-fA-F]));"
)
"""Control characters except tab and line ends, raw or as references."""
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}".encode()


class XmlError(Exception):
    """The bytes are not a document that this module reads."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its local name, its text, its children by local name. Attributes are dropped."""

    name: str
    content: str = ""
    """Text of the element as sent, white space included; mere indentation if the element has children."""
    children: dict[str, list[Element]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The local names of the children, each once, in the order of the document."""
        return tuple(self.children)

    def all(self, name: str) -> Sequence[Element]:
        """Return every child of that name, in order."""
        return self.children.get(name, [])

    def child(self, name: str) -> Element | None:
        """Return the first child of that name, or ``None``."""
        found = self.children.get(name)
        return found[0] if found else None

    def text(self, name: str) -> str | None:
        """Return the text of the first child of that name, not stripped, or ``None`` without such a child."""
        found = self.child(name)
        return None if found is None else found.content

    def flag(self, name: str) -> bool:
        """Return whether the child's text is ``true``, in any case; False without the child."""
        return (self.text(name) or "").strip().lower() == "true"

    def number(self, name: str) -> int | None:
        """Return the child's text as a number from 0 up, or ``None`` if it is missing or anything else."""
        text = (self.text(name) or "").strip()
        # Eighteen digits exceed every size, and int() is fast and never fails on them.
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def to_utf8(body: bytes, *, is_lossy: bool = False) -> bytes:
    """Return the document in UTF-8: as it is if it is UTF-8, else read in the charset that it declares.

    If the charset is unknown or wrong, the bytes come back as they are. With `is_lossy`, bytes that cannot be read
    become U+FFFD then. That suits the message of an error, but never a key.
    """
    if body.isascii() and body[:2] not in _UTF_16:
        return body
    for charset in _charsets(body):
        with suppress(UnicodeDecodeError, LookupError):
            return body.decode(charset).encode()
    return body.decode(errors="replace").encode() if is_lossy else body


def _charsets(body: bytes) -> Iterator[str]:
    yield _UTF_16.get(body[:2], "utf-8")
    declared = _DECLARED.match(body.lstrip(_WHITE_SPACE))
    if declared is not None and _CHARSET.fullmatch(declared[1].decode()):
        yield declared[1].decode()


def parse_xml(body: bytes) -> Element:
    """Return the document's root element; characters that XML cannot hold are replaced by U+FFFD.

    The document is in UTF-8, or in the charset that it declares.

    Raises:
        XmlError: the body is empty, truncated or not XML, or has a document type
            (so no entity is ever expanded). Also if it is over 8 MiB, 32 levels,
            100,000 elements or 256 KiB for one tag.
    """
    if len(body) > MAX_DOCUMENT_BYTES:
        raise XmlError(f"the document is over {MAX_DOCUMENT_BYTES} bytes")
    text = to_utf8(body).lstrip(_WHITE_SPACE).removeprefix(_BYTE_ORDER_MARK).lstrip(_WHITE_SPACE)
    # S3 repeats keys in its responses, even keys with characters that XML 1.0 cannot hold.
    text = _FORBIDDEN.sub(_REPLACEMENT, text, count=MAX_REPLACED)
    try:
        _check(text)
        tree = xmltodict.parse(
            text,
            encoding="utf-8",
            disable_entities=True,
            force_list=True,
            postprocessor=_drop_prefix,
            strip_whitespace=False,
            xml_attribs=False,
        )
    except (expat.ExpatError, ValueError) as error:
        raise XmlError(str(error)) from None
    ((name, (content,)),) = tree.items()
    return _element(name, content)


def read_time(text: str | None) -> datetime | None:
    """Return an ISO 8601 time in UTC, or ``None`` if there is none or it makes no sense. No zone means UTC."""
    try:
        time = datetime.fromisoformat((text or "").strip())
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write_complete(parts: Iterable[tuple[int, str, str | None]], checksum_algorithm: str | None) -> bytes:
    """Return the body of CompleteMultipartUpload.

    Part checksums are written only if an algorithm is named: S3 refuses them
    unless the same algorithm was named at Create.
    """
    tag = f"Checksum{checksum_algorithm.upper()}" if checksum_algorithm else None
    listed = "".join([_part(number, etag, tag, checksum) for number, etag, checksum in parts])
    return _document("CompleteMultipartUpload", listed)


def write_create_bucket(location: str) -> bytes:
    """Return the body of CreateBucket for a bucket in that region."""
    return _document("CreateBucketConfiguration", f"<LocationConstraint>{_escape(location)}</LocationConstraint>")


def write_create_directory_bucket(zone: str) -> bytes:
    """Return the body of CreateBucket for a directory bucket in that zone."""
    # Ids of availability zones have two words (use1-az4), ids of local zones three (usw2-lax1-az1).
    kind = "LocalZone" if zone.count("-") > 1 else "AvailabilityZone"
    place = f"<Location><Name>{_escape(zone)}</Name><Type>{kind}</Type></Location>"
    bucket = f"<Bucket><DataRedundancy>Single{kind}</DataRedundancy><Type>Directory</Type></Bucket>"
    return _document("CreateBucketConfiguration", place + bucket)


def write_delete(objects: Iterable[tuple[str, str | None]]) -> bytes:
    """Return the body of DeleteObjects for these keys and versions; ``None`` means the current version."""
    return _document("Delete", "".join([_deleted(key, version_id) for key, version_id in objects]))


def _deleted(key: str, version_id: str | None) -> str:
    version = "" if version_id is None else f"<VersionId>{_escape(version_id)}</VersionId>"
    return f"<Object><Key>{_escape(key)}</Key>{version}</Object>"


def _part(number: int, etag: str, checksum_tag: str | None, checksum: str | None) -> str:
    listed = f"<PartNumber>{number}</PartNumber><ETag>{_escape(etag)}</ETag>"
    if checksum_tag and checksum:
        listed += f"<{checksum_tag}>{_escape(checksum)}</{checksum_tag}>"
    return f"<Part>{listed}</Part>"


def _escape(text: str) -> str:
    # A parser turns a bare carriage return into a line feed.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def _document(root: str, inner: str) -> bytes:
    return f'{_DECLARATION}<{root} xmlns="{_NAMESPACE}">{inner}</{root}>'.encode()


class _Guard:
    """Refuses a harmful document while it is scanned, before a tree is built from it."""

    def __init__(self) -> None:
        self._depth = 0
        self._elements = 0

    def start(self, _name: str, _attributes: object) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise XmlError(f"the document is over {MAX_DEPTH} levels deep or {MAX_ELEMENTS} elements long")

    def end(self, _name: str) -> None:
        self._depth -= 1

    def refuse_document_type(self, *_declaration: object) -> None:
        raise XmlError("the document has a document type, which S3's never have")


def _check(text: bytes) -> None:
    guard = _Guard()
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = guard.start
    parser.EndElementHandler = guard.end
    parser.StartDoctypeDeclHandler = guard.refuse_document_type
    for start in range(0, len(text), _FEED_BYTES):
        end = start + _FEED_BYTES
        parser.Parse(text[start:end], False)
        if end - parser.CurrentByteIndex > MAX_TAG_BYTES:
            raise XmlError(f"the document has a tag of over {MAX_TAG_BYTES} bytes")
    parser.Parse(b"", True)


def _drop_prefix(_path: object, name: str, value: Any) -> tuple[str, Any]:
    return name.rpartition(":")[2], value


def _element(name: str, content: Any) -> Element:
    if not isinstance(content, dict):
        return Element(name, content or "")
    children = {
        child: [_element(child, value) for value in values] for child, values in content.items() if child != "#text"
    }
    return Element(name, "".join(content.get("#text", ())), children)
