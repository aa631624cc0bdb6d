"""Multipart uploads as values: begun, filled, completed and aborted by different drivers."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import pickle
from datetime import timedelta

import pytest

from aios3 import (
    AccessDeniedError,
    CompletionUnknownError,
    ConfigurationError,
    DriverClosedError,
    IntegrityError,
    MultipartUpload,
    ObjectTooLargeError,
    PreconditionFailedError,
    ResponseError,
    SizeMismatchError,
    Timeouts,
    TransferConfig,
    TransportError,
    UploadCheckpoint,
    UploadNotFoundError,
    UploadProgress,
)
from aios3.testing import Fault
from tests.support.driver_scenes import in_chunks, operations
from tests.support.sweep import IMPATIENT, Source, Turns

PART = 1024
CONTENT = bytes(range(256)) * 14  # 3.5 parts


async def begin(driver, **options):
    return await driver.create_multipart_upload("bucket", "key", **options)


def stored(server, upload):
    """Return the bodies of the stored parts by number."""
    return {number: bytes(part.body) for number, part in server.store.uploads[upload.upload_id].parts.items()}


@pytest.fixture
def checking_driver(make_driver, small_provider):
    """A driver that sends CRC32 checksums of every part."""
    provider = dataclasses.replace(
        small_provider, checksums=frozenset({"crc32"}), full_object_checksums=frozenset({"crc32"})
    )
    return make_driver(provider=provider, transfer=TransferConfig(part_size=PART, checksum="crc32"))


# the value


async def test_three_drivers_make_one_object(server, make_driver):
    """The value goes from one to the next as JSON; the object has the bytes, the type and the metadata."""
    first, second, third = (make_driver() for _ in range(3))
    upload = await begin(first, content_type="text/plain", metadata={"who": "me"})
    text = upload.to_json()
    head = await second.upload_parts(MultipartUpload.from_json(text), in_chunks(CONTENT[: 2 * PART]), last=False)
    assert ([part.number for part in head.parts], head.size, head.tail) == ([1, 2], 2 * PART, b"")
    rest = await third.upload_parts(MultipartUpload.from_json(text), CONTENT[2 * PART :], first_part=3)
    assert [part.size for part in rest.parts] == [PART, PART // 2]
    assert server.objects == {}
    receipt = await third.complete_multipart_upload(MultipartUpload.from_json(text), size=len(CONTENT))
    found = server.objects["bucket", "key"]
    assert found.body == CONTENT
    assert (found.headers["content-type"], found.headers["x-amz-meta-who"]) == ("text/plain", "me")
    assert (receipt.size, receipt.upload_id, receipt.parts) == (len(CONTENT), upload.upload_id, head.parts + rest.parts)
    assert f'"{receipt.etag}"' == found.etag
    assert server.store.uploads == {}


async def test_the_value_survives_pickle_and_json(driver):
    upload = await begin(driver, size=5, if_none_match="*", transfer=TransferConfig(part_size=PART, nonce=True))
    assert upload.nonce is not None
    assert upload.created_at is not None
    assert pickle.loads(pickle.dumps(upload)) == upload
    assert MultipartUpload.from_json(upload.to_json()) == upload
    for text in ("", "[]", "{}", upload.to_json().replace('"key"', '"k"', 1), upload.to_json().replace("1024", "0")):
        with pytest.raises(ConfigurationError):
            MultipartUpload.from_json(text)


@pytest.mark.parametrize("upload_id", ["", " ", "\ud800"])
async def test_an_id_that_no_upload_can_have_is_refused_before_a_request(server, driver, upload_id):
    """Without an id, some stores would take an abort for the deletion of the object."""
    upload = MultipartUpload("bucket", "key", upload_id, PART)
    checkpoint = UploadCheckpoint("bucket", "key", upload_id, PART, ())
    for call in (
        driver.abort_multipart_upload(upload),
        driver.upload_part(upload, 1, b"x"),
        driver.complete_multipart_upload(upload),
        driver.upload_object_via_stream(b"x", "bucket", "key", resume=checkpoint),
    ):
        with pytest.raises(ConfigurationError, match="id of a multipart upload"):
            await call
    assert server.requests == []


def test_a_pickle_of_another_version_is_read_by_its_names():
    upload = MultipartUpload("bucket", "key", "id", PART, size=5)
    restore, (known,) = upload.__reduce__()
    assert restore({**known, "of_a_later_version": 1}) == upload
    del known["expected_bucket_owner"]
    assert restore(known) == upload


async def test_parts_are_larger_where_a_declared_size_needs_it(server, driver):
    limit = server.store.provider.max_parts
    assert (await begin(driver, size=PART * limit)).part_size == PART
    assert (await begin(driver, size=PART * limit + 1)).part_size > PART


# parts


async def test_what_fills_no_part_comes_back_as_the_tail(server, driver):
    """Nothing is stored of it; a source of no bytes stores nothing."""
    upload = await begin(driver)
    done = await driver.upload_parts(upload, in_chunks(CONTENT), last=False)
    assert done.tail == CONTENT[3 * PART :]
    assert set(stored(server, upload)) == {1, 2, 3}
    empty = await driver.upload_parts(upload, b"", first_part=4, last=False)
    assert (empty.parts, empty.size, empty.tail) == ((), 0, b"")
    assert set(stored(server, upload)) == {1, 2, 3}


async def test_an_empty_object_is_one_empty_part(server, driver):
    upload = await begin(driver, size=0)
    done = await driver.upload_parts(upload, b"")
    assert [(part.number, part.size) for part in done.parts] == [(1, 0)]
    receipt = await driver.complete_multipart_upload(upload)
    assert (receipt.size, server.objects["bucket", "key"].body) == (0, b"")


async def test_two_senders_of_the_same_bytes_write_the_same_parts(server, driver, make_driver):
    upload = await begin(driver, size=len(CONTENT))
    other = make_driver()
    async with asyncio.TaskGroup() as group:
        group.create_task(driver.upload_parts(upload, in_chunks(CONTENT, 100)))
        group.create_task(other.upload_parts(upload, in_chunks(CONTENT, 999)))
    receipt = await other.complete_multipart_upload(upload)
    assert server.objects["bucket", "key"].body == CONTENT
    assert receipt.size == len(CONTENT)


async def test_progress_counts_the_bytes_of_the_call(driver):
    upload = await begin(driver, size=len(CONTENT))
    seen = []
    await driver.upload_parts(upload, in_chunks(CONTENT[PART:]), first_part=2, on_progress=seen.append)
    size = len(CONTENT) - PART
    assert seen[-1] == UploadProgress(size, size, size, 3, size)


async def test_one_part_has_exactly_its_place_on_the_grid(server, driver):
    upload = await begin(driver, size=len(CONTENT))
    for number, content in ((4, CONTENT[3 * PART :]), (2, CONTENT[PART : 2 * PART])):
        part = await driver.upload_part(upload, number, in_chunks(content))
        assert (part.number, part.size) == (number, len(content))
    for number, content in ((1, CONTENT[:10]), (4, CONTENT[:PART]), (1, CONTENT[: PART + 1])):
        with pytest.raises(SizeMismatchError):
            await driver.upload_part(upload, number, content)
    with pytest.raises(ConfigurationError, match="behind the end"):
        await driver.upload_part(upload, 5, b"x")
    assert set(stored(server, upload)) == {2, 4}


async def test_one_part_of_an_upload_of_unknown_size_has_any_length_up_to_a_part(server, driver):
    upload = await begin(driver)
    assert (await driver.upload_part(upload, 2, b"x")).size == 1
    with pytest.raises(ObjectTooLargeError):
        await driver.upload_part(upload, 3, b"x" * (PART + 1))
    with pytest.raises(SizeMismatchError, match="no bytes"):
        await driver.upload_part(upload, 3, b"")
    assert stored(server, upload) == {2: b"x"}


@pytest.mark.parametrize("way", ["source", "refusal"])
async def test_after_a_failure_the_stored_parts_stay(server, driver, way):
    upload = await begin(driver)
    if way == "refusal":
        server.faults.add(Fault("answer", "UploadPart", part_number=3, status=403, code="AccessDenied", times=99))
    with pytest.raises(AccessDeniedError if way == "refusal" else KeyError):
        await driver.upload_parts(upload, in_chunks(CONTENT, error=KeyError() if way == "source" else None))
    assert "AbortMultipartUpload" not in operations(server)
    assert stored(server, upload)[1] == CONTENT[:PART]
    server.faults.clear()
    await driver.upload_parts(upload, CONTENT)
    await driver.complete_multipart_upload(upload)
    assert server.objects["bucket", "key"].body == CONTENT


async def cancelled_at(turn, call):
    """Cancel `call` at a turn of the loop, and then once more; return its result, or None if it was cancelled."""
    task = asyncio.create_task(call)
    turns = Turns((turn, task.cancel), (turn + 2, task.cancel))
    await asyncio.wait({task})
    turns.stop()
    return None if task.cancelled() else task.result()


async def test_parts_that_are_cancelled_at_any_turn_leave_the_upload_open_and_nothing_running(server, driver):
    """The source is closed, and the same call can be made again."""
    upload = await begin(driver, size=len(CONTENT))
    ends = 0
    for turn in range(200):
        source = Source(CONTENT)
        done = await cancelled_at(turn, driver.upload_parts(upload, source))
        ends += done is None
        assert source.is_closed or source.content == CONTENT
        assert set(server.store.uploads) == {upload.upload_id}
        if done is not None:
            break
    assert ends > 10
    assert done.size == len(CONTENT)
    assert (await driver.complete_multipart_upload(upload)).size == len(CONTENT)


# the commit


async def test_a_gap_is_refused_and_leaves_the_upload_open(server, driver):
    upload = await begin(driver)
    await driver.upload_part(upload, 2, CONTENT[:PART])
    with pytest.raises(IntegrityError, match=r"parts \[1\] are missing"):
        await driver.complete_multipart_upload(upload)
    assert (server.objects, set(server.store.uploads)) == ({}, {upload.upload_id})


async def test_another_size_than_was_declared_is_a_mistake_of_the_call(driver):
    upload = await begin(driver, size=5)
    with pytest.raises(ConfigurationError, match="size of 5"):
        await driver.complete_multipart_upload(upload, size=6)


@pytest.mark.parametrize("quote", ["", '"'])
async def test_given_parts_are_not_listed(server, driver, quote):
    """Their ETags may have the quotes that a browser reads in the header."""
    upload = await begin(driver)
    done = await driver.upload_parts(upload, CONTENT)
    parts = [dataclasses.replace(part, etag=f"{quote}{part.etag}{quote}") for part in reversed(done.parts)]
    await driver.complete_multipart_upload(upload, parts=parts)
    assert "ListParts" not in operations(server)
    assert server.objects["bucket", "key"].body == CONTENT


@pytest.mark.parametrize("checksum", ["garbage", "AAAA", "", "é"])
async def test_a_part_with_an_impossible_checksum_is_refused_and_leaves_the_upload_open(
    server, checking_driver, checksum
):
    upload = await begin(checking_driver)
    done = await checking_driver.upload_parts(upload, CONTENT)
    wrong = [dataclasses.replace(part, checksum=checksum) for part in done.parts]
    with pytest.raises(IntegrityError, match="part 1"):
        await checking_driver.complete_multipart_upload(upload, parts=wrong)
    assert set(server.store.uploads) == {upload.upload_id}


async def test_the_conditions_of_the_creation_hold_at_the_commit(server, driver):
    """The upload stays open after the refusal."""
    await driver.upload_object_via_stream(b"old", "bucket", "key")
    upload = await begin(driver, if_none_match="*")
    await driver.upload_parts(upload, CONTENT)
    with pytest.raises(PreconditionFailedError):
        await driver.complete_multipart_upload(MultipartUpload.from_json(upload.to_json()))
    assert set(server.store.uploads) == {upload.upload_id}
    assert server.objects["bucket", "key"].body == b"old"


async def test_a_lost_response_to_the_commit_is_settled(server, driver):
    upload = await begin(driver)
    await driver.upload_parts(upload, CONTENT)
    server.faults.add(Fault("drop_after", "CompleteMultipartUpload"))
    assert (await driver.complete_multipart_upload(upload)).size == len(CONTENT)
    assert server.objects["bucket", "key"].body == CONTENT


class Stopped(BaseException):
    """An exception that is no `Exception`."""


@pytest.mark.parametrize("error", [KeyError("virus"), Stopped("stop"), asyncio.CancelledError("of something else")])
@pytest.mark.parametrize("kind", ["raises", "awaits and raises"])
@pytest.mark.parametrize("call", ["complete", "stream", "bytes", "writer"])
async def test_what_before_commit_raises_aborts_and_is_raised(server, driver, kind, call, error):
    """Nothing is visible when it is called, and nothing is left. Its own cancellation is none of the call."""
    seen = []

    def refuse(request):
        seen.append(request)
        assert server.objects == {}
        if kind == "raises":
            raise error

        async def later():
            await asyncio.sleep(0)
            raise error

        return later()

    content = CONTENT[:10] if call == "bytes" else CONTENT
    with pytest.raises(type(error)) as caught:
        if call == "complete":
            upload = await begin(driver)
            await driver.upload_parts(upload, content)
            await driver.complete_multipart_upload(upload, before_commit=refuse)
        elif call == "writer":
            async with driver.open_upload("bucket", "key", before_commit=refuse, metadata={"a": "b"}) as writer:
                await writer.write(content)
        else:
            await driver.upload_object_via_stream(content, "bucket", "key", before_commit=refuse, metadata={"a": "b"})
    assert caught.value is error
    assert (server.objects, server.store.uploads) == ({}, {})
    (request,) = seen
    assert (request.bucket, request.key, request.size) == ("bucket", "key", len(content))
    assert sum(one.size for one in request.parts) == (0 if call == "bytes" else len(content))
    assert request.metadata == (None if call == "complete" else {"a": "b"})


async def test_a_lost_commit_that_ends_in_an_abort_says_so(server, driver):
    """The caller must know that the upload cannot be completed any more."""
    upload = await begin(driver)
    await driver.upload_parts(upload, CONTENT)
    server.faults.add(Fault("drop_before", "CompleteMultipartUpload", times=99))
    with pytest.raises(TransportError) as caught:
        await driver.complete_multipart_upload(upload)
    assert f"aios3: multipart upload {upload.upload_id} of bucket/key: it was aborted" in caught.value.__notes__
    assert server.store.uploads == {}


async def test_a_cancellation_while_before_commit_waits_leaves_the_upload_open(server, driver):
    upload = await begin(driver)
    await driver.upload_parts(upload, CONTENT)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0) as timeout:
            timeout.reschedule(None)

            async def wait(request):
                timeout.reschedule(0)
                await asyncio.Event().wait()

            await driver.complete_multipart_upload(upload, before_commit=wait)
    assert set(server.store.uploads) == {upload.upload_id}


async def test_before_commit_may_let_it_pass(server, checking_driver, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    seen = []
    await checking_driver.upload_object(path, "bucket", "key", before_commit=seen.append)
    assert server.objects["bucket", "key"].body == CONTENT
    assert len(base64.b64decode(seen[0].checksum.partition("-")[0])) == 4


async def test_checksums_hold_from_the_parts_to_the_commit(checking_driver):
    upload = await begin(checking_driver)
    assert upload.checksum == "crc32"
    await checking_driver.upload_parts(upload, CONTENT)
    receipt = await checking_driver.complete_multipart_upload(upload)
    assert receipt.checksum is not None
    assert all(one.checksum for one in receipt.parts)


# ends


@pytest.mark.parametrize("is_lost", [False, True])
async def test_a_creation_that_is_cancelled_at_any_turn_leaves_nothing_open(server, make_driver, is_lost):
    """Also if the first response was lost, so that an orphan has to be looked for."""
    driver = make_driver()
    driver._clock = IMPATIENT
    await driver.get_container("bucket")  # connects
    ends = 0
    for turn in range(200):
        if is_lost:
            server.faults.add(Fault("drop_after", "CreateMultipartUpload"))
        upload = await cancelled_at(turn, begin(driver))
        server.faults.clear()
        if upload is not None:
            break
        ends += 1
        assert server.store.uploads == {}
    assert ends > 3
    assert set(server.store.uploads) == {upload.upload_id}


async def test_an_abort_is_proved_and_may_be_repeated(server, driver):
    upload = await begin(driver)
    await driver.upload_parts(upload, CONTENT)
    await driver.abort_multipart_upload(upload)
    await driver.abort_multipart_upload(upload)
    assert server.store.uploads == {}
    assert operations(server).count("ListParts") == 2
    with pytest.raises(UploadNotFoundError):
        await driver.upload_parts(upload, CONTENT)
    with pytest.raises(UploadNotFoundError):
        await driver.complete_multipart_upload(upload)


async def test_an_abort_that_is_refused_is_an_error(server, driver):
    upload = await begin(driver)
    server.faults.add(Fault("answer", "AbortMultipartUpload", status=403, code="AccessDenied", times=9))
    with pytest.raises(AccessDeniedError):
        await driver.abort_multipart_upload(upload)


async def test_closing_the_driver_stops_the_parts_and_leaves_the_upload(server, driver, make_driver):
    upload = await begin(driver)

    async def endless():
        yield CONTENT
        await driver.aclose()
        yield CONTENT

    with pytest.raises(DriverClosedError):
        await driver.upload_parts(upload, endless())
    other = make_driver()
    await other.upload_parts(upload, CONTENT)
    await other.complete_multipart_upload(upload)
    assert server.objects["bucket", "key"].body == CONTENT


async def test_a_commit_that_the_end_of_the_driver_cuts_off_is_unknown(server, make_driver):
    driver = make_driver(timeouts=Timeouts(cleanup=0.2))
    upload = await begin(driver)
    await driver.upload_parts(upload, CONTENT)
    server.faults.add(Fault("stall_after", "CompleteMultipartUpload", times=9))
    completing = asyncio.create_task(driver.complete_multipart_upload(upload))
    while "CompleteMultipartUpload" not in operations(server):
        await asyncio.sleep(0.01)
    await driver.aclose()
    with pytest.raises(CompletionUnknownError) as caught:
        await completing
    assert caught.value.upload_id == upload.upload_id


async def test_the_drivers_own_clean_up_spares_an_upload_in_use(server, driver):
    """Once no call works on it, its age counts."""
    upload = await begin(driver)
    aborted = []

    async def source():
        yield CONTENT[:PART]
        aborted.extend(await driver.cleanup_multipart_uploads("bucket", older_than=timedelta()))
        yield CONTENT[PART:]

    await driver.upload_parts(upload, source())
    assert aborted == []
    await driver.complete_multipart_upload(upload)


async def test_a_journal_lists_it_until_it_is_ended(server, make_driver, tmp_path):
    """A later process recovers it as any other."""
    driver = make_driver(journal=tmp_path)
    done, left = await begin(driver), await begin(driver)
    await driver.upload_parts(done, CONTENT)
    await driver.complete_multipart_upload(done)
    await driver.upload_parts(left, CONTENT[:PART], last=False)
    await driver.aclose()
    later = make_driver(journal=tmp_path)
    (checkpoint,) = await later.find_checkpoints()
    assert (checkpoint.upload_id, checkpoint.offset) == (left.upload_id, PART)
    (recovered,) = await later.recover()
    assert (recovered.upload_id, recovered.outcome) == (left.upload_id, "aborted")
    assert server.store.uploads == {}


async def test_a_store_without_multipart_uploads_says_so(make_driver, server):
    driver = make_driver(provider=dataclasses.replace(server.store.provider, multipart=False))
    with pytest.raises(ConfigurationError, match="no multipart uploads"):
        await begin(driver)


async def test_a_refused_creation_is_raised(server, driver):
    server.faults.add(Fault("answer", "CreateMultipartUpload", status=403, code="AccessDenied", times=9))
    with pytest.raises(ResponseError):
        await begin(driver)


async def test_an_error_of_before_commit_is_not_replaced_by_a_failing_abort(server, driver):
    """It has a note of what became of the upload."""
    upload = await begin(driver)
    await driver.upload_parts(upload, CONTENT)
    server.faults.add(Fault("answer", "AbortMultipartUpload", status=403, code="AccessDenied", times=9))

    def refuse(request):
        raise KeyError("virus")

    with pytest.raises(KeyError) as caught:
        await driver.complete_multipart_upload(upload, before_commit=refuse)
    (note,) = caught.value.__notes__
    assert note.startswith(f"aios3: multipart upload {upload.upload_id} of bucket/key: it could not be aborted")


async def test_an_abort_ends_although_its_call_is_cancelled_at_any_turn(server, driver):
    for turn in range(1, 40):
        upload = await begin(driver)
        await cancelled_at(turn, driver.abort_multipart_upload(upload))
        assert server.store.uploads == {}


async def test_a_driver_with_less_memory_than_a_part_can_still_end_the_upload(driver, make_driver):
    """Only sending parts needs the memory."""
    upload = await begin(driver, transfer=TransferConfig(part_size=64 * PART))
    small = make_driver(transfer=TransferConfig(part_size=PART, memory_limit=PART))
    with pytest.raises(ConfigurationError, match="memory_limit"):
        await small.upload_parts(upload, b"x")
    assert [part async for part in small.iterate_parts(upload)] == []
    await small.abort_multipart_upload(upload)
