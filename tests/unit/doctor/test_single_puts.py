"""What a store does with a wrong checksum, and with a condition that does not hold."""

from __future__ import annotations

import pytest

from aios3.testing import Fault, S3Server
from tests.support.examination import examine


@pytest.mark.parametrize(
    ("code", "times", "level", "word"),
    [
        ("InvalidDigest", 1, "ok", "the store refuses a body"),
        ("SomethingElse", 1, "ok", "the store refuses a body"),
        ("SomethingElse", 2, "warning", "the store refuses requests with a CRC32 checksum (400 SomethingElse)"),
    ],
)
async def test_a_refusal_of_a_wrong_checksum_is_told_from_one_of_any(
    code: str, times: int, level: str, word: str
) -> None:
    """Unless its code says so, the right checksum is sent, too."""
    async with S3Server() as server:
        server.faults.add(Fault("answer", "PutObject", nth=4, times=times, status=400, code=code))
        found = (await examine(server))["checksum CRC32"]
    assert (found.level, word in found.text) == (level, True)


async def test_a_failing_store_shows_nothing_of_its_conditions() -> None:
    async with S3Server() as server:
        server.faults.add(Fault("answer", "PutObject", nth=2, status=500, code="InternalError"))
        found = await examine(server)
    assert found["If-None-Match of PutObject"].text == "the examination could not find this out: 500 InternalError"
