"""Faults and durations of each request, drawn from the seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Final

from aios3._protocol.wire.messages import Request

__all__ = ["Conditions", "Faults", "Plan"]

CLEANUP: Final = frozenset({"AbortMultipartUpload", "ListParts", "ListMultipartUploads"})

COMMITS: Final = frozenset({"CompleteMultipartUpload", "PutObject"})
"""Operations that commit. An upload has one of them."""

BRIEF: Final = ("refused", "reset_before", "reset_after", "slow_down", "error_500", "error_500_done")
"""Faults that end at once."""
BEFORE: Final = ("refused", "stall_connect", "reset_body", "stall_body", "early_refusal")
"""Faults before the store has the whole request."""
LOST: Final = ("reset_before", "reset_after", "reset_late", "stall_before", "stall_after", "stall_late")
"""Faults in which the whole request may arrive, but no response comes back."""
REFUSED: Final = ("slow_down", "error_500", "error_500_done", "bad_gateway", "bad_gateway_done", "request_timeout")
IN_200: Final = {
    "CompleteMultipartUpload": ("error_in_200", "error_in_200_done", "cut_200", "cut_200_done"),
    "CreateMultipartUpload": ("cut_200", "cut_200_done"),
    "UploadPart": ("no_etag_done", "no_etag"),
    "PutObject": ("no_etag_done",),
}
FINAL: Final = ("denied", "expired")
"""Faults that are never retried."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Properties of the network and the store of one simulation."""

    rate: float
    """Share of the requests that meet a fault."""
    per_request: int
    """The most faults that one request (not attempt) meets."""
    slowest: float
    """Seconds of the slowest ordinary step."""
    cleanup_is_reachable: bool
    """Whether aborts and listings meet brief faults only, fewer than the clean-up has attempts, with fast responses."""
    final_rate: float = 0.0
    """Share of the requests that meet a final refusal."""
    target: tuple[str, str] | None = None
    """Operation, and the fault that it always meets."""
    resurrects: bool = False
    """Whether a part that is stored during the abort of its upload brings the upload back, as on Amazon."""

    @property
    def is_kind(self) -> bool:
        """Whether every request succeeds in the end."""
        return self.per_request <= 2 and not self.final_rate and self.target is None


@dataclass(frozen=True, slots=True)
class Plan:
    """Faults and durations of one attempt. All times are in seconds."""

    kind: str
    connecting: float
    turns: int
    """Turns of the loop before anything is sent."""
    sending: float
    """Wait after each slice of the body."""
    breaks_after: int
    """Number of slices after which sending breaks off."""
    processing: float
    answering: float
    lateness: float
    """Time until a request is processed after its client has given up."""
    survives_cut: bool
    """Whether the request is processed although its connection was cut after its last byte."""
    is_reused: bool
    """Whether the connection has carried another request before."""
    asks_to_wait: int
    """Retry-After in seconds; 0 for none."""
    is_defect: bool
    """Whether the HTTP client itself fails, instead of the network."""

    @property
    def is_processed(self) -> bool:
        """Whether the store processes the request before it responds."""
        return self.kind == "ok" or self.kind.endswith(("_done", "_after"))


class Faults:
    """Source of plans, drawn from the seed."""

    def __init__(self, random: Random, defects: Random, conditions: Conditions) -> None:
        self._random = random
        self._defects = defects
        self._most_in_cleanup = min(2, conditions.per_request)
        self._conditions = conditions
        self._met: Counter[tuple[str, ...]] = Counter()

    def plan(self, request: Request) -> Plan:
        """Return the plan of one attempt."""
        random = self._random
        is_cleanup = request.operation in CLEANUP and self._conditions.cleanup_is_reachable
        slowest = min(0.2, self._conditions.slowest) if is_cleanup else self._conditions.slowest
        latest = 4.0 if self._conditions.cleanup_is_reachable else random.choice((4.0, 100.0))
        return Plan(
            kind=self._kind(request),
            connecting=self._seconds(slowest),
            turns=random.choice((0, 0, 1, 3)),
            sending=self._seconds(slowest / 4),
            breaks_after=random.randrange(3),
            processing=self._seconds(slowest),
            answering=self._seconds(slowest),
            lateness=random.choice((0.0, random.random() * latest)),
            survives_cut=random.random() < 0.7,
            is_reused=random.random() < 0.5,
            asks_to_wait=random.choice((0, 0, 2)),
            is_defect=self._defects.random() < 0.3,
        )

    def _seconds(self, slowest: float) -> float:
        """Return a duration: mostly short, and often zero."""
        if self._random.random() < 0.3:
            return 0.0
        return slowest * float(self._random.random() ** 3)

    def _kind(self, request: Request) -> str:
        conditions, random = self._conditions, self._random
        operation = request.operation
        if conditions.target is not None and operation == conditions.target[0]:
            return conditions.target[1]
        is_cleanup = operation in CLEANUP and conditions.cleanup_is_reachable
        if random.random() < conditions.final_rate and not is_cleanup and operation != "HeadObject":
            return random.choice(FINAL)
        which = (operation, request.path, *(value for _, value in request.query))
        limit = self._most_in_cleanup if is_cleanup else conditions.per_request
        rate = min(0.7, 2 * conditions.rate) if operation in COMMITS else conditions.rate
        if random.random() >= rate or self._met[which] >= limit:
            return "ok"
        self._met[which] += 1
        if is_cleanup:
            return random.choice(BRIEF)
        special = IN_200.get(operation, LOST)
        kind = random.choice(random.choice((BEFORE, LOST, LOST, REFUSED, REFUSED, special, special)))
        return "error_500" if kind == "request_timeout" and request.method == "HEAD" else kind
