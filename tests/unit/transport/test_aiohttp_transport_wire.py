"""What a request looks like on the wire."""

from __future__ import annotations

import asyncio
import re
from itertools import cycle, pairwise

import aiohttp
import pytest

from aios3._protocol.wire.messages import Request
from aios3._protocol.wire.uri import canonical_query, encode_path
from aios3.errors import DriverClosedError, TransportError, TransportTimeoutError
from tests.support.wire import OK, answer

BOTH = pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])


async def answer_all(peer):
    """Answer every request with an empty 200."""
    while True:
        await peer.read_request()
        peer.send(OK)


def headers_of(head: bytes) -> dict[str, str]:
    """Return the headers of a request head by lower-case name; a name that is there twice is an error."""
    pairs = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line]
    by_name = {name.lower(): value for name, value in pairs}
    assert len(by_name) == len(pairs), "a header is there twice"
    return by_name


@pytest.mark.parametrize(
    "path",
    [
        "/bucket/a/../b",
        "/bucket/a//b",
        "/bucket//",
        "/bucket/.",
        "/bucket/..",
        "/bucket/a~b",
        "/bucket/%7E",
        "/bucket/a%2Fb",
        "/bucket/a%25b",
        "/bucket/a%2Bb%20c",
        "/bucket/" + encode_path("ключ/日本/é/\U0001f600"),
        "/bucket/" + encode_path("!$&'()*,;=:@?#[]\"<>\\^`{|}"),
        "/bucket/" + encode_path("\x00\x01\n\x7f"),
    ],
)
async def test_the_path_on_the_wire_is_the_path_that_was_signed(transport, wire, request_to, path):
    peer = await wire(answer_all)
    await transport.send(request_to(peer, path=path, body=[b"x"]))
    assert peer.peers[0].heads[0].startswith(f"PUT {path} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize(
    "query",
    [
        (("uploads", ""),),
        (("partNumber", "7"), ("uploadId", "1~upload.with+every/sign=&%41_-")),
        (("prefix", "a/b//../c"), ("list-type", "2")),
        (("prefix", "日本 +~*'()"), ("delimiter", "/")),
    ],
)
async def test_the_query_on_the_wire_is_the_canonical_query(transport, wire, request_to, query):
    peer = await wire(answer_all)
    await transport.send(request_to(peer, method="POST", query=query))
    target = peer.peers[0].heads[0].split(b" ")[1].decode()
    assert target == f"/bucket/key?{canonical_query(query)}"


@BOTH
async def test_only_the_headers_that_were_given_and_those_that_must_be(transport, wire, request_to, secure):
    peer = await wire(answer_all, secure=secure)
    given = {"x-amz-date": "20261122T000000Z", "content-type": "video/mp4", "x-amz-meta-name": "=?UTF-8?B?w6k=?="}
    await transport.send(request_to(peer, headers=given, body=[b"abc", bytearray(b"de"), memoryview(b"f")]))
    headers = headers_of(peer.peers[0].heads[0])
    headers.pop("user-agent")
    assert headers == {**given, "host": peer.host, "content-length": "6", "accept-encoding": "identity"}
    assert bytes(peer.peers[0].body) == b"abcdef"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "GET", "HEAD"])
async def test_no_content_type_without_one(transport, wire, request_to, method):
    """aiohttp's own guess would become the type of the object, and would not be in the signature."""
    peer = await wire(answer_all)
    await transport.send(request_to(peer, method=method))
    headers = headers_of(peer.peers[0].heads[0])
    assert "content-type" not in headers
    assert "transfer-encoding" not in headers
    assert headers.get("content-length", "0") == "0"
    assert "content-length" in headers or method in ("GET", "HEAD", "DELETE")


@BOTH
async def test_slices_arrive_in_order_and_exactly(transport, wire, request_to, secure):
    """Slices of any type and length, empty ones too, are the body and nothing else is."""
    peer = await wire(answer_all, secure=secure)
    content = bytes(range(256)) * 4096
    cuts = [0, 1, 1, 70_000, 70_001, 600_000, len(content)]
    kinds = cycle([bytes, bytearray, memoryview])
    body = [kind(content[start:end]) for kind, (start, end) in zip(kinds, pairwise(cuts), strict=False)]
    response = await transport.send(request_to(peer, body=body))
    assert response.status == 200
    assert bytes(peer.peers[0].body) == content


@BOTH
async def test_a_connection_is_used_again(transport, wire, request_to, secure):
    peer = await wire(answer_all, secure=secure)
    for method in ("PUT", "GET", "POST", "DELETE", "HEAD", "PUT"):
        body = [b"x" * 100_000] if method == "PUT" else []
        await transport.send(request_to(peer, method=method, body=body))
    assert len(peer.peers) == 1
    assert len(peer.peers[0].heads) == 6


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_answers(transport, wire, request_to, status):
    """A redirect is never followed: the next host would need another signature."""

    async def redirect(peer):
        while True:
            await peer.read_request()
            peer.send(answer(status, b"", "Location: /bucket/elsewhere"))

    peer = await wire(redirect)
    for method in ("PUT", "GET", "HEAD"):
        response = await transport.send(request_to(peer, method=method))
        assert (response.status, response.headers["location"]) == (status, "/bucket/elsewhere")
    assert len(peer.peers[0].heads) == 3


async def test_the_answer_comes_whole_with_lower_case_headers(transport, wire, request_to):
    """Status, headers and body, chunked or not, as they were sent; compressed bytes stay compressed."""

    async def script(peer):
        await peer.read_request()
        peer.send(answer(404, b"<Error/>", 'ETag: "abc"', "X-Amz-Request-Id: 7"))
        await peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n  \r\n3\r\nabc\r\n0\r\n\r\n")
        await peer.read_request()
        peer.send(answer(200, b"\x1f\x8bnot gzip", "Content-Encoding: gzip"))
        await peer.read_to_end()

    peer = await wire(script)
    first = await transport.send(request_to(peer, method="GET"))
    assert (first.status, first.body) == (404, b"<Error/>")
    assert first.headers["etag"] == '"abc"'
    assert first.headers["x-amz-request-id"] == "7"
    assert (await transport.send(request_to(peer, method="POST"))).body == b"  abc"
    assert (await transport.send(request_to(peer, method="GET"))).body == b"\x1f\x8bnot gzip"


async def test_an_injected_session_is_used_and_left_open(make_transport, wire, request_to):
    async def script(peer):
        while True:
            await peer.read_request()
            peer.send(answer(403, b"\x1f\x8b", "Content-Encoding: gzip"))

    peer = await wire(script)
    session = aiohttp.ClientSession(
        headers={"X-Base": "1", "Accept-Encoding": "gzip", "Authorization": "base"},
        auto_decompress=True,
        raise_for_status=True,
        timeout=aiohttp.ClientTimeout(total=0.001),
    )
    async with session:
        transport = make_transport(session)
        response = await transport.send(request_to(peer, headers={"authorization": "signed"}, body=[b"x"]))
        assert (response.status, response.body) == (403, b"\x1f\x8b")
        async with transport.open(request_to(peer, method="GET"), chunk_size=10) as streamed:
            assert (streamed.status, (await streamed.read()).body) == (403, b"\x1f\x8b")
        headers = headers_of(peer.peers[0].heads[0])
        assert headers["x-base"] == "1"
        assert headers["authorization"] == "signed"
        assert headers["accept-encoding"] == "identity"
        assert "content-type" not in headers
        await transport.aclose()
        await transport.aclose()
        assert not session.closed


async def test_its_own_session_is_closed_and_closing_twice_is_harmless(make_transport, wire, request_to):
    peer = await wire(answer_all)
    transport = make_transport()
    await transport.send(request_to(peer, body=[b"x"]))
    await transport.aclose()
    await transport.aclose()
    await peer.peers[0].closed()
    with pytest.raises(DriverClosedError):
        await transport.send(request_to(peer, body=[b"x"]))


async def test_no_cookie_is_kept(transport, wire, request_to):
    """A load balancer's cookie would be an unsigned header of the next request."""

    async def script(peer):
        while True:
            await peer.read_request()
            peer.send(answer(200, b"", "Set-Cookie: a=b"))

    peer = await wire(script)
    for _ in range(2):
        await transport.send(request_to(peer, host=f"localhost:{peer.port}"))
    assert not re.search(rb"(?i)\r\ncookie:", peer.peers[0].heads[1])


async def test_no_proxy_of_the_environment_is_used(make_transport, wire, request_to, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    peer = await wire(answer_all)
    assert (await make_transport().send(request_to(peer, body=[b"x"]))).status == 200


@pytest.fixture
def refused_request():
    """Make a request to a port where nothing listens."""

    def make(method):
        return Request("PutObject", method, "http", "127.0.0.1:9", "/b/k", (), {}, (b"x",) if method == "PUT" else ())

    return make


PROXY_VARIABLES = ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy")


@pytest.mark.parametrize("name", PROXY_VARIABLES)
@pytest.mark.parametrize("method", ["PUT", "GET"])
async def test_a_failure_to_connect_says_that_the_environments_proxy_is_ignored(
    make_transport, refused_request, monkeypatch, name, method
):
    """Behind a proxy that is the only way out, nothing else tells why; a password of the proxy's is not shown."""
    monkeypatch.setenv(name, "http://me:s3cret@127.0.0.1:9")
    with pytest.raises(TransportError, match="cannot connect") as caught:
        await make_transport().send(refused_request(method))
    (note,) = caught.value.__notes__
    assert note.startswith(f"aios3: {name} in the environment is ignored")
    assert "session=aiohttp.ClientSession(trust_env=True)" in note
    assert "s3cret" not in note


async def test_of_a_connection_that_is_never_made_the_same_is_said(make_transport, monkeypatch):
    """Where the name of the store is looked up in vain, as behind many such proxies."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    async def look_up(*args, **options):
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up, raising=False)
    request = Request("PutObject", "PUT", "https", "store.test", "/b/k", (), {}, (b"x",))
    with pytest.raises(TransportTimeoutError, match="while connecting") as caught:
        await make_transport(connect=0.05).send(request)
    assert caught.value.__notes__[0].startswith("aios3: HTTPS_PROXY in the environment is ignored")


@pytest.mark.parametrize(
    ("name", "value"), [("https_proxy", "http://x"), ("http_proxy", ""), ("NO_PROXY", "127.0.0.1")]
)
async def test_nothing_is_said_of_proxies_that_would_not_be_used(
    make_transport, refused_request, monkeypatch, name, value
):
    """For another scheme, for other hosts, or none."""
    monkeypatch.setenv("HTTPS_PROXY", "http://x")
    if name == "NO_PROXY":
        monkeypatch.setenv("ALL_PROXY", "http://x")
    monkeypatch.setenv(name, value)
    with pytest.raises(TransportError) as caught:
        await make_transport().send(refused_request("PUT"))
    assert not hasattr(caught.value, "__notes__")
