"""The sweep after a lost Create: it takes what this call has left, and touches nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aios3._protocol.operations import HeadObject
from aios3._protocol.wire.messages import Request, Response
from aios3._upload.multipart.orphan_sweep import OrphanSweep
from aios3.errors import AccessDeniedError, ResponseError, StorageError
from tests.support.fakes import FakeClock, FakeStore, make_client, refusal

SECOND = timedelta(seconds=1)


class Scene:
    """A lost Create: sent at 0 s, given up at 10 s, looked for an hour later."""

    def __init__(self, skew: timedelta = timedelta()) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.store.skew = skew
        self.known: set[str] = set()
        self.client = make_client(self.store, self.clock)
        self.sweep = OrphanSweep(self.client, "bucket", "key", headers={"x-every": "e"}, known_uploads=self.known)
        self.began = self.clock.moment
        self.sweep.begin()
        self.clock.advance(10)
        self.sweep.response_was_lost()
        self.clock.advance(3600)

    def open(self, upload_id: str, seconds: float, *, key: str = "key", parts: int = 0) -> None:
        """Begin an upload so many seconds after the Create was sent, by the store's clock."""
        self.store.open_upload(upload_id, key, at=self.began + self.store.skew + seconds * SECOND, parts=parts)

    async def run(self) -> list[str]:
        """Sweep, after an answer that told the store's time."""
        with pytest.raises(StorageError):
            await self.client.run(HeadObject("bucket", "other"))
        return await self.sweep.run()


@pytest.mark.parametrize("seconds", [-1, 0, 5, 10, 11])
async def test_what_began_while_the_create_was_unanswered_is_aborted(seconds: int) -> None:
    """Once: then no sweep is needed."""
    scene = Scene()
    scene.open("orphan", seconds)
    assert scene.sweep.is_needed
    assert await scene.run() == ["orphan"]
    assert scene.store.uploads == {}
    assert not scene.sweep.is_needed


@pytest.mark.parametrize("seconds", [-3600, -3, 13, 3600])
async def test_what_began_earlier_or_later_is_not_touched(seconds: int) -> None:
    """It is somebody else's, perhaps just about to send its first part."""
    scene = Scene()
    scene.open("theirs", seconds)
    assert await scene.run() == []
    assert list(scene.store.uploads) == ["theirs"]


async def test_what_has_no_time_is_not_touched() -> None:
    """It could be of any age."""
    scene = Scene()
    scene.store.open_upload("ageless")
    assert await scene.run() == []


async def test_what_has_parts_is_not_touched() -> None:
    """Ours has none: nobody knows its id."""
    scene = Scene()
    scene.open("busy", 5, parts=1)
    assert await scene.run() == []


@pytest.mark.parametrize("key", ["key2", "ke", "key/", "other"])
async def test_other_keys_are_not_touched(key: str) -> None:
    """Also where the listing by prefix shows them."""
    scene = Scene()
    scene.open("theirs", 5, key=key)
    assert await scene.run() == []


async def test_uploads_of_this_driver_are_not_touched() -> None:
    """Their ids are known."""
    scene = Scene()
    scene.open("running", 5)
    scene.open("orphan", 5)
    scene.known.add("running")
    assert await scene.run() == ["orphan"]
    assert list(scene.store.uploads) == ["running"]


@pytest.mark.parametrize("skew", [timedelta(days=1), timedelta(hours=-7), timedelta(minutes=3)])
@pytest.mark.parametrize(("seconds", "is_ours"), [(-60, False), (5, True), (60, False)])
async def test_times_are_the_stores(skew: timedelta, seconds: int, is_ours: bool) -> None:
    """However wrong one of the two clocks is."""
    scene = Scene(skew)
    scene.open("orphan", seconds)
    assert await scene.run() == (["orphan"] if is_ours else [])


async def test_what_cannot_be_looked_at_is_not_touched() -> None:
    """It might have parts; the others are ended all the same, and then the error is raised."""
    scene = Scene()
    scene.open("unclear", 5)
    scene.open("orphan", 6)
    scene.store.on("ListParts", refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await scene.run()
    assert list(scene.store.uploads) == ["unclear"]


async def test_an_orphan_that_is_gone_meanwhile_is_ended() -> None:
    """The answer to our own abort was lost, and the repetition finds nothing."""
    scene = Scene()
    scene.open("orphan", 5)
    scene.store.on("AbortMultipartUpload", scene.store.lose)
    assert await scene.run() == ["orphan"]


async def test_one_that_cannot_be_ended_does_not_save_the_others() -> None:
    """They are ended first."""
    scene = Scene()
    scene.open("stubborn", 5)
    scene.open("orphan", 6)
    scene.store.on("AbortMultipartUpload", refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await scene.run()
    assert list(scene.store.uploads) == ["stubborn"]


async def test_nothing_is_touched_before_a_create() -> None:
    """There is no time to judge by."""
    scene = Scene()
    scene.open("theirs", 5)
    sweep = OrphanSweep(scene.client, "bucket", "key", headers={}, known_uploads=set())
    assert not sweep.is_needed
    assert await sweep.run() == []


@pytest.mark.parametrize("operation", ["ListMultipartUploads", "AbortMultipartUpload"])
async def test_a_store_that_will_not_is_an_error(operation: str) -> None:
    """And the sweep is still needed."""
    scene = Scene()
    scene.open("orphan", 5)
    scene.store.on(operation, refusal(403, "AccessDenied"))
    with pytest.raises(ResponseError, match="AccessDenied"):
        await scene.run()
    assert scene.sweep.is_needed


async def test_it_works_without_a_retry_budget() -> None:
    """As all clean-up."""
    scene = Scene()
    scene.open("orphan", 5)
    scene.client.budget.take(500)
    for operation in ("ListMultipartUploads", "ListParts", "AbortMultipartUpload"):
        scene.store.on(operation, refusal(503, "SlowDown"))
    assert await scene.run() == ["orphan"]


async def test_requests_are_for_the_key_and_carry_the_headers() -> None:
    """A bucket may hold millions of uploads, and somebody must pay."""
    scene = Scene()
    scene.open("orphan", 5)
    await scene.run()
    (listing,) = scene.store.requests("ListMultipartUploads")
    assert dict(listing.query)["prefix"] == "key"
    assert all(request.headers["x-every"] == "e" for request in scene.store.sent[1:])


def page(
    upload_id: str, *, at: str = "2026-05-04T03:02:05.000Z", markers: str = "", truncated: bool = True
) -> Response:
    body = f"<Upload><Key>key</Key><UploadId>{upload_id}</UploadId><Initiated>{at}</Initiated></Upload>"
    flag = f"<IsTruncated>{str(truncated).lower()}</IsTruncated>"
    return Response(200, {}, f"<ListMultipartUploadsResult>{flag}{body}</ListMultipartUploadsResult>".encode())


async def test_all_pages_are_read() -> None:
    """Each goes on where the one before it ended."""
    scene = Scene()
    for name in ("one", "two", "three"):
        scene.open(name, 4)
    scene.store.on("ListMultipartUploads", page("one"), page("two"), page("three", truncated=False))
    assert await scene.run() == ["one", "two", "three"]
    markers = [dict(request.query).get("upload-id-marker") for request in scene.store.requests("ListMultipartUploads")]
    assert markers == [None, "one", "two"]


async def test_a_listing_without_end_ends() -> None:
    """Twenty pages are looked at; what was found on them counts."""
    scene = Scene()
    scene.open("orphan", 4)
    numbers = iter(range(1000))

    def endless(request: Request) -> Response:
        return page(f"other-{next(numbers)}", at="2020-01-01T00:00:00.000Z")

    scene.store.on("ListMultipartUploads", page("orphan"), *[endless] * 100)
    assert await scene.run() == ["orphan"]
    assert len(scene.store.requests("ListMultipartUploads")) == 20


async def test_a_listing_that_does_not_move_on_is_an_error() -> None:
    """It would never end."""
    scene = Scene()
    scene.store.on("ListMultipartUploads", *[page("same")] * 100)
    with pytest.raises(ResponseError, match="does not advance"):
        await scene.run()
    assert len(scene.store.requests("ListMultipartUploads")) == 2


async def test_what_gets_its_first_part_a_moment_later_is_not_touched() -> None:
    """Another process began in the same window: a second look tells the living from the lost."""
    scene = Scene()
    scene.open("orphan", 5)
    scene.open("theirs", 6)

    async def sleep(seconds: float) -> None:
        key, began, _ = scene.store.uploads["theirs"]
        scene.store.uploads["theirs"] = (key, began, {1: b"part"})

    object.__setattr__(scene.client.clock, "sleep", sleep)
    assert await scene.run() == ["orphan"]
    assert list(scene.store.uploads) == ["theirs"]


@pytest.mark.parametrize("seconds", [-2, 12])
async def test_two_seconds_more_on_either_side_count(seconds: int) -> None:
    """Times in a listing are whole seconds."""
    scene = Scene()
    scene.open("orphan", seconds)
    assert await scene.run() == ["orphan"]


async def test_a_time_that_is_told_counts_like_one_that_was_noted() -> None:
    """As after a restart, when an earlier process had sent the Create."""
    scene = Scene()
    scene.sweep.was_lost_between(scene.began - 100 * SECOND, scene.began - 90 * SECOND)
    scene.open("orphan", -95)
    scene.open("theirs", 5)
    assert await scene.run() == ["orphan"]


async def test_a_loss_without_a_beginning_is_none() -> None:
    """There is no window to judge by."""
    scene = Scene()
    scene.open("theirs", 5)
    sweep = OrphanSweep(scene.client, "bucket", "key", headers={}, known_uploads=set())
    sweep.response_was_lost()
    assert await sweep.run() == []


async def test_what_is_in_use_elsewhere_is_not_touched() -> None:
    """Others are asked once there are candidates."""
    scene = Scene()
    scene.open("theirs", 5)
    scene.open("orphan", 5)
    asked: list[str] = []

    async def ids_of_others() -> list[str]:
        asked.append("asked")
        return ["theirs"]

    assert await scene.sweep.run(ids_of_others) == ["orphan"]
    assert await scene.sweep.run(ids_of_others) == []
    assert asked == ["asked"]


async def test_every_request_is_for_the_bucket_and_the_key() -> None:
    """And the first page has no marker."""
    scene = Scene()
    scene.open("orphan", 5)
    await scene.sweep.run()
    assert [(request.operation, request.path) for request in scene.store.sent] == [
        ("ListMultipartUploads", "/bucket"),
        ("ListParts", "/bucket/key"),
        ("ListParts", "/bucket/key"),
        ("AbortMultipartUpload", "/bucket/key"),
    ]
    assert not [name for name, _ in scene.store.sent[0].query if name.endswith("-marker")]


@pytest.mark.parametrize("operation", ["ListMultipartUploads", "ListParts", "AbortMultipartUpload"])
async def test_a_budget_that_runs_out_on_the_way_does_not_end_it(operation: str) -> None:
    """Each of its requests is repeated all the same."""
    scene = Scene()
    scene.open("orphan", 5)

    def empty(request: Request) -> Response:
        scene.client.budget.take(int(scene.client.budget.tokens))
        return refusal(500, "InternalError")

    scene.store.on(operation, empty)
    assert await scene.sweep.run() == ["orphan"]
