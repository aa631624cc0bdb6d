"""Retry policy as a pure function: decides about one more attempt and its delay."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from aios3._protocol.wire.error_codes import TRANSIENT, UNKNOWN_KEYS, is_about_time, is_of_expired_keys
from aios3.errors import (
    DriverClosedError,
    ResponseError,
    StorageError,
    ThrottledError,
    TransportError,
    TransportTimeoutError,
)
from aios3.options import RetryPolicy

__all__ = [
    "Repair",
    "Retry",
    "decide",
    "is_doubt_of_keys",
    "is_refusal_of_keys",
    "is_transient",
    "outcome_unknown",
    "repair_for",
]

Repair = Literal["clock", "credentials", "connection", "region"]
"""Correction before an uncounted attempt: the clock offset, the credentials, a stale connection, or the region of the
bucket."""

_TRANSIENT_STATUSES: Final = frozenset({408, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524})
"""Statuses that are transient without a known code. Only proxies send 499 and 52x."""

_HEADS: Final = frozenset({"HeadBucket", "HeadObject"})
_REFUSALS_OF_WHO: Final = frozenset({401, 403})
"""Statuses with which a store refuses the keys, in whatever words."""
_BARE_REFUSALS: Final = frozenset({400, 401, 403})
"""Statuses of a response to HEAD that may be about the keys. Such a response has no body, so it has no code."""

_REPEATED_IF_BROKEN: Final = frozenset(
    {
        "CompleteMultipartUpload",
        "CopyObject",
        "CreateMultipartUpload",
        "DeleteObjects",
        "UploadPart",
        "UploadPartCopy",
    }
)
"""Operations that are repeated if a success lacks required content: it counts as damaged in transit."""

_REGION_STATUSES: Final = frozenset({301, 302, 307, 308, 400, 403})
"""Statuses of a refusal that may be about the region. Stores have many codes for that, and a response to HEAD none."""

_RETRY_COST: Final = 5
_TIMEOUT_COST: Final = 10

_EARLY_SHARE: Final = 3
"""Divisor of the attempts: the first third may be early. The others must cover the time that a store may need."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The decision to make another attempt."""

    delay: float
    """Seconds to wait before the attempt."""
    cost: int
    """Tokens to take from the driver's retry budget."""
    repair: Repair | None = None
    """Correction to make first, or ``None``; each kind is made once per request."""
    min_delay: float = 0.0
    """Seconds of `delay` that the store asked for."""
    may_retry_early: bool = False
    """Whether enough attempts are left to send the next one without proof that the store accepts requests again."""


def decide(
    failure: StorageError,
    *,
    attempt: int,
    policy: RetryPolicy,
    random: float,
    retry_after: float | None = None,
    repaired: Collection[Repair] = (),
    names_region: bool = False,
    doubts_keys: bool = False,
) -> Retry | None:
    """Return the next attempt after attempt number `attempt` (from 1) failed, or ``None`` to give up.

    Args:
        failure: error of the attempt.
        attempt: counted attempts so far; those after a repair do not count.
        policy: limits and base delays.
        random: share of the longest delay, from 0 up to 1.
        retry_after: seconds that the store asked for, or ``None``.
        repaired: repairs already made for this request.
        names_region: the response names another region than the request was signed for.
        doubts_keys: the response may mean that the keys have expired, see `is_doubt_of_keys`, and the doubt counts.
    """
    repair = repair_for(failure, names_region=names_region, doubts_keys=doubts_keys)
    if repair is not None and repair not in repaired:
        return Retry(0.0, 0, repair)
    if attempt >= policy.max_attempts or not is_transient(failure):
        return None
    base = policy.throttle_base_delay if isinstance(failure, ThrottledError) else policy.base_delay
    longest = min(policy.max_delay, base * 2.0 ** min(attempt - 1, 60))
    min_delay = min(retry_after or 0.0, policy.max_delay)
    cost = _TIMEOUT_COST if isinstance(failure, TransportTimeoutError) else _RETRY_COST
    may_retry_early = attempt <= policy.max_attempts // _EARLY_SHARE
    return Retry(max(random * longest, min_delay), cost, min_delay=min_delay, may_retry_early=may_retry_early)


def repair_for(failure: StorageError, *, names_region: bool = False, doubts_keys: bool = False) -> Repair | None:
    """Return the repair that `failure` calls for, or ``None``."""
    if isinstance(failure, TransportError):
        return "connection" if failure.on_reused_connection else None
    if not isinstance(failure, ResponseError):
        return None
    if names_region and _is_wrong_region(failure):
        return "region"
    if is_about_time(failure.code, failure.message):
        return "clock"
    return "credentials" if doubts_keys or is_of_expired_keys(failure.code) else None


def is_doubt_of_keys(failure: StorageError, expired_key_codes: Collection[str] = (), *, is_cheap: bool = False) -> bool:
    """Return whether `failure` may mean that the keys have expired or were rotated, or something else.

    ``expired_key_codes`` are codes that may mean that, for the store and the source of the keys in question. If it
    ``is_cheap`` to look for other keys, any refusal by status 401 or 403 may.
    """
    if not isinstance(failure, ResponseError):
        return False
    if is_cheap and failure.status in _REFUSALS_OF_WHO:
        return True
    if failure.code is None:
        return failure.operation in _HEADS and failure.status in _BARE_REFUSALS
    return failure.code in expired_key_codes


def is_refusal_of_keys(failure: StorageError) -> bool:
    """Return whether `failure` says, or may mean, that the keys have expired or were rotated."""
    return repair_for(failure) == "credentials" or is_doubt_of_keys(failure, UNKNOWN_KEYS)


def _is_wrong_region(failure: ResponseError) -> bool:
    """Return whether a refusal that names another region may be about the region, and not about something else."""
    return failure.status in _REGION_STATUSES and not (
        is_about_time(failure.code, failure.message) or is_of_expired_keys(failure.code)
    )


def outcome_unknown(failure: StorageError) -> bool:
    """Return whether the store may have carried out the failed request, or may still do so."""
    if isinstance(failure, DriverClosedError):
        return failure.was_sent
    if isinstance(failure, TransportError):
        return failure.was_sent and not failure.is_permanent
    if not isinstance(failure, ResponseError):
        return False
    if _is_in_success(failure):
        return failure.code is None or failure.code in TRANSIENT or isinstance(failure, ThrottledError)
    return failure.status >= 500 or failure.status in (408, 499)


def is_transient(failure: StorageError) -> bool:
    """Return whether another attempt may succeed after this failure."""
    if isinstance(failure, TransportError):
        return not failure.is_permanent
    if not isinstance(failure, ResponseError):
        return False
    if isinstance(failure, ThrottledError) or failure.code in TRANSIENT:
        return not _is_lost_upload(failure)
    if _is_in_success(failure):
        return failure.code is None and failure.operation in _REPEATED_IF_BROKEN
    return failure.status in _TRANSIENT_STATUSES


def _is_in_success(failure: ResponseError) -> bool:
    """Return whether the status is a success, although the response is an error or cannot be read."""
    return 200 <= failure.status < 300


def _is_lost_upload(failure: ResponseError) -> bool:
    """Return whether a conflict at Complete made the upload void: only a new upload can succeed."""
    return failure.code == "ConditionalRequestConflict" and failure.operation == "CompleteMultipartUpload"
