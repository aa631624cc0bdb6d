"""Noticing the end of connections that nobody reads."""

from __future__ import annotations

import asyncio
import socket

import pytest

from aios3.testing.server.peer_watch import PeerWatch

pytestmark = pytest.mark.skipif(not PeerWatch.is_possible, reason="the kernel does not tell")


async def test_the_end_is_told_once_although_data_is_unread():
    watch, told = PeerWatch(), asyncio.Queue()
    ours, theirs = socket.socketpair()
    other, peer = socket.socketpair()
    with ours, other, peer:
        watch.watch(ours.fileno(), lambda: told.put_nowait("ours"))
        watch.watch(other.fileno(), lambda: told.put_nowait("other"))
        theirs.send(b"data that nobody reads")
        for _ in range(3):
            await asyncio.sleep(0)
        assert told.empty()
        theirs.close()
        assert await told.get() == "ours"
        watch.forget(ours.fileno())
        watch.forget(ours.fileno())
        watch.close()
        watch.close()
    assert told.empty()
