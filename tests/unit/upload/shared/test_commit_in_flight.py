"""A commit in flight, as the end of the driver sees it."""

from __future__ import annotations

from aios3._upload.shared.commit_in_flight import CommitInFlight
from aios3.errors import CompletionUnknownError
from tests.support.upload_scene import UploadScene


async def test_the_end_of_the_driver_knows_a_commit_while_it_runs() -> None:
    engine = UploadScene().engine

    async def commit() -> str:
        assert engine.running == {in_flight}
        return "committed"

    in_flight = CommitInFlight(engine, lambda upload_id: CompletionUnknownError(str(upload_id)))
    assert await in_flight.send(commit()) == "committed"
    assert engine.running == set()
