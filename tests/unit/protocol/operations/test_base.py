"""What all operations share: where the request goes, and who and what an error is about."""

from __future__ import annotations

from typing import Any

import pytest

from aios3._protocol.operations import UploadPart
from aios3._protocol.operations.base import build_request, parse_result, refusal, unusable
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.uri import Endpoint
from aios3.errors import AccessDeniedError, ResponseError

PART = UploadPart("bucket", "a b", "id", 7, (b"x",), {})


def test_a_request_goes_to_the_endpoints_host_and_the_operations_key() -> None:
    endpoint = Endpoint.parse("http://h:1/base", "path")
    headers = {"a": "b"}
    request = build_request(PART, endpoint, "PUT", query=(("x", "y"),), headers=headers, body=(b"1", b"23"))
    assert (request.operation, request.method, request.scheme, request.host) == ("UploadPart", "PUT", "http", "h:1")
    assert (request.path, request.query, request.content_length) == ("/base/bucket/a%20b", (("x", "y"),), 3)
    assert request.headers == headers
    assert request.headers is not headers
    assert build_request(PART, endpoint, "PUT").headers == {}


@pytest.mark.parametrize("make", [lambda answer: refusal(PART, answer), lambda answer: unusable(PART, answer, "words")])
def test_an_error_says_what_it_is_about(make: Any) -> None:
    error = make(Response(403, {"x-amz-request-id": "r", "x-amz-id-2": "h"}))
    assert (error.operation, error.bucket, error.key) == ("UploadPart", "bucket", "a b")
    assert (error.upload_id, error.part_number, error.request_id, error.host_id) == ("id", 7, "r", "h")
    assert (error.status, error.code) == (403, None)


def test_a_success_that_cannot_be_used_has_no_code() -> None:
    """Callers take status 200 without a code as an outcome that is not known."""
    error = unusable(PART, Response(200, {}), "words")
    assert (type(error), error.status, error.code, error.message) == (ResponseError, 200, None, "words")


@pytest.mark.parametrize(
    ("status", "body", "error_type", "code", "part"),
    [
        (403, b"<A/>", AccessDeniedError, None, "XML"),
        (
            200,
            b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>",
            AccessDeniedError,
            "AccessDenied",
            "no",
        ),
        (200, b"<ErrorResponse><Error><Code>X</Code></Error></ErrorResponse>", ResponseError, "X", "no message"),
        (200, b"", ResponseError, None, "a success with an empty body"),
        (200, b"<A><b>", ResponseError, None, "a success with XML that cannot be read"),
        (200, b"<html></html>", ResponseError, None, "an unexpected 'html' document"),
    ],
)
def test_anything_else_is_an_error(
    status: int, body: bytes, error_type: type[ResponseError], code: str | None, part: str
) -> None:
    """Refusals keep their code, also inside a 200; other bodies are named."""
    with pytest.raises(ResponseError) as caught:
        parse_result(PART, Response(status, {}, body), "A")
    assert type(caught.value) is error_type
    assert (caught.value.status, caught.value.code) == (status, code)
    assert part in caught.value.message
