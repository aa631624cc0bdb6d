"""The tree of errors: who is whose kin, and what they say."""

from __future__ import annotations

import re

import pytest

from aios3 import errors
from aios3.errors import (
    CompletionUnknownError,
    ConfigurationError,
    ResponseError,
    StorageError,
    ThrottledError,
    TransportError,
    TransportTimeoutError,
)


def every_error() -> list[type[Exception]]:
    return [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize(
    ("error", "kin"),
    [(ConfigurationError, ValueError), (TransportError, OSError), (TransportTimeoutError, TimeoutError)],
)
def test_some_errors_are_errors_of_python_too(error: type[Exception], kin: type[Exception]) -> None:
    """So that code that knows nothing of us can handle them. A command's failure is an error of the source only."""
    assert issubclass(error, kin)
    assert [each for each in every_error() if not issubclass(each, StorageError)] == [errors.CommandError]


def test_the_tree_is_the_one_in_the_docstring() -> None:
    """Every class is drawn there, below the class that it belongs to."""
    stack: list[tuple[int, str]] = []
    parents: dict[str, str] = {}
    for indent, name in re.findall(r"^    ([ |+-]*)([A-Z][A-Za-z]+Error)\b", errors.__doc__ or "", re.MULTILINE):
        while stack and stack[-1][0] >= len(indent):
            stack.pop()
        if stack:
            parents[name] = stack[-1][1]
        stack.append((len(indent), name))
    expected = {error.__name__: error.__bases__[0].__name__ for error in every_error()}
    del expected["StorageError"], expected["CommandError"]
    assert parents == expected


def refused(**more: object) -> ResponseError:
    arguments: dict[str, object] = {"operation": "UploadPart", "status": 503, "code": "SlowDown"}
    return ThrottledError("slow down", **{**arguments, **more})  # type: ignore[arg-type]


def test_a_refusal_keeps_what_the_store_said() -> None:
    bare = ResponseError("no", operation="HeadObject", status=404)
    fields = ("code", "request_id", "host_id", "bucket", "key", "upload_id", "part_number")
    assert [getattr(bare, name) for name in fields] == [None] * 7
    assert (bare.message, bare.operation, bare.status) == ("no", "HeadObject", 404)
    values = {"request_id": "r", "host_id": "h", "bucket": "b", "key": "k", "upload_id": "u", "part_number": 7}
    full = refused(**values)
    assert {name: getattr(full, name) for name in values} == values


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ResponseError("no", operation="ListBuckets", status=500), "ListBuckets got response 500: no"),
        (refused(bucket="b"), "UploadPart of 'b' got response 503 SlowDown: slow down"),
        (
            refused(bucket="b", key="a/k", part_number=3, request_id="R1"),
            "UploadPart of 'b/a/k', part 3, got response 503 SlowDown: slow down (request id R1)",
        ),
        (
            refused(key="line\nbreak", upload_id="secret"),
            "UploadPart of 'line\\nbreak' got response 503 SlowDown: slow down",
        ),
    ],
)
def test_a_refusal_is_one_line_without_the_upload_id(error: ResponseError, text: str) -> None:
    """Built from its fields, so that it helps in a log."""
    assert str(error) == text


def test_transport_errors_are_temporary_unless_said_otherwise() -> None:
    error = TransportError("reset")
    assert (error.is_permanent, error.on_reused_connection, str(error)) == (False, False, "reset")


def test_an_unknown_outcome_says_what_to_look_at() -> None:
    error = CompletionUnknownError("unknown", bucket="b", key="k", upload_id=None)
    assert (str(error), error.bucket, error.key, error.upload_id) == ("unknown", "b", "k", None)
