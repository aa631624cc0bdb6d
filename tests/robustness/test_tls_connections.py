"""Endings of TLS connections: an upload or a download ends in exact bytes or in a typed error.

Stores end every connection after about 100 requests, and proxies in front of stores end connections in other ways.
"""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from collections.abc import Callable, Iterator

import pytest

from aios3 import RetryPolicy, S3StorageDriver, StorageError, Timeouts
from aios3.testing import Fault, S3Server
from tests.conftest import TlsContexts
from tests.support.fault_sweep import (
    FOR_EVER,
    MULTIPART,
    ONE_PUT,
    REQUESTS,
    STREAM,
    Outcome,
    download_with,
    upload_with,
)
from tests.support.sweep import SMALL_PARTS

LOOKS_ETAG_UP = dataclasses.replace(SMALL_PARTS, name="looks-etag-up", complete_etag_is_final=False)
PATIENCE = Timeouts(connect=20, send=20, read=20, complete=20, cleanup=60)
"""Nothing here stands still."""

TOLD = ("close_after", "ragged_close", "half_close")
"""Endings that the answer announces."""
UNTOLD = ("reset_after", "unasked_408")
LOSING = ("reset_mid_answer", "drop_mid_answer", "drop_after")
"""Endings that may cost an answer."""

Play = Callable[..., Outcome]


def loop_factories() -> Iterator[object]:
    yield pytest.param(asyncio.new_event_loop, id="asyncio")
    try:
        import uvloop
    except ImportError:
        return
    yield pytest.param(uvloop.new_event_loop, id="uvloop")


@pytest.fixture(params=loop_factories())
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """Event loop of each kind."""
    with asyncio.Runner(loop_factory=request.param) as running:
        yield running


@pytest.fixture(scope="session", params=[ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2], ids=["TLS 1.3", "TLS 1.2"])
def contexts(request: pytest.FixtureRequest, tls: TlsContexts) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS contexts of both sides. With 1.3, session tickets come after the handshake, between the responses."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.authority.issue_cert("localhost").configure_cert(server)
    server.maximum_version = request.param
    return server, tls.client


def ends(kind: str, operation: str, part_number: int | None, times: int) -> Fault:
    """Return a fault that ends the connection of matching requests. ``"refused_close"`` also refuses the request."""
    if kind == "refused_close":
        headers = (("Connection", "close"),)
        return Fault("answer", operation, part_number, times=times, headers=headers)
    return Fault(kind, operation, part_number, times=times)  # type: ignore[arg-type]


WAYS = {
    "PutObject": (upload_with, {"way": ONE_PUT}, [("PutObject", None)]),
    "multipart": (
        upload_with,
        {"way": MULTIPART, "provider": LOOKS_ETAG_UP},
        [*REQUESTS.values(), ("UploadPart", None), ("HeadObject", None)],
    ),
    "stream": (upload_with, {"way": STREAM}, [("PutObject", None)]),
    "download": (download_with, {}, [("GetObject", None)]),
}
"""By way, what plays it, how, and the requests whose connections end."""


@pytest.mark.parametrize("kind", [*TOLD, *UNTOLD, *LOSING, "refused_close"])
@pytest.mark.parametrize("way", WAYS)
def test_ended_connections_end_in_exact_bytes_or_a_typed_error(runner, contexts, way, kind):
    play, surroundings, requests = WAYS[way]
    for operation, part_number in requests:
        for times in (1, FOR_EVER):
            fault = ends(kind, operation, part_number, times)
            outcome = runner.run(play(fault, tls=contexts, timeouts=PATIENCE, **surroundings))
            which = (operation, part_number, times)
            assert (which, outcome.problems) == (which, [])
            assert outcome.attempts >= 1, which
            if kind in TOLD or (times == 1 and way != "stream"):
                assert (which, outcome.error) == (which, None)


@pytest.mark.parametrize("kind", [*TOLD, *UNTOLD, *LOSING, "refused_close"])
@pytest.mark.parametrize("cleanup", ["AbortMultipartUpload", "ListParts"])
def test_an_ended_connection_does_not_fail_the_clean_up(runner, contexts, cleanup, kind):
    refused = Fault("answer", "UploadPart", 2, times=FOR_EVER, status=403, code="AccessDenied")
    outcome = runner.run(upload_with(refused, ends(kind, cleanup, None, 2), tls=contexts, timeouts=PATIENCE))
    assert outcome.problems == []
    assert isinstance(outcome.error, StorageError)


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("way", WAYS)
def test_announced_connection_ends_cost_no_attempt(runner, contexts, way, limit):
    play, surroundings, _ = WAYS[way]
    outcome = runner.run(play(tls=contexts, timeouts=PATIENCE, requests_per_connection=limit, **surroundings))
    assert (outcome.problems, outcome.error) == ([], None)
    if outcome.receipt is not None:
        assert outcome.receipt.retries == 0


def test_a_thousand_uploads_survive_connections_of_a_hundred_requests(runner, tls):
    async def run() -> tuple[int, int, int, int]:
        async with (
            S3Server(SMALL_PARTS, ssl_context=tls.server, requests_per_connection=100) as server,
            S3StorageDriver(
                SMALL_PARTS,
                endpoint_url=server.endpoint_url,
                region=server.region,
                credentials=server.credentials,
                ssl_context=tls.client,
                retry=RetryPolicy(max_attempts=1),
            ) as driver,
        ):
            keys = iter(range(1000))

            async def upload() -> None:
                for key in keys:
                    await driver.upload_object_via_stream(b"%d" % key, "bucket", f"key-{key}")

            async with asyncio.TaskGroup() as group:
                for _ in range(8):
                    group.create_task(upload())
            exact = sum(found.body == key.removeprefix("key-").encode() for (_, key), found in server.objects.items())
            await server.wait_for(lambda _: server.open_connections <= 8)
            return exact, len(server.objects), len(server.requests), len(server.open_uploads)

    assert runner.run(run()) == (1000, 1000, 1000, 0)
