"""`examine_bucket`: what it leaves, what it finds in a bucket in use, and what it tells of odd stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from aios3._doctor.examination import run_examination
from aios3._doctor.findings import problem_of
from aios3._doctor.housekeeping import RULE
from aios3._doctor.scratch import PREFIX
from aios3.doctor import examine_bucket
from aios3.errors import DriverClosedError
from aios3.testing import Fault, S3Server
from tests.support.examination import driver_of, examine


@pytest.fixture
async def server() -> AsyncIterator[S3Server]:
    """A store with a bucket that keeps versions."""
    async with S3Server(versioned_buckets=["bucket"]) as server:
        yield server


async def _keep(server: S3Server, *, days: int) -> None:
    """Begin an upload of somebody else that lies there for days."""
    async with driver_of(server) as driver:
        upload = await driver.create_multipart_upload("bucket", "theirs")
        await driver.upload_part(upload, 1, bytes(1000))
    server.store.clock = lambda: datetime.now(UTC) + timedelta(days=days, minutes=5)


async def test_a_bucket_in_use_keeps_everything_and_its_old_uploads_are_counted(server: S3Server) -> None:
    await _keep(server, days=3)
    async with driver_of(server) as driver:
        await driver.upload_object_via_stream(b"kept", "bucket", "key")
    found = await examine(server)
    assert found["open uploads"].level == "warning"
    assert found["open uploads"].text.startswith("1 open upload, 1000 bytes, the oldest from ")
    assert "(3 days ago)" in found["open uploads"].text
    assert [upload.key for upload in server.open_uploads] == ["theirs"]
    assert list(server.objects) == [("bucket", "key")]
    assert not [each for each, left in server.store.versions.items() if left and each[1].startswith(PREFIX)]


@pytest.mark.parametrize(
    ("rule", "days", "level", "word"),
    [
        ("<Filter><Prefix></Prefix></Filter>", 7, "ok", "after 7 days"),
        ("<Prefix/>", 1, "ok", "after 1 day"),
        ("<Filter><Prefix>logs/</Prefix></Filter>", 7, "warning", "no lifecycle rule"),
        ("<Filter><And><Prefix/><Tag><Key>a</Key></Tag></And></Filter>", 7, "warning", "no lifecycle rule"),
    ],
)
async def test_only_a_rule_for_every_key_counts(server: S3Server, rule: str, days: int, level: str, word: str) -> None:
    age = f"<DaysAfterInitiation>{days}</DaysAfterInitiation>"
    action = f"<AbortIncompleteMultipartUpload>{age}</AbortIncompleteMultipartUpload>"
    document = f"<LifecycleConfiguration><Rule><Status>Enabled</Status>{rule}{action}</Rule></LifecycleConfiguration>"
    server.store.lifecycles["bucket"] = document.encode()
    found = (await examine(server))["lifecycle rule"]
    assert (found.level, f"{found.text},".count(f"{word}{',' if level == 'ok' else ''}")) == (level, 1)
    assert (RULE in found.advice) == (level == "warning")


async def test_a_store_without_lifecycle_rules_gets_another_advice(server: S3Server) -> None:
    server.faults.add(Fault("answer", "GetBucketLifecycleConfiguration", status=501, code="NotImplemented"))
    assert "--older-than 7d" in (await examine(server))["lifecycle rule"].advice


async def test_a_cancellation_waits_for_a_create_in_flight_and_notes_what_could_not_be_removed(
    server: S3Server,
) -> None:
    server.faults.add(Fault("answer", "DeleteObject", status=403, code="AccessDenied", times=99))
    server.hold("CreateMultipartUpload")
    async with driver_of(server) as driver:
        task = asyncio.create_task(examine_bucket(driver, "bucket"))
        await server.wait_for(lambda server: server.held_requests)
        task.cancel()
        assert (await asyncio.wait({task}, timeout=0.1))[0] == set()
        server.release("CreateMultipartUpload")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert any("DeleteObject" in note for note in caught.value.__notes__)
    assert not server.open_uploads


_LOCK = b"<ObjectLockConfiguration><Rule><DefaultRetention/></Rule></ObjectLockConfiguration>"


async def test_nothing_is_written_where_it_could_not_be_removed(server: S3Server) -> None:
    server.faults.add(Fault("garbage_200", "GetObjectLockConfiguration", body=_LOCK))
    found = await examine(server)
    assert "default lock" in found
    assert not [request for request in server.requests if request.method not in ("GET", "HEAD")]


@pytest.mark.parametrize(
    ("operation", "subject"),
    [
        ("ListObjectsV2", "permission to list"),
        ("GetBucketLifecycleConfiguration", "lifecycle rule"),
        ("ListMultipartUploads", "open uploads"),
        ("HeadObject", "permission to read"),
        ("ListParts", "ListParts"),
        ("DeleteObject", "permission to delete"),
    ],
)
async def test_a_missing_permission_is_a_warning_and_the_rest_is_examined(
    server: S3Server, operation: str, subject: str
) -> None:
    server.faults.add(Fault("answer", operation, status=403, code="AccessDenied", times=99))
    found = await examine(server)
    assert found[subject].level == "warning"
    assert found[subject].advice
    assert {"unequal parts", "endpoint"} <= found.keys()


@pytest.mark.parametrize(
    ("operation", "nth", "subject", "level"),
    [
        ("CreateMultipartUpload", 1, "multipart uploads", "problem"),
        ("CreateMultipartUpload", 2, "unequal parts", "problem"),
        ("ListObjectsV2", 1, "endpoint", "problem"),
        ("CompleteMultipartUpload", 1, "size at Complete", "ok"),
        ("CompleteMultipartUpload", 3, "minimum part", "ok"),
        ("PutObject", 1, "permission to write", "problem"),
    ],
)
async def test_a_refusal_is_explained_and_nothing_is_left(
    server: S3Server, operation: str, nth: int, subject: str, level: str
) -> None:
    server.faults.add(Fault("answer", operation, nth=nth, status=400, code="InvalidRequest"))
    found = await examine(server)
    assert (found[subject].level, server.open_uploads, list(server.objects)) == (level, [], [])


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload", "CompleteMultipartUpload"])
async def test_what_a_lost_response_has_made_is_found_and_removed(server: S3Server, operation: str, times: int) -> None:
    """The library repeats a request whose kept-alive connection was cut, so the first one may have left something."""
    server.faults.add(Fault("drop_after", operation, nth=1 + (operation == "PutObject"), times=times))
    found = await examine(server)
    ending = ("ok", "store") if times == 1 else ("problem", "no response")
    assert (found["endpoint"].level, found["endpoint"].cause) == ending
    assert not server.objects
    assert not server.open_uploads
    assert not any(server.store.versions.values())


async def test_a_record_that_promises_more_than_the_store_does_is_a_problem(server: S3Server) -> None:
    server.faults.add(Fault("garbage_200", "PutObject", nth=2))
    found = await examine(server, "minio")
    assert found["If-None-Match of PutObject"].level == "problem"
    assert "--provider" in found["If-None-Match of PutObject"].advice


async def test_a_closed_driver_is_an_error_of_the_caller(server: S3Server) -> None:
    driver = driver_of(server)
    await driver.aclose()
    with pytest.raises(DriverClosedError):
        await run_examination(driver, "bucket", lambda finding: None)
    with pytest.raises(ZeroDivisionError):
        problem_of(ZeroDivisionError())
