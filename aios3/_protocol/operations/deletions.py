"""Deletion of many objects in one request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from aios3._protocol.wire.messages import Request, Response
from aios3._protocol.wire.uri import Endpoint
from aios3._protocol.wire.xml_bodies import Element, write_delete
from aios3.models import DeletionFailure

from .base import build_request, parse_result

__all__ = ["MOST_KEYS", "DeleteObjects", "DeletionReport", "is_exact_in_xml"]

MOST_KEYS: Final = 1000
"""Keys of one request."""

_INEXACT: Final = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]|^\\s|\\s$")
"""Characters that XML 1.0 cannot hold, or that a parser may change."""


def is_exact_in_xml(key: str) -> bool:
    """Return whether a document names the key exactly, for every parser."""
    return _INEXACT.search(key) is None


@dataclass(frozen=True, slots=True)
class DeletionReport:
    """Objects of one request, by the response of the store."""

    deleted: frozenset[tuple[str, str | None]]
    """Key and requested version of the objects that are gone."""
    failures: tuple[DeletionFailure, ...]


@dataclass(frozen=True, slots=True)
class DeleteObjects:
    """Delete at most 1,000 objects. The store reports each of them."""

    name: ClassVar[str] = "DeleteObjects"
    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str
    objects: Sequence[tuple[str, str | None]]
    """Key and version of each object; ``None`` means the current one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers, among them a digest of `body`."""

    @property
    def body(self) -> bytes:
        """Document that the digest must cover."""
        return write_delete(self.objects)

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        headers = {**self.headers, "content-type": "application/xml"}
        return build_request(self, endpoint, "POST", query=(("delete", ""),), headers=headers, body=(self.body,))

    def read(self, response: Response) -> DeletionReport:
        """Return the report.

        Raises:
            ResponseError: the store refused the whole request, or the response cannot be read.
        """
        document = parse_result(self, response, "DeleteResult", "DeleteObjectsResult", "DeleteObjectsOutput")
        deleted = frozenset(_named(element) for element in document.all("Deleted"))
        return DeletionReport(deleted, tuple(_failure(element) for element in document.all("Error")))


def _named(element: Element) -> tuple[str, str | None]:
    return element.text("Key") or "", (element.text("VersionId") or "").strip() or None


def _failure(element: Element) -> DeletionFailure:
    key, version_id = _named(element)
    words = (element.text("Message") or "").strip()
    return DeletionFailure(key, version_id, (element.text("Code") or "").strip() or None, words[:300])
