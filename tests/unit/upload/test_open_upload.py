"""Steps of an open upload: its parts, their check, and the commit."""

from __future__ import annotations

import dataclasses

import pytest

from aios3._client.attempts import FailedAttempts
from aios3._concurrency.task_group import PartTasks, UploadTasks
from aios3._upload.open_upload import check_parts
from aios3._upload.parts_sink import PartsSink
from aios3._upload.shared.job import PartRange
from aios3._upload.shared.progress import ProgressReporter
from aios3._upload.source.length import SourceLength
from aios3._upload.upload_requests import UploadRequests
from aios3.checkpoints import MultipartUpload
from aios3.errors import IntegrityError
from aios3.models import UploadedPart
from tests.support.fakes import PART, FakePart, make_job
from tests.support.upload_scene import UploadScene

UPLOAD = MultipartUpload("bucket", "key", "id", part_size=10)


def parts(*described: tuple[int, int]) -> list[UploadedPart]:
    return [UploadedPart(number, size, "etag") for number, size in described]


@pytest.mark.parametrize(
    ("described", "size", "total"),
    [([(1, 0)], None, 0), ([(1, 10)], 10, 10), ([(1, 10), (2, 10), (3, 1)], 21, 21), ([(1, 10), (2, 10)], None, 20)],
)
def test_parts_on_the_grid_make_an_object(described: list[tuple[int, int]], size: int | None, total: int) -> None:
    assert check_parts(UPLOAD, parts(*described), size) == total


@pytest.mark.parametrize(
    ("described", "size", "words"),
    [
        ([], None, r"parts \[1\] are missing"),
        ([(2, 10)], None, r"parts \[1\] are missing"),
        ([(1, 10), (3, 10), (5, 10)], None, r"parts \[2, 4\] are missing"),
        ([(1, 10), (1, 10)], None, "missing or listed twice"),
        ([(1, 9), (2, 10)], None, "part 1 has 9 bytes"),
        ([(1, 10), (2, 11)], None, "part 2 has 11 bytes"),
        ([(1, 10), (2, 5)], 16, "hold 15 bytes of 16"),
    ],
)
def test_gaps_parts_off_the_grid_and_a_wrong_sum_are_refused(
    described: list[tuple[int, int]], size: int | None, words: str
) -> None:
    with pytest.raises(IntegrityError, match=words):
        check_parts(UPLOAD, parts(*described), size)


@pytest.mark.parametrize("is_last", [False, True])
async def test_a_short_part_is_sent_only_if_it_is_the_last(is_last: bool) -> None:
    """Else it is the tail."""
    scene, closed = UploadScene(), list[int]()
    scene.store.open_upload("id")
    upload = MultipartUpload("bucket", "key", "id", PART)
    job = dataclasses.replace(make_job(), range=PartRange(upload, 2, is_last))
    tasks = UploadTasks()
    sink = PartsSink(
        UploadRequests(scene.engine, job, FailedAttempts()),
        tasks,
        ProgressReporter(None, SourceLength(size=None, max_size=None)),
    )
    async with sink.guard, PartTasks() as group:
        tasks.begin(group)
        await sink.send(FakePart(2, b"a" * PART, closed.append))
        await sink.send(FakePart(3, b"tail", closed.append))
        await sink.complete(3, PART + 4)
    assert [part.number for part in sink.result.parts] == ([2, 3] if is_last else [2])
    assert sink.result.tail == (b"" if is_last else b"tail")
    assert sorted(closed) == [2, 3]
    assert set(scene.store.uploads) == {"id"}
