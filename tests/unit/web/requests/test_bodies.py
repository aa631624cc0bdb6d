"""Bodies of the requests of several libraries."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from aios3.web._requests.bodies import body_of


def test_what_is_no_request_is_a_type_error():
    for wrong in (b"", None, (1, 2, 3), object()):
        with pytest.raises(TypeError):
            body_of(wrong)


async def test_a_starlette_request_that_was_read_is_refused():
    """Its body would be missing, which looks like a client that disconnected."""

    async def receive():
        return {"type": "http.request", "body": b"x"}

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    assert await body_of(request).read() == b"x"
    await request.body()
    with pytest.raises(RuntimeError, match="read already"):
        body_of(request)


@pytest.mark.parametrize(("text", "length"), [(b"5", 5), (b"-5", None), (b"x", None), (b"9" * 30, None)])
def test_a_length_that_is_none_is_ignored(text, length):
    assert body_of(({"headers": [(b"Content-Length", text)]}, None)).length == length
