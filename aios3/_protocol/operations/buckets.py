"""Operations on one bucket: head, create, delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from aios3._protocol.wire.messages import Request, Response
from aios3._protocol.wire.uri import Endpoint
from aios3._protocol.wire.xml_bodies import write_create_bucket

from .base import build_request, is_success, refusal

__all__ = ["CreateBucket", "DeleteBucket", "HeadBucket"]


@dataclass(frozen=True, slots=True)
class HeadBucket:
    """Check that a bucket exists and may be used."""

    name: ClassVar[str] = "HeadBucket"
    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        return build_request(self, endpoint, "HEAD")

    def read(self, response: Response) -> None:
        """Return if the bucket may be used.

        Raises:
            ResponseError: the bucket does not exist, or the store refused.
        """
        if not is_success(response):
            raise refusal(self, response)


@dataclass(frozen=True, slots=True)
class CreateBucket:
    """Create a bucket in the region ``location``; ``None`` is the endpoint's region."""

    name: ClassVar[str] = "CreateBucket"
    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str
    location: str | None

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        if self.location is None:
            return build_request(self, endpoint, "PUT")
        body = write_create_bucket(self.location)
        return build_request(self, endpoint, "PUT", headers={"content-type": "application/xml"}, body=(body,))

    def read(self, response: Response) -> None:
        """Return if the bucket was created.

        Raises:
            ResponseError: the store refused; `ConflictError` if the name is taken.
        """
        if not is_success(response):
            raise refusal(self, response)


@dataclass(frozen=True, slots=True)
class DeleteBucket:
    """Delete an empty bucket."""

    name: ClassVar[str] = "DeleteBucket"
    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        return build_request(self, endpoint, "DELETE")

    def read(self, response: Response) -> None:
        """Return if the bucket is gone.

        Raises:
            ResponseError: the store refused; `ConflictError` if the bucket is not empty.
        """
        if not is_success(response):
            raise refusal(self, response)
