"""The sweep after a lost Create: it aborts the upload that this call has left, and no other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aios3._client.attempts import FailedAttempts
from aios3._client.observing.timeline import Timeline
from aios3._client.observing.upload_trace import UploadTrace
from aios3._protocol.operations import HeadObject
from aios3._protocol.wire.messages import Request, Response
from aios3._upload.multipart.orphan_sweep import OrphanSweep
from aios3.errors import AccessDeniedError, ResponseError, StorageError
from tests.support.fakes import FakeClock, FakeStore, make_client, refusal

SECOND = timedelta(seconds=1)


class Scene:
    """A lost Create: sent at 0 s, given up at 10 s. The sweep comes an hour later."""

    def __init__(self, skew: timedelta = timedelta()) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.store.skew = skew
        self.known: set[str] = set()
        self.client = make_client(self.store, self.clock)
        self.began = self.clock.moment
        self.timeline = Timeline(self.client.clock.monotonic)
        self.sweep = OrphanSweep(
            self.client,
            "bucket",
            "key",
            headers={"x-every": "e"},
            known_uploads=self.known,
            began=self.began,
            lost=self.began + 10 * SECOND,
            log=FailedAttempts(upload=UploadTrace(self.timeline)),
        )
        self.clock.advance(3610)

    def open(self, upload_id: str, seconds: float, *, key: str = "key", parts: int = 0) -> None:
        """Begin an upload so many seconds after the Create was sent, by the store's clock."""
        self.store.open_upload(upload_id, key, at=self.began + self.store.skew + seconds * SECOND, parts=parts)

    async def run(self) -> list[str]:
        """Sweep, after a response that showed the store's time."""
        with pytest.raises(StorageError):
            await self.client.run(HeadObject("bucket", "other"))
        return await self.sweep.run()


@pytest.mark.parametrize("seconds", [-2, 0, 5, 10, 12])
async def test_an_upload_begun_while_the_create_had_no_response_is_aborted_once(seconds: int) -> None:
    scene = Scene()
    scene.open("orphan", seconds)
    assert await scene.run() == ["orphan"]
    assert scene.store.uploads == {}


@pytest.mark.parametrize(
    ("seconds", "key", "parts"),
    [(-3600, "key", 0), (-3, "key", 0), (13, "key", 0), (3600, "key", 0), (None, "key", 0), (5, "key", 1)]
    + [(5, key, 0) for key in ("key2", "ke", "key/", "other")],
)
async def test_an_upload_of_another_time_or_key_or_with_parts_is_left_alone(
    seconds: int | None, key: str, parts: int
) -> None:
    """Nobody else knows the id of ours, so it has no parts."""
    scene = Scene()
    if seconds is None:
        scene.store.open_upload("theirs")
    else:
        scene.open("theirs", seconds, key=key, parts=parts)
    assert await scene.run() == []
    assert list(scene.store.uploads) == ["theirs"]


@pytest.mark.parametrize("refused", ["ListParts", "AbortMultipartUpload"])
async def test_an_upload_that_cannot_be_examined_or_aborted_does_not_stop_the_sweep(refused: str) -> None:
    """The error is raised after the others are aborted."""
    scene = Scene()
    scene.open("first", 5)
    scene.open("orphan", 6)
    scene.store.on(refused, refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await scene.run()
    assert list(scene.store.uploads) == ["first"]


async def test_uploads_with_known_ids_are_left_alone() -> None:
    scene = Scene()
    scene.open("running", 5)
    scene.open("orphan", 5)
    scene.known.add("running")
    assert await scene.run() == ["orphan"]
    assert list(scene.store.uploads) == ["running"]


@pytest.mark.parametrize("skew", [timedelta(days=1), timedelta(hours=-7), timedelta(minutes=3)])
@pytest.mark.parametrize(("seconds", "is_ours"), [(-60, False), (5, True), (60, False)])
async def test_the_stores_clock_decides_however_wrong_one_clock_is(
    skew: timedelta, seconds: int, is_ours: bool
) -> None:
    scene = Scene(skew)
    scene.open("orphan", seconds)
    assert await scene.run() == (["orphan"] if is_ours else [])


async def test_an_orphan_that_our_own_lost_abort_has_ended_counts_as_aborted() -> None:
    scene = Scene()
    scene.open("orphan", 5)
    scene.store.on("AbortMultipartUpload", scene.store.lose)
    assert await scene.run() == ["orphan"]


@pytest.mark.parametrize("operation", ["ListMultipartUploads", "AbortMultipartUpload"])
async def test_a_sweep_that_the_store_refuses_raises(operation: str) -> None:
    scene = Scene()
    scene.open("orphan", 5)
    scene.store.on(operation, refusal(403, "AccessDenied"))
    with pytest.raises(ResponseError, match="AccessDenied"):
        await scene.run()


def page(
    upload_id: str, *, at: str = "2026-05-04T03:02:05.000Z", markers: str = "", truncated: bool = True
) -> Response:
    body = f"<Upload><Key>key</Key><UploadId>{upload_id}</UploadId><Initiated>{at}</Initiated></Upload>"
    flag = f"<IsTruncated>{str(truncated).lower()}</IsTruncated>"
    return Response(200, {}, f"<ListMultipartUploadsResult>{flag}{body}</ListMultipartUploadsResult>".encode())


async def test_all_pages_of_the_listing_are_read() -> None:
    scene = Scene()
    for name in ("one", "two", "three"):
        scene.open(name, 4)
    scene.store.on("ListMultipartUploads", page("one"), page("two"), page("three", truncated=False))
    assert await scene.run() == ["one", "two", "three"]
    markers = [dict(request.query).get("upload-id-marker") for request in scene.store.requests("ListMultipartUploads")]
    assert markers == [None, "one", "two"]


async def test_a_listing_without_end_is_read_for_twenty_pages() -> None:
    scene = Scene()
    scene.open("orphan", 4)
    numbers = iter(range(1000))

    def endless(request: Request) -> Response:
        return page(f"other-{next(numbers)}", at="2020-01-01T00:00:00.000Z")

    scene.store.on("ListMultipartUploads", page("orphan"), *[endless] * 100)
    assert await scene.run() == ["orphan"]
    assert len(scene.store.requests("ListMultipartUploads")) == 20


async def test_a_listing_that_does_not_move_on_is_an_error() -> None:
    scene = Scene()
    scene.store.on("ListMultipartUploads", *[page("same")] * 100)
    with pytest.raises(ResponseError, match="does not advance"):
        await scene.run()
    assert len(scene.store.requests("ListMultipartUploads")) == 2


async def test_an_upload_that_gets_a_part_a_moment_later_is_left_alone() -> None:
    """Another process has begun it in the same seconds."""
    scene = Scene()
    scene.open("orphan", 5)
    scene.open("theirs", 6)

    async def sleep(seconds: float) -> None:
        key, began, _ = scene.store.uploads["theirs"]
        scene.store.uploads["theirs"] = (key, began, {1: b"part"})

    object.__setattr__(scene.client.clock, "sleep", sleep)
    assert await scene.run() == ["orphan"]
    assert list(scene.store.uploads) == ["theirs"]


async def test_uploads_in_use_elsewhere_are_left_alone() -> None:
    """They are asked for only if there are candidates."""
    scene = Scene()
    asked: list[str] = []

    async def ids_of_others() -> list[str]:
        asked.append("asked")
        return ["theirs"]

    assert await scene.sweep.run(ids_of_others) == []
    assert asked == []
    scene.open("theirs", 5)
    scene.open("orphan", 5)
    assert await scene.sweep.run(ids_of_others) == ["orphan"]


async def test_every_request_is_for_the_bucket_and_the_key_and_carries_the_headers() -> None:
    scene = Scene()
    scene.open("orphan", 5)
    await scene.sweep.run()
    assert [(request.operation, request.path) for request in scene.store.sent] == [
        ("ListMultipartUploads", "/bucket"),
        ("ListParts", "/bucket/key"),
        ("ListParts", "/bucket/key"),
        ("AbortMultipartUpload", "/bucket/key"),
    ]
    assert dict(scene.store.sent[0].query)["prefix"] == "key"
    assert not [name for name, _ in scene.store.sent[0].query if name.endswith("-marker")]
    assert all(request.headers["x-every"] == "e" for request in scene.store.sent)


@pytest.mark.parametrize("operation", ["ListMultipartUploads", "ListParts", "AbortMultipartUpload"])
async def test_every_request_is_in_the_timing_of_the_upload(operation: str) -> None:
    scene = Scene()
    scene.open("orphan", 5)
    scene.store.on(operation, lambda _: scene.clock.advance(3.0))
    assert await scene.sweep.run() == ["orphan"]
    assert scene.timeline.snapshot().response == 3.0


@pytest.mark.parametrize("operation", ["ListMultipartUploads", "ListParts", "AbortMultipartUpload"])
async def test_a_sweep_is_retried_with_an_empty_retry_budget(operation: str) -> None:
    scene = Scene()
    scene.open("orphan", 5)

    def empty(request: Request) -> Response:
        scene.client.budget.take(int(scene.client.budget.tokens))
        return refusal(500, "InternalError")

    scene.store.on(operation, empty)
    assert await scene.sweep.run() == ["orphan"]


async def test_an_upload_that_ends_before_it_is_examined_is_no_error() -> None:
    scene = Scene()
    scene.open("first", 5)
    scene.open("orphan", 6)
    scene.store.on("ListParts", refusal(404, "NoSuchUpload"))
    assert len(await scene.run()) == 1
