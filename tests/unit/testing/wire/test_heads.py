"""Heads of requests, read strictly."""

from __future__ import annotations

import pytest

from aios3.testing.wire.heads import MAX_HEAD_SIZE, MalformedHeadError, read_head, take_head


def test_a_head_keeps_what_was_on_the_wire():
    head = read_head(b"PUT /b/a%2Fb%20c?uploads&x=%C3%A9+1 HTTP/1.1\r\nHoSt: h:1\r\nX-A:  1 \r\nx-a: 2")
    assert (head.method, head.target, head.path) == ("PUT", "/b/a%2Fb%20c?uploads&x=%C3%A9+1", "/b/a%2Fb%20c")
    assert head.query == (("uploads", ""), ("x", "é 1"))
    assert head.headers[0] == ("HoSt", "h:1")
    assert head.header("x-A") == "1,2"
    assert head.header("missing") is None
    assert (head.parameter("x"), head.parameter("y")) == ("é 1", None)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"GET /",
        b"GET / HTTP/1.0\r\nHost: h",
        b"GET  / HTTP/1.1\r\nHost: h",
        b"GE T / HTTP/1.1\r\nHost: h",
        b"GET http://h/ HTTP/1.1\r\nHost: h",
        b"GET /a b HTTP/1.1\r\nHost: h",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: h",
        b"GET /#a HTTP/1.1\r\nHost: h",
        b"GET /%2 HTTP/1.1\r\nHost: h",
        b"GET /?a=%ff HTTP/1.1\r\nHost: h",
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.1\r\nHost: h\r\nHost: h",
        b"GET / HTTP/1.1\r\nHost: h\r\nno colon",
        b"GET / HTTP/1.1\r\nHost: h\r\n folded: 1",
        b"GET / HTTP/1.1\r\nHost: h\r\nspace : 1",
        b"GET / HTTP/1.1\r\nHost: h\nx: 1",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: -1",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
    ],
)
def test_what_is_not_http_is_refused(raw: bytes):
    with pytest.raises(MalformedHeadError):
        read_head(raw)


@pytest.mark.parametrize("received", [b"GET / HTTP/1.1\nHost: h\n\n", b"x" * (MAX_HEAD_SIZE + 1)])
def test_a_head_that_cannot_become_whole_is_refused(received: bytes):
    with pytest.raises(MalformedHeadError):
        take_head(bytearray(received))
