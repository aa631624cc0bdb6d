from __future__ import annotations

import asyncio

import pytest

from aios3._config.credential_requests.fetch import CredentialRequests, make_request, refusal
from aios3._protocol.wire.messages import Response
from aios3.errors import (
    AccessDeniedError,
    ConfigurationError,
    CredentialsError,
    ResponseError,
    ThrottledError,
    TransportError,
    TransportTimeoutError,
)
from tests.support.credential_stand_in import SILENCE, Answer, StandIn
from tests.support.wire import Wire, answer


def get(url: str, **headers: str):
    return make_request("GetIt", "GET", url, headers, origin="the endpoint")


@pytest.fixture
async def requests(clock):
    return CredentialRequests(seconds=2, attempts=3, clock=clock())


async def test_a_request_is_sent_as_it_is(stand_in, requests):
    stand_in.on(Answer(201, b"body", (("X-Y", "z"),)))
    request = make_request("PutIt", "PUT", f"{stand_in.url}/a%20b/?c=d%2F&e=", {"x-a": "b"}, origin="it", body=(b"12",))
    response = await requests.send(request)
    assert (response.status, response.body, response.headers["x-y"]) == (201, b"body", "z")
    (asked,) = stand_in.asked
    assert (asked.method, asked.target, asked.body) == ("PUT", "/a%20b/?c=d%2F&e=", b"12")
    assert asked.headers["x-a"] == "b"


async def test_redirects_are_not_followed(stand_in, requests):
    """A token sent along must not be led elsewhere."""
    stand_in.on(Answer(302, headers=(("Location", f"{stand_in.url}/other"),)))
    assert (await requests.send(get(stand_in.url))).status == 302
    assert len(stand_in.asked) == 1


async def test_proxies_are_not_used(stand_in, requests, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    stand_in.on(Answer())
    assert (await requests.send(get(stand_in.url))).status == 200


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_passing_failure_is_tried_three_times_with_growing_waits(stand_in, requests, clock, status):
    stand_in.on(Answer(status), Answer(status), Answer())
    assert (await requests.send(get(stand_in.url))).status == 200
    assert clock.slept == [0.2, 0.4]
    stand_in.on(Answer(status))
    assert (await requests.send(get(stand_in.url))).status == status
    assert len(stand_in.asked) == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302])
async def test_a_refusal_or_redirect_is_returned_at_once(stand_in, requests, status):
    stand_in.on(Answer(status, headers=(("Location", f"{stand_in.url}/other"),)), Answer())
    assert (await requests.send(get(stand_in.url))).status == status
    assert len(stand_in.asked) == 1


async def test_a_refused_connection_is_tried_again_and_then_an_error(requests, clock):
    async with StandIn() as gone:
        url = gone.url
    with pytest.raises(TransportError, match="GetIt at http://127.0.0.1"):
        await requests.send(get(url))
    assert len(clock.slept) == 2


async def test_silence_is_bounded(stand_in, clock, loop_clock):
    """Each attempt ends after its seconds, whatever the other side does."""
    stand_in.on(SILENCE)
    requests = CredentialRequests(seconds=2, attempts=2, clock=clock())
    sending = asyncio.ensure_future(requests.send(get(stand_in.url)))
    for _ in range(2):
        await stand_in.arrived.wait()
        stand_in.arrived.clear()
        await loop_clock.advance(2)
    with pytest.raises(TransportTimeoutError, match="GetIt at http://127.0.0.1:.*: no response within 2 s"):
        await sending


async def test_a_cancelled_request_leaves_nothing(stand_in, requests):
    stand_in.on(SILENCE)
    before = asyncio.all_tasks()
    sending = asyncio.ensure_future(requests.send(get(stand_in.url)))
    await stand_in.arrived.wait()
    during = asyncio.all_tasks() - before - {sending}
    sending.cancel()
    await asyncio.wait({sending})
    assert sending.cancelled()
    assert asyncio.all_tasks() - before <= during  # the stand-in's own


async def test_https_is_verified_with_the_bundle(tls, tmp_path, clock):
    """The bundle is trusted, and loaded once; nothing else is, and that is not tried again."""
    bundle = tmp_path / "ca.pem"
    tls.authority.cert_pem.write_to_path(bundle)

    async def talk(peer):
        await peer.read_request()
        peer.send(answer(200, b"ok"))

    async with Wire(talk, tls.server) as server:
        url = f"https://localhost:{server.port}"
        requests = CredentialRequests(seconds=2, attempts=3, clock=clock(), ca_bundle=str(bundle))
        assert (await requests.send(get(url))).body == b"ok"
        bundle.unlink()
        assert (await requests.send(get(url))).body == b"ok"
    async with Wire(talk, tls.server) as server:
        strict = CredentialRequests(seconds=2, attempts=3, clock=clock())
        with pytest.raises(TransportError) as caught:
            await strict.send(get(f"https://localhost:{server.port}"))
        assert caught.value.is_permanent
    assert clock.slept == []


@pytest.mark.parametrize(
    "url",
    [
        "", "ftp://h/", "http://", "http://u:hidden@h/", "http://h:x/", "http://h/#hidden", "http://h?hidden#a",
        "http://h/hidden x", "http://h/hidden\r\n", "http://h/hidden\xe9", "http://h\\hidden",
    ],
)  # fmt: skip
def test_an_unusable_url_is_an_error(url):
    with pytest.raises(ConfigurationError, match="^the endpoint: ") as caught:
        get(url)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "path", "query"),
    [
        ("http://h", "/", ()),
        ("http://h?a=b/c", "/", (("a", "b/c"),)),
        ("http://h/a%2Fb/", "/a%2Fb/", ()),
        ("http://h/a?b&c=%20", "/a", (("b", ""), ("c", " "))),
    ],
)
def test_paths_and_queries_are_taken_as_they_are(url, path, query):
    request = get(url)
    assert (request.host, request.path, request.query) == ("h", path, query)


@pytest.mark.parametrize("value", ["a\r\nx: hidden", "hidden\n", "\x00"])
def test_a_header_with_a_line_break_is_an_error(value):
    """A token from a file could bring a header of its own."""
    with pytest.raises(ConfigurationError, match="the endpoint: the value for the token header") as caught:
        get("http://h/", token=value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "error_class", "words"),
    [
        (
            400,
            b"<Error><Code>ExpiredTokenException</Code><Message>too old</Message></Error>",
            CredentialsError,
            "too old",
        ),
        (403, b"<Error><Code>AccessDenied</Code><Message>not you</Message></Error>", AccessDeniedError, "not you"),
        (400, b"<Error><Code>Throttling</Code><Message>slow</Message></Error>", ThrottledError, "slow"),
        (401, b"", AccessDeniedError, "there was an empty body, not credentials"),
        (404, b'{"message": "x"}', CredentialsError, "there was a JSON document, not credentials"),
        (500, b"<html>", ResponseError, "there was an HTML page, not credentials"),
        (503, b"", ResponseError, "empty"),
        (429, b"", ThrottledError, "empty"),
    ],
)
def test_a_refusal_is_an_error_of_the_tree(status, body, error_class, words):
    error = refusal(Response(status, {"x-amz-request-id": "R"}, body), "AssumeRole")
    assert type(error) is error_class
    assert (error.operation, error.status, error.request_id) == ("AssumeRole", status, "R")
    assert words in error.message
