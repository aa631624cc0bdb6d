"""Common interface of the S3 operations: each builds one request and reads one response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeVar

from aios3._protocol.wire.error_responses import describe_body, read_error
from aios3._protocol.wire.messages import Body, Request, Response
from aios3._protocol.wire.response_headers import host_id, request_id
from aios3._protocol.wire.uri import Endpoint
from aios3._protocol.wire.xml_bodies import Element, XmlError, parse_xml
from aios3.errors import ResponseError

__all__ = ["CONTROL_OPERATIONS", "Operation", "build_request", "is_success", "parse_result", "refusal", "unusable"]

CONTROL_OPERATIONS: Final = frozenset({"CreateBucket", "DeleteBucket", "ListBuckets"})
"""Names of the operations that make, remove and list buckets. Some stores have another endpoint for the objects."""

T_co = TypeVar("T_co", covariant=True)


class Operation(Protocol[T_co]):
    """One call of the S3 API as a value: repeatable and stateless."""

    @property
    def name(self) -> str:
        """S3's name of the operation, for example ``"UploadPart"``."""

    @property
    def bucket(self) -> str | None:
        """The bucket, or ``None`` for the service itself."""

    @property
    def key(self) -> str | None:
        """The key, or ``None`` for operations on buckets."""

    @property
    def upload_id(self) -> str | None:
        """The id of the multipart upload, or ``None`` if there is none."""

    @property
    def part_number(self) -> int | None:
        """The number of the part, or ``None`` for every operation but UploadPart."""

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""

    def read(self, response: Response) -> T_co:
        """Return the content of the response.

        Raises:
            ResponseError: the response is a refusal, or (with status 2xx and no
                code) not what S3 sends.
        """


def build_request(
    operation: Operation[Any],
    endpoint: Endpoint,
    method: str,
    *,
    query: tuple[tuple[str, str], ...] = (),
    headers: Mapping[str, str] | None = None,
    body: Body = (),
) -> Request:
    """Return the request for the operation's bucket and key."""
    host, path = endpoint.locate(operation.bucket, operation.key)
    return Request(operation.name, method, endpoint.scheme, host, path, query, dict(headers or {}), body)


def is_success(response: Response) -> bool:
    """Return whether the status is 2xx. A redirect is no success, since S3's redirects need another signature."""
    return 200 <= response.status < 300


def refusal(operation: Operation[Any], response: Response) -> ResponseError:
    """Return the error that the response reports."""
    return read_error(
        response,
        operation=operation.name,
        bucket=operation.bucket,
        key=operation.key,
        upload_id=operation.upload_id,
        part_number=operation.part_number,
    )


def unusable(operation: Operation[Any], response: Response, message: str) -> ResponseError:
    """Return the error for a success that lacks required content: with the response's status, and no code."""
    return ResponseError(
        message,
        operation=operation.name,
        status=response.status,
        request_id=request_id(response.headers),
        host_id=host_id(response.headers),
        bucket=operation.bucket,
        key=operation.key,
        upload_id=operation.upload_id,
        part_number=operation.part_number,
    )


def parse_result(operation: Operation[Any], response: Response, *roots: str) -> Element:
    """Return the response's document if its root has one of these names, or ends in "Response" instead of "Result".

    Raises:
        ResponseError: the response is a refusal (even inside a 200), or has another document or none.
    """
    if not is_success(response):
        raise refusal(operation, response)
    try:
        document = parse_xml(response.body)
    except XmlError:
        if (error := refusal(operation, response)).code is not None:
            raise error from None
        came = describe_body(response)
        raise unusable(operation, response, f"the store sent a success with {came}") from None
    if document.name in roots or f"{document.name.removesuffix('Response')}Result" in roots:  # moto 5.2.1 writes these
        return document
    if document.name in ("Error", "ErrorResponse"):
        raise refusal(operation, response)
    raise unusable(operation, response, f"the store sent a success with an unexpected {document.name!r:.80} document")
