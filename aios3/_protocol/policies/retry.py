"""Whether a failed attempt is worth another one, and how long to wait: the whole decision, pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from aios3.errors import (
    DriverClosedError,
    ResponseError,
    StorageError,
    ThrottledError,
    TransportError,
    TransportTimeoutError,
)
from aios3.options import RetryPolicy

__all__ = ["Repair", "Retry", "decide", "is_transient", "outcome_unknown", "repair_for"]

Repair = Literal["clock", "credentials", "connection", "region"]
"""What is put right before an attempt that does not count: the clock offset, the credentials, a stale connection, the
region that the bucket is in."""

_TRANSIENT_CODES: Final = frozenset(
    {
        "BadDigest",
        "ClientDisconnect",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "PriorRequestNotComplete",
        "RequestTimeout",
        "XAmzContentSHA256Mismatch",
    }
)
"""Codes that another attempt with the same bytes may not meet, whatever their status (many are 4xx)."""

_TRANSIENT_STATUSES: Final = frozenset({408, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524})
"""Statuses that stand for themselves where there is no known code: 499 and 52x are proxies' own."""

_CLOCK_CODES: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
_CREDENTIAL_CODES: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})

_REPEATED_IF_BROKEN: Final = frozenset({"CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart"})
"""Operations whose success without what it must carry is taken for a failure on the way."""

_REGION_CODES: Final = frozenset({"AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})

_RETRY_COST: Final = 5
_TIMEOUT_COST: Final = 10

_HOPEFUL_SHARE: Final = 3
"""The first third of the attempts may be quick ones; the others have to last for as long as a store may need."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again."""

    delay: float
    """Seconds to wait first."""
    cost: int
    """Tokens to take from the driver's retry budget."""
    repair: Repair | None = None
    """What to put right first; each is worth one try per request."""
    min_delay: float = 0.0
    """The part of `delay` that the store asked for."""
    may_retry_early: bool = False
    """So many attempts are left that the next one need not wait for proof that the store takes requests again."""


def decide(
    failure: StorageError,
    *,
    attempt: int,
    policy: RetryPolicy,
    random: float,
    retry_after: float | None = None,
    repaired: Collection[Repair] = (),
    names_region: bool = False,
) -> Retry | None:
    """Return how to go on after attempt number `attempt` (from 1) failed, or ``None`` to give up.

    Args:
        failure: what came of the attempt.
        attempt: attempts made so far that count; repairs do not.
        policy: the limits.
        random: from 0 up to 1; the part of the longest wait that is waited.
        retry_after: seconds that the store asked for, or ``None``.
        repaired: what was already put right for this request.
        names_region: the answer names another region than the request was signed for.
    """
    repair = repair_for(failure, names_region=names_region)
    if repair is not None and repair not in repaired:
        return Retry(0.0, 0, repair)
    if attempt >= policy.max_attempts or not is_transient(failure):
        return None
    base = policy.throttle_base_delay if isinstance(failure, ThrottledError) else policy.base_delay
    longest = min(policy.max_delay, base * 2.0 ** min(attempt - 1, 60))
    min_delay = min(retry_after or 0.0, policy.max_delay)
    cost = _TIMEOUT_COST if isinstance(failure, TransportTimeoutError) else _RETRY_COST
    may_retry_early = attempt <= policy.max_attempts // _HOPEFUL_SHARE
    return Retry(max(random * longest, min_delay), cost, min_delay=min_delay, may_retry_early=may_retry_early)


def repair_for(failure: StorageError, *, names_region: bool = False) -> Repair | None:
    """Return what can be put right about `failure`, or ``None``."""
    if isinstance(failure, TransportError):
        return "connection" if failure.on_reused_connection else None
    if names_region and isinstance(failure, ResponseError) and _is_wrong_region(failure):
        return "region"
    if isinstance(failure, ResponseError) and failure.code in _CLOCK_CODES:
        return "clock"
    if isinstance(failure, ResponseError) and failure.code in _CREDENTIAL_CODES:
        return "credentials"
    return None


def _is_wrong_region(failure: ResponseError) -> bool:
    """HEAD's answers have no code: there a redirect, or a 400 that names a region, must do."""
    return (
        failure.status in (301, 307) or failure.code in _REGION_CODES or (failure.status, failure.code) == (400, None)
    )


def outcome_unknown(failure: StorageError) -> bool:
    """Return whether the store may have done, or may still do, what it was asked although the attempt failed."""
    if isinstance(failure, DriverClosedError):
        return failure.was_sent
    if isinstance(failure, TransportError):
        return failure.was_sent and not failure.is_permanent
    if not isinstance(failure, ResponseError):
        return False
    if _is_in_success(failure):
        return failure.code is None or failure.code in _TRANSIENT_CODES or isinstance(failure, ThrottledError)
    return failure.status >= 500 or failure.status in (408, 499)


def is_transient(failure: StorageError) -> bool:
    """Return whether another attempt may succeed where this one failed."""
    if isinstance(failure, TransportError):
        return not failure.is_permanent
    if not isinstance(failure, ResponseError):
        return False
    if isinstance(failure, ThrottledError) or failure.code in _TRANSIENT_CODES:
        return not _is_lost_upload(failure)
    if _is_in_success(failure):
        return failure.code is None and failure.operation in _REPEATED_IF_BROKEN
    return failure.status in _TRANSIENT_STATUSES


def _is_in_success(failure: ResponseError) -> bool:
    """Return whether the status said yes, but the rest of the answer is an error, or cannot be read."""
    return 200 <= failure.status < 300


def _is_lost_upload(failure: ResponseError) -> bool:
    """A conflict at Complete makes the upload void: only a new one can succeed."""
    return failure.code == "ConditionalRequestConflict" and failure.operation == "CompleteMultipartUpload"
