"""Events as bytes, and the headers that ask for them."""

from __future__ import annotations

import pytest

from aios3.web._progress.events import UploadState, has_ended, wants_events


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (UploadState("active", 5, 9), b'id: 5\ndata: {"state": "active", "offset": 5, "length": 9}\n\n'),
        (UploadState("active", None, 9), b'id: active\ndata: {"state": "active", "offset": null, "length": 9}\n\n'),
        (UploadState("complete", 9, 9), b'id: complete\ndata: {"state": "complete", "offset": 9, "length": 9}\n\n'),
        (UploadState("gone"), b'id: gone\ndata: {"state": "gone", "offset": null, "length": null}\n\n'),
    ],
)
def test_an_event_has_an_id_and_one_line_of_json(state, event):
    assert state.to_event() == event
    assert state.is_final == has_ended(event.split(b"\n")[0].removeprefix(b"id: ").decode())


@pytest.mark.parametrize(
    ("accept", "is_wanted"),
    [
        ("text/event-stream", True),
        ("text/html, Text/Event-Stream;q=0.5", True),
        ("*/*", False),
        ("text/event-streams", False),
        ("", False),
        (None, False),
    ],
)
def test_only_a_client_that_names_events_gets_them(accept, is_wanted):
    assert wants_events(accept) == is_wanted
