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


def test_content_length_is_a_number_or_unknown():
    assert read_head(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 12").content_length == 12
    assert read_head(b"PUT / HTTP/1.1\r\nHost: h").content_length is None


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


def test_a_head_is_cut_off_when_it_is_whole():
    received = bytearray(b"GET / HTTP/1.1\r\nHost: h\r\n")
    assert take_head(received) is None
    received += b"\r\nbody"
    head = take_head(received)
    assert head is not None
    assert head.header("host") == "h"
    assert received == b"body"


@pytest.mark.parametrize("received", [b"GET / HTTP/1.1\nHost: h\n\n", b"x" * (MAX_HEAD_SIZE + 1)])
def test_a_head_that_cannot_become_whole_is_refused(received: bytes):
    with pytest.raises(MalformedHeadError):
        take_head(bytearray(received))


def test_a_whole_head_that_is_too_long_is_refused():
    with pytest.raises(MalformedHeadError):
        take_head(bytearray(b"GET / HTTP/1.1\r\nx: " + b"a" * MAX_HEAD_SIZE + b"\r\n\r\n"))
