"""Read-only question about a bucket, as an operation that uploads never need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from aios3._protocol.operations.base import build_request, parse_result
from aios3._protocol.wire.messages import Request, Response
from aios3._protocol.wire.uri import Endpoint
from aios3._protocol.wire.xml_bodies import Element

__all__ = ["BucketQuery"]


@dataclass(frozen=True, slots=True)
class BucketQuery:
    """Read a document about a bucket."""

    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    name: str
    """S3's name of the operation."""
    bucket: str
    query: tuple[tuple[str, str], ...]
    """Parameters of the URL, such as ``(("lifecycle", ""),)``."""
    root: str
    """Name of the document's root element."""

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        return build_request(self, endpoint, "GET", query=self.query)

    def read(self, response: Response) -> Element:
        """Return the document.

        Raises:
            ResponseError: the store refused, or sent another document.
        """
        return parse_result(self, response, self.root)
