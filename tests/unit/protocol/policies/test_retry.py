"""The whole retry decision, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from aios3._protocol.policies.retry import Repair, Retry, decide, outcome_unknown, repair_for
from aios3._protocol.wire.error_responses import read_error
from aios3._protocol.wire.messages import Response
from aios3.errors import (
    CompletionUnknownError,
    ConfigurationError,
    DriverClosedError,
    IntegrityError,
    ResponseError,
    StorageError,
    TransportError,
    TransportTimeoutError,
)
from aios3.options import RetryPolicy

POLICY = RetryPolicy(max_attempts=4, base_delay=0.5, throttle_base_delay=2.0, max_delay=10.0)


def answered(status: int, code: str | None = None, operation: str = "UploadPart") -> ResponseError:
    """Return the error as it would be read from such an answer."""
    body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
    return read_error(
        Response(status, {}, body), operation=operation, bucket="b", key="k", upload_id=None, part_number=None
    )


def permanent() -> TransportError:
    error = TransportError("not trusted")
    error.is_permanent = True
    return error


def stale() -> TransportError:
    error = TransportError("closed")
    error.on_reused_connection = True
    return error


def decision(failure: StorageError, *, attempt: int = 1, random: float = 0.5, **others: Any) -> Retry | None:
    return decide(failure, attempt=attempt, policy=POLICY, random=random, **others)


def answers(told: str, operation: str = "UploadPart") -> list[ResponseError]:
    """Return errors of answers that are written as statuses with or without a code."""
    return [
        answered(int(status), code or None, operation)
        for status, _, code in (x.partition(" ") for x in told.split(", "))
    ]


PASSING = (
    "400 BadDigest, 400 IncompleteBody, 400 RequestTimeout, 400 XAmzContentSHA256Mismatch, 400 ClientDisconnect, "
    "409 OperationAborted, 409 ConditionalRequestConflict, 500 InternalError, 503 SlowDown, 503 ServiceUnavailable, "
    "400 ThrottlingException, 429 TooManyRequests, 503 PriorRequestNotComplete, 502 UnknownToUs, "
    "408, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524"
)
FINAL = (
    "400 EntityTooSmall, 400 InvalidPart, 400 InvalidRequest, 403 AccessDenied, 403 SignatureDoesNotMatch, "
    "403 InvalidAccessKeyId, 404 NoSuchBucket, 404 NoSuchUpload, 409 BucketAlreadyExists, 412 PreconditionFailed, "
    "301 PermanentRedirect, 501 NotImplemented, "
    "301, 307, 400, 401, 403, 404, 405, 409, 411, 412, 413, 416, 501, 505"
)


@pytest.mark.parametrize(
    "failure",
    [
        *answers(PASSING),
        *answers("409 ConditionalRequestConflict", "PutObject"),
        *answers("200 InternalError, 200 SlowDown", "CompleteMultipartUpload"),
        ResponseError("not XML", operation="CompleteMultipartUpload", status=200),
        TransportError("reset"),
        TransportTimeoutError("too slow"),
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again(failure: StorageError) -> None:
    assert decision(failure) is not None


@pytest.mark.parametrize(
    "failure",
    [
        *answers(FINAL),
        *answers("409 ConditionalRequestConflict, 200 InvalidPart, 200 AccessDenied", "CompleteMultipartUpload"),
        permanent(),
        ConfigurationError("wrong"),
        IntegrityError("differs"),
        CompletionUnknownError("?", bucket="b", key="k", upload_id=None),
    ],
    ids=str,
)
def test_what_will_not_pass_is_given_up_at_once(failure: StorageError) -> None:
    assert decision(failure) is None


def test_one_attempt_never_retries() -> None:
    """But still repairs, because that does not count."""
    once = RetryPolicy(max_attempts=1)
    assert decide(answered(500), attempt=1, policy=once, random=0.0) is None
    assert decide(stale(), attempt=1, policy=once, random=0.0) == Retry(0.0, 0, "connection")


@pytest.mark.parametrize(
    ("failure", "attempt", "longest"),
    [
        (answered(500), 1, 0.5),
        (answered(500), 2, 1.0),
        (answered(500), 3, 2.0),
        (answered(503, "SlowDown"), 1, 2.0),
        (answered(503, "SlowDown"), 3, 8.0),
        (TransportTimeoutError("slow"), 2, 1.0),
    ],
    ids=str,
)
def test_waits_are_a_random_part_of_a_doubling_time(failure: StorageError, attempt: int, longest: float) -> None:
    delays = [decision(failure, attempt=attempt, random=random) for random in (0.0, 0.5, 1.0)]
    assert [retry and retry.delay for retry in delays] == [0.0, longest / 2, longest]


def test_waits_are_capped() -> None:
    endless = RetryPolicy(max_attempts=10**6, base_delay=0.5, max_delay=10.0)
    retry = decide(answered(500), attempt=10**5, policy=endless, random=1.0)
    assert retry is not None
    assert retry.delay == 10.0


@pytest.mark.parametrize(
    ("retry_after", "random", "delay"),
    [(None, 1.0, 0.5), (3.0, 0.0, 3.0), (0.1, 1.0, 0.5), (1000.0, 0.5, 10.0), (0.0, 0.5, 0.25)],
)
def test_retry_after_is_a_lower_bound_up_to_the_cap(retry_after: float | None, random: float, delay: float) -> None:
    retry = decision(answered(500), random=random, retry_after=retry_after)
    assert retry is not None
    assert retry.delay == delay


@pytest.mark.parametrize(
    ("failure", "cost"), [(answered(500), 5), (answered(503, "SlowDown"), 5), (TransportTimeoutError("slow"), 10)]
)
def test_a_retry_costs(failure: StorageError, cost: int) -> None:
    retry = decision(failure)
    assert retry is not None
    assert (retry.cost, retry.repair) == (cost, None)


@pytest.mark.parametrize(
    ("failure", "repair"),
    [
        (answered(403, "RequestTimeTooSkewed"), "clock"),
        (answered(403, "RequestExpired"), "clock"),
        (answered(400, "RequestInTheFuture"), "clock"),
        (answered(400, "ExpiredToken"), "credentials"),
        (answered(403, "ExpiredTokenException"), "credentials"),
        (answered(400, "TokenRefreshRequired"), "credentials"),
        (stale(), "connection"),
    ],
)
def test_what_can_be_put_right_is_tried_once_more_at_once(failure: StorageError, repair: Repair) -> None:
    assert repair_for(failure) == repair
    for attempt in (1, 4):
        assert decision(failure, attempt=attempt) == Retry(0.0, 0, repair)
    again = decision(failure, repaired={repair})
    assert (again is None) == (repair != "connection")
    others = {"clock", "credentials", "connection"} - {repair}
    assert decision(failure, repaired=others) == Retry(0.0, 0, repair)  # type: ignore[arg-type]


UNCLEAR = "500 InternalError, 503 SlowDown, 504, 408, 499, 200 InternalError, 202 InternalError, 200 SlowDown"
CLEAR = "400 RequestTimeout, 403 AccessDenied, 404 NoSuchUpload, 412 PreconditionFailed, 307, 300, 200 InvalidPart"


@pytest.mark.parametrize(
    ("failure", "unclear"),
    [
        *((failure, True) for failure in answers(UNCLEAR)),
        *((failure, False) for failure in answers(CLEAR)),
        *((ResponseError("", operation="CompleteMultipartUpload", status=status), True) for status in (200, 201, 299)),
        (TransportError("reset"), True),
        (TransportTimeoutError("slow"), True),
        (stale(), True),
        (permanent(), False),
        (IntegrityError("differs"), False),
        (ConfigurationError("wrong"), False),
    ],
    ids=str,
)
def test_whether_the_store_may_have_done_it_all_the_same(failure: StorageError, unclear: bool) -> None:
    assert outcome_unknown(failure) is unclear


@pytest.mark.parametrize(
    ("operation", "again"),
    [
        ("CompleteMultipartUpload", True),
        ("CreateMultipartUpload", True),
        ("UploadPart", True),
        ("ListMultipartUploads", False),
        ("HeadObject", False),
        ("GetObject", False),
    ],
)
@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_success_that_lacks_something_is_repeated_where_that_matters(
    operation: str, again: bool, status: int
) -> None:
    failure = ResponseError("lacks something", operation=operation, status=status)
    assert (decision(failure) is not None) is again


@pytest.mark.parametrize(
    ("failure", "is_one"),
    [
        (answered(301, "PermanentRedirect"), True),
        (answered(307), True),
        (answered(400, "AuthorizationHeaderMalformed"), True),
        (answered(400, "IllegalLocationConstraintException"), True),
        (answered(400), True),
        (answered(400, "InvalidRegionName"), True),
        (answered(403, "AccessDenied"), True),
        (answered(403, "RequestTimeTooSkewed"), False),
        (answered(400, "ExpiredToken"), False),
        (answered(404, "NoSuchBucket"), False),
        (answered(500), False),
        (TransportError("reset"), False),
    ],
    ids=str,
)
def test_a_wrong_region_is_put_right_once_if_the_answer_names_another(failure: StorageError, is_one: bool) -> None:
    assert (repair_for(failure, names_region=True) == "region") is is_one
    assert repair_for(failure) != "region"
    if is_one:
        assert decision(failure, names_region=True) == Retry(0.0, 0, "region")
        assert decision(failure, names_region=True, repaired={"region"}) is None
        assert decision(failure) is None


def test_what_the_store_asked_for_is_told_apart() -> None:
    for retry_after, least in ((None, 0.0), (1.5, 1.5), (99.0, 10.0)):
        retry = decide(answered(503, "SlowDown"), attempt=1, policy=POLICY, random=1.0, retry_after=retry_after)
        assert retry is not None
        assert (retry.min_delay, retry.delay) == (least, max(2.0, least))


@pytest.mark.parametrize(("most", "hopeful"), [(2, 0), (3, 1), (6, 2), (9, 3)])
def test_the_first_third_of_the_attempts_may_be_quick(most: int, hopeful: int) -> None:
    policy = RetryPolicy(max_attempts=most)
    found = [decide(answered(503, "SlowDown"), attempt=number, policy=policy, random=0.5) for number in range(1, most)]
    assert [retry is not None and retry.may_retry_early for retry in found] == [True] * hopeful + [False] * (
        most - 1 - hopeful
    )


@pytest.mark.parametrize("was_sent", [False, True])
def test_what_the_end_of_the_driver_cut_off(was_sent: bool) -> None:
    failure = DriverClosedError("closed")
    failure.was_sent = was_sent
    assert outcome_unknown(failure) is was_sent
    assert decide(failure, attempt=1, policy=RetryPolicy(), random=0.5) is None
