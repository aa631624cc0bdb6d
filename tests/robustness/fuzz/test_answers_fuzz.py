"""Thousands of damaged responses: each gives a result or a documented error, in bounded time and memory."""

from __future__ import annotations

import os
import time
import tracemalloc
from random import Random
from typing import Any

import pytest

from aios3._protocol.wire.error_responses import expected_region, server_time
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.response_headers import retry_after
from aios3._protocol.wire.uri import Endpoint, request_url
from aios3.errors import ResponseError
from tests.unit.protocol.operations.test_operations import OPERATIONS

from .mutations import spoilt_answer

SEED = int(os.environ.get("AIOS3_FUZZ_SEED", "269"))
CASES = int(os.environ.get("AIOS3_FUZZ_CASES", "150"))
"""For every operation."""
ENDPOINT = Endpoint.parse("https://s3.example.com", "virtual")
MOST_SECONDS = 5.0
"""Of the processor, for one answer; the worst takes some tenths."""
MOST_BYTES = 24 * 2**20
"""Held while one answer of 2 MiB is read."""


def told(seed: str, response: Response) -> str:
    """Return the facts that reproduce a case."""
    return f"case {seed}: {response.status} {response.headers!r:.1000} {response.body!r:.1000}"


def read(operation: Any, response: Response) -> None:
    """Read a response as the client does, and build the requests that follow from the result."""
    expected_region(response)
    server_time(response)
    retry_after(response.headers)
    result, refusal = None, ""
    try:
        result = operation.read(response)
    except ResponseError as error:
        refusal = str(error)
    assert len(refusal) < 1000
    assert not refusal or refusal.isprintable()
    if (
        result is not None
        and hasattr(operation, "following")
        and (following := operation.following(result)) is not None
    ):
        assert request_url(following.build(ENDPOINT)).isascii()


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_damaged_response_is_a_result_or_a_response_error(name: str) -> None:
    for number in range(CASES):
        seed = f"{SEED}/{name}/{number}"
        response = spoilt_answer(Random(seed), name)
        began = time.process_time()
        try:
            read(OPERATIONS[name], response)
        except Exception as error:
            error.add_note(told(seed, response))
            raise
        assert time.process_time() - began < MOST_SECONDS, told(seed, response)


def test_a_marker_that_is_not_utf_8_is_sent_back_unchanged() -> None:
    body = b"<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextKeyMarker>a%FFb</NextKeyMarker>"
    operation = OPERATIONS["ListMultipartUploads"]
    page = operation.read(Response(200, {}, b"<ListMultipartUploadsResult>" + body + b"</ListMultipartUploadsResult>"))
    assert "key-marker=a%FFb" in request_url(operation.following(page).build(ENDPOINT))


def test_the_cases_reach_both_results_and_refusals() -> None:
    """Cases that all fail the first check would test nothing else."""
    outcomes = {True: 0, False: 0}
    for number in range(300):
        name = ("ListParts", "CompleteMultipartUpload", "ListMultipartUploads")[number % 3]
        try:
            OPERATIONS[name].read(spoilt_answer(Random(number), name))
        except ResponseError:
            outcomes[False] += 1
        else:
            outcomes[True] += 1
    assert min(outcomes.values()) > 20, outcomes


FILL = 2 * 2**20
FLOODS = {
    "text": b"x" * FILL,
    "wide text": b"\xf0\x9f\x98\x80" + b"x" * FILL,
    "lines": b"\n" * FILL,
    "references": b"&#10;" * (FILL // 5),
    "sections": b"<![CDATA[x]]>" * (FILL // 13),
    "elements": b"".join(b"<a%d>%060d</a%d>" % (number, number, number) for number in range(8_000)),
    "attributes": b"<a " + b" ".join(b"a%d=''" % number for number in range(150_000)) + b"/>",
    "nuls": b"\x00" * FILL,
}


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.parametrize("status", [200, 500])
def test_a_huge_response_is_read_in_bounded_memory_and_time(flood: str, status: int) -> None:
    name = "Contents" if status == 200 else "Message"
    root = "ListBucketResult" if status == 200 else "Error"
    body = f"<{root}><{name}>".encode() + FLOODS[flood] + f"</{name}></{root}>".encode()
    response = Response(status, {}, body)
    began = time.process_time()
    read(OPERATIONS["ListObjectsV2"], response)
    assert time.process_time() - began < MOST_SECONDS
    if status == 200:
        assert peak_while_reading(response) < MOST_BYTES


def peak_while_reading(response: Response) -> int:
    tracemalloc.start()
    try:
        read(OPERATIONS["ListObjectsV2"], response)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
