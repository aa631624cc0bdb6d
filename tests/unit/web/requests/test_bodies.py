"""Bodies of the requests of several libraries."""

from __future__ import annotations

import pytest
from litestar import Request as LitestarRequest
from starlette.requests import Request

from aios3.web._requests.bodies import body_of


def test_what_is_no_request_is_a_type_error():
    for wrong in (b"", None, (1, 2, 3), object()):
        with pytest.raises(TypeError):
            body_of(wrong)


@pytest.mark.parametrize("kind", [Request, LitestarRequest])
@pytest.mark.parametrize("way", ["at once", "by iteration"])
async def test_a_request_that_was_read_is_refused(kind, way):
    """Its body would be missing, which looks like a client that disconnected."""
    scope = {"type": "http", "method": "POST", "headers": [], "app": None, "state": {}, "path": "/"}

    async def receive():
        return {"type": "http.request", "body": b"x"}

    request = kind(scope, receive)
    assert [chunk async for chunk in body_of(request)] == [b"x"]
    if way == "at once":
        request._body = b"x"  # as `body()` of both does
    elif kind is Request:
        async for _ in request.stream():
            pass
    else:
        request.is_connected = False  # as `stream()` does, which needs a whole application
    with pytest.raises(RuntimeError, match="read already"):
        body_of(request)


@pytest.mark.parametrize(("text", "length"), [(b"5", 5), (b"-5", None), (b"x", None), (b"9" * 30, None)])
def test_a_length_that_is_none_is_ignored(text, length):
    assert body_of(({"headers": [(b"Content-Length", text)]}, None)).length == length
