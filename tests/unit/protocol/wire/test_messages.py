"""Requests and answers as values."""

from __future__ import annotations

import dataclasses

import pytest

from aios3._protocol.wire.messages import Request, Response


def test_the_content_length_is_that_of_the_slices() -> None:
    request = Request("PutObject", "PUT", "https", "h", "/b/k", body=(b"ab", bytearray(3), memoryview(b"c")))
    assert request.content_length == 6
    assert Request("HeadObject", "HEAD", "https", "h", "/b/k").content_length == 0


def test_messages_do_not_change() -> None:
    request, response = Request("HeadObject", "HEAD", "https", "h", "/"), Response(200, {})
    for message, name in ((request, "path"), (response, "status")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(message, name, "other")
    assert (request.query, request.headers, request.body, response.body) == ((), {}, (), b"")


def test_a_request_does_not_show_what_it_carries() -> None:
    request = Request(
        "PutObject", "PUT", "https", "h", "/b/k", headers={"authorization": "a secret"}, body=(b"private bytes",)
    )
    assert "secret" not in repr(request)
    assert "private" not in repr(request)


def test_an_answer_does_not_show_what_it_carries() -> None:
    response = Response(200, {"x-echo": "a secret"}, b"<SecretAccessKey>a secret</SecretAccessKey>")
    assert "secret" not in repr(response).lower()
