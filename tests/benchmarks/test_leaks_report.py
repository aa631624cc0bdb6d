"""The leak table's verdicts, cells and page."""

from __future__ import annotations

import json
import multiprocessing
import time
from types import SimpleNamespace

import pytest

from benchmarks.leaks.cells import Cell, Watcher
from benchmarks.leaks.report import as_json, as_markdown, cell_text
from benchmarks.leaks.verdicts import Look, Observation, is_spotless, judge
from benchmarks.leaks.ways import WAYS

CANCEL = Cell("rclone", "cancel", "aios3 stream")


def seen(ending="raised", stored="absent", later=None, uploads=0, tasks=0, sockets=0) -> Observation:
    """Return what was seen, spotless for a failure unless something else is said."""
    looks = Look(uploads, tasks, stored), Look(uploads, tasks, later or stored)
    return Observation(ending, "", *looks, sockets)


@pytest.mark.parametrize(
    ("way", "ending", "stored", "verdict"),
    [
        ("clean", "returned", "whole", "ok"),
        ("clean", "returned", "absent", "nothing stored"),
        ("clean", "raised", "absent", "raised"),
        ("clean", "raised", "whole", "stored, yet raised"),
        ("cancel", "raised", "absent", "ok"),
        ("cancel", "raised", "other", "wrong bytes"),
        ("cancel", "returned", "whole", "returned"),
        ("cancel", "returned", "absent", "nothing stored"),
        ("complete", "returned", "whole", "ok"),
        ("complete", "raised", "absent", "ok"),
        ("complete", "raised", "whole", "stored, yet raised"),
        ("close", "hung", "absent", "hung"),
    ],
)
def test_the_object_has_to_be_what_was_reported(way, ending, stored, verdict):
    assert judge(WAYS[way], seen(ending, stored)) == verdict


def test_an_object_that_goes_wrong_later_is_wrong():
    assert judge(WAYS["cancel"], seen(stored="absent", later="other")) == "wrong bytes"


@pytest.mark.parametrize(
    "stained", [{"uploads": 1}, {"tasks": 1}, {"sockets": 1}, {"sockets": None}, {"stored": "other"}]
)
def test_anything_left_is_a_stain(stained):
    assert is_spotless(WAYS["cancel"], seen())
    assert not is_spotless(WAYS["cancel"], seen(**stained))


def test_half_a_measurement_is_not_spotless():
    assert not is_spotless(WAYS["cancel"], Observation("raised", "", Look(0, 0, "absent"), None, 0))


@pytest.mark.parametrize(
    ("observation", "text"),
    [
        (seen(), "0 / 0 / 0 / ok"),
        (seen(tasks=None), "0 / - / 0 / ok"),
        (seen(uploads=1, tasks=8), "**1 / 8 / 0 / ok**"),
        (
            Observation("raised", "", Look(1, 2, "absent"), Look(0, 0, "absent"), 0),
            "**1 → 0 / 2 → 0 / 0 / ok**",
        ),
        (Observation("hung", "", Look(1, None, "absent")), "**1 / - / ? / hung**"),
        (Observation(is_possible=False), "-"),
        (Observation(failure="Traceback"), "**not reached**"),
    ],
)
def test_cells_say_what_was_left(observation, text):
    assert cell_text(CANCEL, observation) == text


def test_the_page_counts_the_stores_on_which_something_was_left():
    results = {
        Cell(store, way, client): seen("returned", "whole") if way == "clean" else seen(uploads=int(client == "b"))
        for store in ("rclone", "moto")
        for way in ("clean", "cancel")
        for client in ("a", "b")
    }

    page = as_markdown(results, {"rclone": "1.75", "moto": "5.2"}, 12.0)

    assert "| `task.cancel()` | 0 | **2 of 2** |" in page
    assert "| clean end | 0 | 0 |" in page
    assert "### moto 5.2" in page
    assert page.count("| `task.cancel()` | 0 / 0 / 0 / ok | **1 / 0 / 0 / ok** |") == 2
    assert "No cell of this run found a part of the source" in page


def test_the_page_names_who_committed_a_part():
    results = {CANCEL: seen(stored="other")}

    assert "other bytes than the source's: aios3 stream" in as_markdown(results, {"rclone": "1"}, 1.0)


def test_all_that_was_seen_can_be_written_as_json():
    (entry,) = json.loads(json.dumps(as_json({CANCEL: seen(uploads=1)})))

    assert (entry["store"], entry["way"], entry["client"]) == ("rclone", "cancel", "aios3 stream")
    assert entry["cell"] == "**1 / 0 / 0 / ok**"
    assert entry["later"] == {"open_uploads": 1, "tasks": 0, "stored": "absent"}


def lister(uploads=0, stored="absent"):
    """Return what looks at a store, and sees this."""
    return SimpleNamespace(count_uploads=lambda key: uploads, stored=lambda key: stored, count_parts=lambda key: 3)


class ScriptedProcess:
    """The runner's end of a pipe to a process that says these messages and ends."""

    def __init__(self, *messages):
        self._messages = list(messages)
        self.answers = []

    def poll(self, seconds):
        return True

    def recv(self):
        if not self._messages:
            raise EOFError
        return self._messages.pop(0)

    def send(self, answer):
        self.answers.append(answer)


def test_a_process_that_does_not_end_is_hung():
    ours, theirs = multiprocessing.Pipe()
    watcher = Watcher("key", lister(uploads=1))

    watcher.follow(ours, time.monotonic())

    assert cell_text(CANCEL, watcher.seen) == "**1 / - / ? / hung**"
    theirs.close()
    ours.close()


def test_a_process_is_answered_and_believed_until_it_ends():
    process = ScriptedProcess(
        ("count_parts", ()), ("has_ended", ("raised", "", 0)), ("look_again", (0,)), ("left_sockets", (0,))
    )
    watcher = Watcher("key", lister())

    watcher.follow(process, time.monotonic() + 5)

    assert process.answers == [3, None, None, None]
    assert is_spotless(WAYS["cancel"], watcher.seen)
