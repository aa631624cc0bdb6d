"""Operations on one whole bucket: look at, create, delete."""

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
    """Ask whether a bucket exists and may be used."""

    name: ClassVar[str] = "HeadBucket"
    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        return build_request(self, endpoint, "HEAD")

    def read(self, response: Response) -> None:
        """Return if it does.

        Raises:
            ResponseError: it does not, or the store refused.
        """
        if not is_success(response):
            raise refusal(self, response)


@dataclass(frozen=True, slots=True)
class CreateBucket:
    """Make a bucket, in another region than the endpoint's if ``location`` names one."""

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
        """Return if it was made.

        Raises:
            ResponseError: the store refused; `ConflictError` if the name is taken.
        """
        if not is_success(response):
            raise refusal(self, response)


@dataclass(frozen=True, slots=True)
class DeleteBucket:
    """Remove a bucket that is empty."""

    name: ClassVar[str] = "DeleteBucket"
    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        return build_request(self, endpoint, "DELETE")

    def read(self, response: Response) -> None:
        """Return if it is gone.

        Raises:
            ResponseError: the store refused; `ConflictError` if the bucket is not empty.
        """
        if not is_success(response):
            raise refusal(self, response)
