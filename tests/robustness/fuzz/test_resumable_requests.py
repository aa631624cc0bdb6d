"""Any requests of clients of tus and of the IETF draft at one upload, several at once, through two processes."""

from __future__ import annotations

import asyncio
import dataclasses
from random import Random

import pytest

from aios3._concurrency.clock import Clock
from aios3.web import ResumableUploads
from tests.support.web_client import Vanish, WebClient

PART = 1024
MOST = 6000
CONTENT = Random(1).randbytes(4000)


class Strangers:
    """Clients that send the bytes of one file, and otherwise whatever the generator chooses."""

    def __init__(self, applications, random):
        self._random = random
        self._tus = [WebClient(each) for each in applications]
        self._draft = [WebClient(each, headers={}) for each in applications]
        self.url = ""
        self.offset = 0
        """Largest offset that a response has shown."""

    async def create(self):
        length = self._random.choice([None, 0, 1, PART, 2 * PART, 3000, len(CONTENT)])
        more = {"Upload_Concat": "partial"} if self._random.random() < 0.2 else {}
        self.url = (await self._random.choice(self._tus).create(length, **more)).headers["location"]

    async def look(self):
        before = self.offset
        found = await self._random.choice(self._tus + self._draft).head(self.url)
        if found.offset is not None:
            assert found.offset >= before
            self.offset = max(self.offset, found.offset)
        return found.offset or 0

    async def send_anything(self):
        offset = await self.look()
        if self._random.random() < 0.15:
            offset = self._random.randrange(len(CONTENT))
        kind = self._random.random()
        if kind < 0.05:
            answer = await self._random.choice(self._tus + self._draft).call("DELETE", self.url)
        elif kind < 0.1:
            union = {"Upload-Concat": f"final;{self.url} {self.url}"}
            answer = await self._random.choice(self._tus).call("POST", headers=union)
        elif kind < 0.55:
            answer = await self._append_by_tus(offset)
        else:
            answer = await self._append_by_draft(offset)
        assert answer.status < 500

    async def _append_by_tus(self, offset):
        body, length = self._body(offset)
        more = {"Upload_Length": str(length)} if self._random.random() < 0.3 else {}
        if self._random.random() < 0.1:
            more["Upload_Checksum"] = "sha1 AAAA"
        return await self._random.choice(self._tus).patch(self.url, offset, body, **more)

    async def _append_by_draft(self, offset):
        body, length = self._body(offset)
        headers = {
            "Content-Type": "application/partial-upload",
            "Upload-Offset": str(offset),
            "Upload-Complete": self._random.choice(["?0", "?0", "?1"]),
        }
        if self._random.random() < 0.2:
            headers["Upload-Length"] = str(length)
        return await self._random.choice(self._draft).call("PATCH", self.url, headers, body)

    def _body(self, offset):
        content = CONTENT[offset : offset + self._random.choice([0, 1, 100, PART, 2000, 5000])]
        length = self._random.choice([offset + len(content), 3000, 10, MOST + 1])
        return (content if self._random.random() < 0.4 else self._chunks(content)), length

    async def _chunks(self, content):
        while content:
            count = self._random.randrange(1, 900)
            yield content[:count]
            content = content[count:]
            await asyncio.sleep(self._random.choice((0, 0, 0.002)))
        if self._random.random() < 0.15:
            yield Vanish()


@pytest.mark.parametrize("has_conditions", [True, False])
@pytest.mark.parametrize("seed", range(10))
async def test_any_requests_get_a_response_of_the_protocol_and_never_mix_bytes(
    server, make_driver, small_provider, seed, has_conditions, caplog
):
    """The offset never goes back.

    Without conditional writes one process takes all requests, because two may lose a tail of each other.
    """
    random = Random(seed)
    condition = True if has_conditions else None
    provider = server.store.provider = dataclasses.replace(small_provider, conditional_put=condition)

    def process():
        driver = make_driver(provider=provider)
        driver._clock = Clock(sleep=lambda seconds: asyncio.sleep(seconds / 60))
        return ResumableUploads(driver, "bucket", max_size=MOST)

    clients = Strangers([process() for _ in range(1 + has_conditions)], random)
    await clients.create()
    for _ in range(random.randrange(2, 7)):
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            for _ in range(random.randrange(1, 4)):
                group.create_task(clients.send_anything())
    for (_, key), stored in server.objects.items():
        if not key.endswith((".json", ".tail")):
            half = stored.body[: len(stored.body) // 2]
            assert CONTENT.startswith(stored.body) or (stored.body == half * 2 and CONTENT.startswith(half))  # a union
    assert not [record for record in caplog.records if record.name == "aios3" and record.levelname == "ERROR"]
