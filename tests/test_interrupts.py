"""Programs that are interrupted, once or twice: no upload stays open."""

from __future__ import annotations

from aios3.testing import S3Server

from .processes import INTERRUPTED, child, environment_of, line_of

RUNS = 60


async def test_two_interrupts_in_a_row_leave_nothing_open(server: S3Server) -> None:
    """The first cancels; the second strikes whatever code is running, that of the clean-up too."""
    environment = environment_of(server.endpoint_url, server.region, server.credentials)
    async with child(environment, "-c", INTERRUPTED, RUNS) as process:
        assert await line_of(process) == "ended"
    assert [left.upload_id for left in server.open_uploads] == []
    aborted = sum(request.operation == "AbortMultipartUpload" for request in server.requests)
    assert aborted > RUNS
