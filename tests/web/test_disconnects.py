"""Clients that vanish, and processes that are killed, in a real server."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import aiohttp

from .conftest import serving

CONTENT = random.Random(2).randbytes(8_000_000)
TUS = {"Tus-Resumable": "1.0.0"}
CHUNK = {**TUS, "Content-Type": "application/offset+octet-stream"}


def client_session():
    """Return a session with a connection for each request, so no request meets one that the server has closed."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))


async def slowly(content, *, at=None, then=None):
    """Yield the chunks, and call `then` behind byte `at`."""
    for start in range(0, len(content), 50_000):
        if at is not None and start >= at:
            await then()
        yield content[start : start + 50_000]
        await asyncio.sleep(0.001)


async def offset_of(session, url):
    async with session.head(url, headers=TUS) as response:
        assert response.status == 200
        return int(response.headers["Upload-Offset"])


async def test_a_client_that_vanishes_makes_no_noise_and_loses_nothing(cluster):
    async with client_session() as session:
        created = await session.post(cluster.url, headers={**TUS, "Upload-Length": str(len(CONTENT))})
        url = cluster.url + created.headers["Location"].rpartition("/")[2]

        async def vanish():
            raise ConnectionResetError

        with suppress(aiohttp.ClientError, ConnectionResetError):
            await session.patch(url, headers={**CHUNK, "Upload-Offset": "0"}, data=slowly(CONTENT, at=6e6, then=vanish))
        while (offset := await offset_of(session, url)) <= 5_500_000:
            await asyncio.sleep(0.05)
        assert offset <= 6_000_000
        sent = await session.patch(url, headers={**CHUNK, "Upload-Offset": str(offset)}, data=slowly(CONTENT[offset:]))
        assert sent.status == 204
        async with session.get(url, headers=TUS) as response:
            assert await response.read() == CONTENT
    assert cluster.log.read_text() == ""


async def test_a_killed_process_loses_nothing_that_was_acknowledged(cluster):
    """The next process takes over when the lease of the dead one has run out."""
    async with client_session() as session:
        created = await session.post(cluster.url, headers={**TUS, "Upload-Length": str(len(CONTENT))})
        url = cluster.url + created.headers["Location"].rpartition("/")[2]
        first = await session.patch(url, headers={**CHUNK, "Upload-Offset": "0"}, data=slowly(CONTENT[:1_000_000]))
        assert first.headers["Upload-Offset"] == "1000000"

        async def kill():
            with suppress(ProcessLookupError):
                cluster.processes[2].kill()

        with suppress(aiohttp.ClientError):
            sending = slowly(CONTENT[1_000_000:], at=5e6, then=kill)
            await session.patch(url, headers={**CHUNK, "Upload-Offset": "1000000"}, data=sending)
        # Below 0, or 255: a signal asks first whether the process has ended, which can take the status from asyncio.
        assert await cluster.processes[2].wait() != 0
        async with serving(cluster.ports[2], cluster.store, cluster.log):
            offset = await offset_of(session, url)
            assert offset in (1_000_000, 5 * 2**20)
            sent = await session.patch(
                url, headers={**CHUNK, "Upload-Offset": str(offset)}, data=slowly(CONTENT[offset:])
            )
            assert (sent.status, sent.headers["Upload-Offset"]) == (204, str(len(CONTENT)))
            async with session.get(url, headers=TUS) as response:
                assert await response.read() == CONTENT
    assert cluster.store.store.uploads == {}
