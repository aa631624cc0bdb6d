"""Faults at every request: an upload ends in exact bytes or in a documented error, with nothing left."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from aios3 import CompletionUnknownError, ResponseError, StorageError, TransportError
from aios3.testing import ALL_FAULT_KINDS, Fault, S3Server
from tests.support.fault_sweep import FOR_EVER, ONE_PUT, REQUESTS, Defect, a_fault, upload_with
from tests.support.sweep import CONTENT, SMALL_PARTS, driver_on

LOOKS_ETAG_UP = dataclasses.replace(SMALL_PARTS, name="looks-etag-up", complete_etag_is_final=False)


@pytest.mark.parametrize("kind", ALL_FAULT_KINDS)
@pytest.mark.parametrize(("operation", "part_number"), REQUESTS.values(), ids=REQUESTS)
async def test_a_request_that_fails_once_does_not_fail_the_upload(operation, part_number, kind):
    outcome = await upload_with(a_fault(kind, operation, part_number, 1))

    assert outcome.problems == []
    assert outcome.error is None
    assert outcome.committed
    assert outcome.attempts == 1


@pytest.mark.parametrize("kind", ALL_FAULT_KINDS)
@pytest.mark.parametrize(("operation", "part_number"), REQUESTS.values(), ids=REQUESTS)
async def test_a_request_that_always_fails_ends_in_exact_bytes_or_a_typed_error(operation, part_number, kind):
    outcome = await upload_with(a_fault(kind, operation, part_number, FOR_EVER))

    assert outcome.problems == []
    assert outcome.committed == (outcome.error is None)
    assert outcome.attempts >= 1


@pytest.mark.parametrize("kind", ["drop_after", "drop_mid_answer", "stall_after"])
async def test_a_lost_complete_response_is_settled_after_no_such_upload(kind):
    outcome = await upload_with(a_fault(kind, "CompleteMultipartUpload", None, 1), forget_completed=True)

    assert outcome.word == "exact"


@pytest.mark.parametrize("kind", [AttributeError, RuntimeError])
@pytest.mark.parametrize("is_sent", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("times", [1, FOR_EVER], ids=["once", "always"])
@pytest.mark.parametrize(("operation", "part_number"), REQUESTS.values(), ids=REQUESTS)
async def test_a_defect_of_the_http_client_ends_in_exact_bytes_or_a_typed_error(
    operation, part_number, times, is_sent, kind
):
    defect = Defect(kind("defect"), operation, part_number, times, is_sent=is_sent)
    outcome = await upload_with(defect=defect)

    assert outcome.problems == []
    assert outcome.committed == (outcome.error is None)
    assert outcome.committed or times == FOR_EVER
    assert defect.met >= 1
    assert outcome.error is None or isinstance(outcome.error, TransportError)


@pytest.mark.parametrize("is_sent", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("cleanup", ["AbortMultipartUpload", "ListParts"])
async def test_clean_up_survives_a_defect_of_the_http_client(cleanup, is_sent):
    defect = Defect(ValueError("defect") if is_sent else AttributeError("defect"), cleanup, None, 2, is_sent=is_sent)
    outcome = await upload_with(a_fault("answer", "UploadPart", 2, FOR_EVER), defect=defect)

    assert outcome.problems == []
    assert isinstance(outcome.error, StorageError)
    assert defect.met >= 1


@pytest.mark.parametrize("is_sent", [False, True], ids=["before", "after"])
async def test_a_put_with_a_defect_of_the_http_client_is_settled(is_sent):
    outcome = await upload_with(
        way=ONE_PUT, defect=Defect(AttributeError("defect"), "PutObject", None, FOR_EVER, is_sent=is_sent)
    )

    assert outcome.problems == []
    assert outcome.committed == (outcome.error is None) == is_sent


UNREADABLE = {
    "nothing": b"",
    "a page": b"<!DOCTYPE html><html><body>hello</body></html>",
    "JSON": b"{}",
    "cut off": b'<?xml version="1.0"?><CompleteMultipartUploadResult><ETag>&quot;ab',
    "another document": b"<ListPartsResult></ListPartsResult>",
    "an error without a code": b"<Error></Error>",
    "an error that passes": b"<Error><Code>SlowDown</Code></Error>",
}
"""Bodies of a success that do not say what was done."""


@pytest.mark.parametrize("forget_completed", [False, True])
@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("status", [200, 201, 202, 204, 206])
async def test_a_commit_with_an_unreadable_success_is_settled_by_the_key(status, body, forget_completed):
    fault = Fault("garbage_after", "CompleteMultipartUpload", times=FOR_EVER, status=status, body=body)

    assert (await upload_with(fault, forget_completed=forget_completed)).word == "exact"


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("status", [200, 204])
async def test_a_false_success_of_a_commit_is_an_error(status, body):
    outcome = await upload_with(Fault("answer", "CompleteMultipartUpload", times=FOR_EVER, status=status, body=body))

    assert outcome.problems == []
    assert isinstance(outcome.error, ResponseError)
    assert not outcome.committed


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("times", [1, FOR_EVER])
async def test_the_upload_of_a_create_with_an_unreadable_success_is_aborted(status, body, times):
    fault = Fault("garbage_after", "CreateMultipartUpload", times=times, status=status, body=body)
    outcome = await upload_with(fault)

    assert outcome.problems == []
    assert (outcome.error is None) == (times == 1)
    if outcome.error is not None:
        assert isinstance(outcome.error, ResponseError)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("times", [1, FOR_EVER])
async def test_a_part_with_an_unreadable_success_is_sent_again_or_fails_the_upload(status, times):
    outcome = await upload_with(Fault("garbage_after", "UploadPart", 2, times=times, status=status))

    assert outcome.problems == []
    assert (outcome.error is None) == (times == 1)


ANOTHER = (
    b"<CompleteMultipartUploadResult><ETag>&quot;00000000000000000000000000000000-4&quot;</ETag>"
    b"</CompleteMultipartUploadResult>"
)
"""Well-formed success of Complete, about another object."""


async def test_a_false_success_of_complete_is_an_error_and_the_upload_is_aborted():
    outcome = await upload_with(Fault("garbage_200", "CompleteMultipartUpload", body=ANOTHER))

    assert outcome.problems == []
    assert isinstance(outcome.error, ResponseError)
    assert not outcome.committed


async def test_an_older_object_of_the_same_size_does_not_hide_a_false_success_of_complete():
    moment = datetime.now(UTC) - timedelta(minutes=5)
    async with S3Server(SMALL_PARTS, clock=lambda: moment) as server, driver_on(server) as driver:
        await driver.upload_object_via_stream(CONTENT[::-1], "bucket", "key")
        moment += timedelta(minutes=5)
        server.faults.add(Fault("garbage_200", "CompleteMultipartUpload", body=ANOTHER))
        with pytest.raises(ResponseError, match="still lists the upload"):
            await driver.upload_object_via_stream(CONTENT, "bucket", "key")
        assert server.objects["bucket", "key"].body == CONTENT[::-1]
        assert server.open_uploads == []


async def test_the_etag_of_another_object_does_not_get_into_the_receipt():
    outcome = await upload_with(Fault("garbage_after", "CompleteMultipartUpload", status=200, body=ANOTHER))

    assert outcome.word == "exact"


@pytest.mark.parametrize("kind", ["drop_before", "answer", "stall_before"])
async def test_a_failed_etag_lookup_does_not_fail_a_committed_upload(kind):
    outcome = await upload_with(a_fault(kind, "HeadObject", None, FOR_EVER), provider=LOOKS_ETAG_UP)

    assert outcome.word == "exact"


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "drop_mid_answer", "answer", "raw"])
@pytest.mark.parametrize("cleanup", ["AbortMultipartUpload", "ListParts"])
async def test_clean_up_retries_its_requests(cleanup, kind):
    outcome = await upload_with(a_fault("answer", "UploadPart", 2, FOR_EVER), a_fault(kind, cleanup, None, 2))

    assert outcome.problems == []
    assert isinstance(outcome.error, StorageError)


async def test_a_failed_abort_is_noted_with_the_upload_id():
    outcome = await upload_with(
        Fault("answer", "UploadPart", 2, times=FOR_EVER, status=403, code="AccessDenied"),
        Fault("answer", "AbortMultipartUpload", times=FOR_EVER, status=403, code="AccessDenied"),
    )

    assert type(outcome.error).__name__ == "AccessDeniedError"
    assert outcome.error.part_number == 2
    note = "\n".join(outcome.error.__notes__)
    assert "1~upload" in note
    assert "could not be aborted" in note
    assert [problem for problem in outcome.problems if "open upload" not in problem] == []


async def test_an_outcome_is_unknown_if_neither_key_nor_upload_can_be_read():
    outcome = await upload_with(
        a_fault("drop_after", "CompleteMultipartUpload", None, FOR_EVER),
        a_fault("drop_before", "HeadObject", None, FOR_EVER),
        a_fault("drop_before", "AbortMultipartUpload", None, FOR_EVER),
    )

    assert isinstance(outcome.error, CompletionUnknownError)
    assert outcome.error.upload_id is not None
    assert outcome.committed


async def test_every_lost_create_is_found_and_aborted():
    outcome = await upload_with(a_fault("drop_after", "CreateMultipartUpload", None, 2))

    assert outcome.word == "exact"
    assert outcome.attempts == 2


@pytest.mark.parametrize("is_checked", [True, False], ids=["checksum", "etag"])
@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize(("operation", "size"), [("CompleteMultipartUpload", len(CONTENT)), ("PutObject", 100)])
async def test_the_same_bytes_from_before_prove_no_commit(operation, size, is_stored, is_checked):
    """They had other attributes, and a multipart upload would stay open."""
    content, checksum = CONTENT[:size], "auto" if is_checked else None
    moment = datetime.now(UTC) - timedelta(minutes=5)
    async with S3Server(SMALL_PARTS, clock=lambda: moment) as server, driver_on(server) as driver:
        transfer = dataclasses.replace(driver._transfer, checksum=checksum)
        await driver.upload_object_via_stream(content, "bucket", "key", transfer=transfer, metadata={"state": "old"})
        moment += timedelta(minutes=5)
        server.faults.add(a_fault("drop_after" if is_stored else "drop_before", operation, None, FOR_EVER))
        uploading = driver.upload_object_via_stream(
            content, "bucket", "key", transfer=transfer, metadata={"state": "new"}
        )
        if is_stored:
            await uploading
        else:
            with pytest.raises(TransportError):
                await uploading
        assert server.objects["bucket", "key"].headers["x-amz-meta-state"] == ("new" if is_stored else "old")
        assert server.open_uploads == []
