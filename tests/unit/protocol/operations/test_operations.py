"""All operations together: recorded answers of many stores, and any bytes at all."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from aios3._protocol import operations
from aios3._protocol.operations import (
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CopyObject,
    CopySource,
    CreateMultipartUpload,
    CreateSession,
    DeleteObject,
    DeleteObjects,
    GetObject,
    GetObjectTagging,
    HeadObject,
    ListBuckets,
    ListMultipartUploads,
    ListObjectsV2,
    ListObjectVersions,
    ListParts,
    PutObject,
    UploadPart,
    UploadPartCopy,
)
from aios3._protocol.operations.buckets import CreateBucket, DeleteBucket, HeadBucket
from aios3._protocol.wire.error_responses import expected_region, server_time
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.uri import Endpoint, canonical_query, request_url
from aios3.errors import AccessDeniedError, ResponseError
from tests.support.places import DATA

VECTORS = DATA / "vectors" / "xml"
CASES = json.loads((VECTORS / "index.json").read_text(encoding="utf-8"))["files"]
ENDPOINT = Endpoint.parse("https://s3.example.com", "virtual")

OPERATIONS: dict[str, Any] = {
    operation.name: operation
    for operation in (
        PutObject("b", "k", {}, ()),
        CreateMultipartUpload("b", "k", {}),
        UploadPart("b", "k", "id", 1, (b"x",), {}),
        CompleteMultipartUpload("b", "k", "id", [(1, '"e"', None)], None, {}),
        AbortMultipartUpload("b", "k", "id"),
        ListParts("b", "k", "id"),
        HeadObject("b", "k"),
        GetObject("b", "k"),
        DeleteObject("b", "k"),
        HeadBucket("b"),
        CreateBucket("b", "eu-west-1"),
        CreateSession("b"),
        DeleteBucket("b"),
        ListBuckets(),
        ListObjectsV2("b"),
        ListMultipartUploads("b"),
        ListObjectVersions("b"),
        DeleteObjects("b", [("k", None)]),
        CopyObject("b", "k", CopySource("b", "from"), {}),
        UploadPartCopy("b", "k", "id", 1, CopySource("b", "from"), 0, 5),
        GetObjectTagging("b", "k"),
    )
}
BUCKET, OBJECT = "https://b.s3.example.com/", "https://b.s3.example.com/k"
REQUESTS = {
    "PutObject": f"PUT {OBJECT}",
    "CreateMultipartUpload": f"POST {OBJECT}?uploads=",
    "UploadPart": f"PUT {OBJECT}?partNumber=1&uploadId=id",
    "CompleteMultipartUpload": f"POST {OBJECT}?uploadId=id",
    "AbortMultipartUpload": f"DELETE {OBJECT}?uploadId=id",
    "ListParts": f"GET {OBJECT}?uploadId=id",
    "HeadObject": f"HEAD {OBJECT}",
    "GetObject": f"GET {OBJECT}",
    "DeleteObject": f"DELETE {OBJECT}",
    "HeadBucket": f"HEAD {BUCKET}",
    "CreateBucket": f"PUT {BUCKET}",
    "CreateSession": f"GET {BUCKET}?session=",
    "DeleteBucket": f"DELETE {BUCKET}",
    "ListBuckets": "GET https://s3.example.com/",
    "ListObjectsV2": f"GET {BUCKET}?encoding-type=url&list-type=2",
    "ListMultipartUploads": f"GET {BUCKET}?encoding-type=url&uploads=",
    "ListObjectVersions": f"GET {BUCKET}?encoding-type=url&versions=",
    "DeleteObjects": f"POST {BUCKET}?delete=",
    "CopyObject": f"PUT {OBJECT}",
    "UploadPartCopy": f"PUT {OBJECT}?partNumber=1&uploadId=id",
    "GetObjectTagging": f"GET {OBJECT}?tagging=",
}
WITHOUT_RESULT = ["AbortMultipartUpload", "DeleteObject", "HeadBucket", "CreateBucket", "DeleteBucket"]
NOT_SPOKEN = {"GetBucketLocation": 3, "UploadPartCopy": 2}
"""Operations that the library does not use, and how many of the recorded answers are theirs."""


def cases_that(ok: bool) -> list[Any]:
    spoken = (case for case in CASES if case["operation"] not in NOT_SPOKEN)
    return [pytest.param(case, id=case["file"]) for case in spoken if (case["expect"]["ok"] is True) is ok]


def answer_of(case: dict[str, Any]) -> Response:
    return Response(case["http_status"], {}, (VECTORS / case["file"]).read_bytes())


def operation_of(case: dict[str, Any]) -> Any:
    return OPERATIONS["UploadPart" if case["operation"] == "any" else case["operation"]]


def test_no_recorded_answer_is_left_out_silently() -> None:
    left_out = [case for case in CASES if case["operation"] in NOT_SPOKEN]
    assert len(left_out) == sum(NOT_SPOKEN.values())
    assert len(cases_that(True)) + len(cases_that(False)) == len(CASES) - len(left_out) == 61
    assert {case["file"] for case in CASES} == {path.name for path in VECTORS.glob("*.xml")}


@pytest.mark.parametrize("case", cases_that(True))
def test_a_recorded_success_is_read(case: dict[str, Any]) -> None:
    result, expect = operation_of(case).read(answer_of(case)), case["expect"]
    if case["operation"] == "CreateMultipartUpload":
        assert result == expect["upload_id"]
        in_query = expect.get("upload_id_in_query")
        assert in_query is None or canonical_query([("uploadId", result)]) == f"uploadId={in_query}"
    elif case["operation"] == "CompleteMultipartUpload":
        assert result.etag == expect["etag"]
        assert result.checksum == expect.get("checksum_crc64nvme")
    elif case["operation"] == "ListParts":
        assert_parts(result, expect)
    else:
        assert [[upload.key, upload.upload_id] for upload in result.uploads] == expect["uploads"]
        assert result.is_truncated is expect.get("is_truncated", False)
        assert result.next_key_marker == expect.get("next_key_marker", "")
        assert result.next_upload_id_marker == expect.get("next_upload_id_marker", "")


def assert_parts(page: operations.PartsPage, expect: dict[str, Any]) -> None:
    assert page.is_truncated is expect.get("is_truncated", False)
    if page.is_truncated:
        assert page.next_marker == expect["next_part_number_marker"]
    if "parts" in expect:
        assert [[part.number, part.etag, part.size] for part in page.parts] == expect["parts"]
    for number, checksum in expect.get("part_checksums", {}).items():
        assert next(part for part in page.parts if part.number == int(number)).checksum == checksum


@pytest.mark.parametrize("case", cases_that(False))
def test_a_recorded_failure_is_raised(case: dict[str, Any]) -> None:
    """With the recorded code; what is neither success nor error has status 200 and no code."""
    answer, expect = answer_of(case), case["expect"]
    with pytest.raises(ResponseError) as caught:
        operation_of(case).read(answer)
    assert caught.value.code == expect.get("code")
    assert caught.value.status == case["http_status"]
    assert caught.value.request_id == expect.get("request_id", caught.value.request_id)
    assert expected_region(answer) == expect.get("region")
    time = server_time(answer)
    assert (time and f"{time:%Y-%m-%dT%H:%M:%SZ}") == expect.get("server_time")


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_this_request(name: str) -> None:
    request = OPERATIONS[name].build(ENDPOINT)
    assert f"{request.method} {request_url(request)}" == REQUESTS[name]


@pytest.mark.parametrize("name", WITHOUT_RESULT)
@pytest.mark.parametrize("status", [200, 204])
def test_an_empty_success_is_enough_where_there_is_no_result(name: str, status: int) -> None:
    assert OPERATIONS[name].read(Response(status, {})) is None


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("body", [b"", b"<Error><Code>AccessDenied</Code></Error>"])
def test_a_refusal_says_what_it_is_about(name: str, body: bytes) -> None:
    operation = OPERATIONS[name]
    with pytest.raises(AccessDeniedError) as caught:
        operation.read(Response(403, {}, body))
    assert (caught.value.operation, caught.value.bucket, caught.value.key) == (
        name,
        operation.bucket,
        operation.key,
    )
    assert caught.value.upload_id == operation.upload_id


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_a_frozen_value(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation.build(ENDPOINT) == operation.build(ENDPOINT)
    assert operation.build(ENDPOINT).operation == name
    assert not hasattr(operation, "__dict__")
    with pytest.raises(FrozenInstanceError):
        setattr(operation, fields(operation)[0].name, "other")


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_operation_sends_an_accidental_content_type(name: str) -> None:
    expected = "application/xml" if name in ("CompleteMultipartUpload", "CreateBucket", "DeleteObjects") else None
    assert OPERATIONS[name].build(ENDPOINT).headers.get("content-type") == expected


def test_all_operations_are_tested() -> None:
    public = {name for name in operations.__all__ if hasattr(getattr(operations, name), "name")} - {"Operation"}
    others = {"CreateDirectoryBucket", "HeadSource"}  # other ways to say CreateBucket and HeadObject
    assert public - others == set(OPERATIONS)


def test_an_error_with_undecodable_bytes_inside_a_success_is_that_error() -> None:
    """S3 sends 200 before it knows the outcome of Complete."""
    body = b"<Error><Code>SlowDown</Code><Message>gem\xe4chlich</Message></Error>"
    with pytest.raises(ResponseError, match="SlowDown") as caught:
        OPERATIONS["CompleteMultipartUpload"].read(Response(200, {}, body))
    assert caught.value.code == "SlowDown"
