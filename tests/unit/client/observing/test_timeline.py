"""Time line: each second of an upload counts once, and for the wait that decides."""

from __future__ import annotations

import pytest

from aios3 import UploadTiming
from aios3._client.observing.timeline import Timeline


class Scene:
    def __init__(self, began_at: float | None = None) -> None:
        self.now = 100.0
        self.waits: list[tuple[str, float]] = []
        self.line = Timeline(lambda: self.now, began_at, lambda wait, seconds: self.waits.append((wait, seconds)))

    def timing(self) -> UploadTiming:
        timing = self.line.snapshot()
        assert sum(getattr(timing, name) for name in UploadTiming.__slots__) == timing.total
        return timing


def test_time_before_the_first_wait_is_preparing() -> None:
    scene = Scene(began_at=96.0)
    scene.now += 1
    assert scene.timing() == UploadTiming(preparing=5)


@pytest.mark.parametrize("activity", ["memory", "slot", "commit"])
def test_the_wait_of_the_task_counts_although_requests_are_in_flight(activity) -> None:
    scene = Scene()
    scene.line.move(None, "sending")
    with scene.line.during(activity):
        scene.now += 2
    scene.now += 4
    assert scene.timing() == UploadTiming(**{activity: 2.0}, sending=4)


def test_of_several_requests_the_busiest_decides() -> None:
    scene = Scene()
    for state in ("slot", "backoff", "response", "sending"):
        scene.line.move(None, state)
        scene.now += 1
    for state in ("sending", "response", "backoff", "slot"):
        scene.now += 2
        scene.line.move(state, None)
    scene.now += 4
    assert scene.timing() == UploadTiming(slot=3, backoff=3, response=3, sending=3, preparing=4)


def test_a_request_that_ends_leaves_the_others() -> None:
    scene = Scene()
    scene.line.move(None, "sending")
    scene.line.move(None, "sending")
    scene.line.move("sending", "response")
    scene.now += 1
    scene.line.move("sending", None)
    scene.now += 2
    assert scene.timing() == UploadTiming(sending=1, response=2)


def test_a_task_that_reads_waits_for_its_source_unless_it_waits_for_something_else() -> None:
    scene = Scene()
    scene.line.move(None, "sending")
    scene.line.read_source(is_reading=True)
    scene.now += 1
    with scene.line.during("slot"):
        scene.now += 2
    with scene.line.during(None):
        scene.now += 4
    scene.now += 8
    scene.line.read_source(is_reading=False)
    scene.now += 16
    assert scene.timing() == UploadTiming(source=9, slot=2, sending=20)


@pytest.mark.parametrize(("first", "second"), [("memory", "slot"), ("slot", "commit"), ("commit", None)])
def test_of_two_waits_the_earlier_field_decides(first, second) -> None:
    scene = Scene()
    with scene.line.during(first), scene.line.during(second):
        scene.now += 2
    assert scene.timing() == UploadTiming(**{first: 2.0})


def test_waits_of_two_writers_may_overlap() -> None:
    scene = Scene()
    scene.line.read_source(is_reading=True)
    one, other = scene.line.during(None), scene.line.during("memory")
    one.__enter__()
    scene.now += 1
    other.__enter__()
    scene.now += 2
    one.__exit__()
    scene.now += 4
    other.__exit__()
    scene.now += 8
    assert scene.timing() == UploadTiming(preparing=1, memory=6, source=8)


@pytest.mark.parametrize("activity", ["memory", "slot"])
def test_a_wait_is_reported_also_if_it_fails(activity) -> None:
    scene = Scene()
    with pytest.raises(KeyError), scene.line.during(activity):
        scene.now += 3
        raise KeyError
    assert scene.waits == [(activity, 3)]


def test_no_wait_and_other_activities_are_not_reported() -> None:
    scene = Scene()
    with scene.line.during("memory"):
        scene.now += 0.0005
    with scene.line.during("commit"):
        scene.now += 3
    assert scene.waits == []
