"""Faults as data: kinds, the requests that they hit, and the plan of a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

__all__ = ["ALL_FAULT_KINDS", "Fault", "FaultKind", "FaultPlan"]

FaultKind = Literal[
    "answer",
    "drop_before",
    "drop_mid_body",
    "drop_after",
    "drop_mid_answer",
    "stall_before",
    "stall_after",
    "error_in_200",
    "slow_read",
    "no_etag",
    "early_answer",
    "raw",
    "garbage_200",
    "whitespace_200",
    "garbage_after",
    "close_after",
    "ragged_close",
    "half_close",
    "reset_after",
    "reset_mid_answer",
    "unasked_408",
]

ALL_FAULT_KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)
"""Every kind, in the order of the table of `Fault`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Failure of ``times`` matching requests in a row, from the ``nth`` on.

    "Not processed" means that the state of the store does not change.

    ====================  ==========================================================================
    ``answer``            Reads the body, then sends ``status`` and ``code`` (or ``body``); not processed.
    ``drop_before``       Resets the connection after the head; not processed.
    ``drop_mid_body``     Reads ``after_bytes`` of the body, exactly, then resets; not processed.
    ``drop_after``        Processes the request, then resets without a response: the lost response.
    ``drop_mid_answer``   Processes, sends the whole head and half of the body, then closes.
    ``stall_before``      Reads nothing after the head, and is silent until the client closes; not processed.
    ``stall_after``       Processes, and is silent until the client closes.
    ``error_in_200``      Sends 200 with an error document of ``code``; not processed.
    ``slow_read``         Reads ``after_bytes`` (4,096 if 0) per turn of the loop, except bytes that came with
                          the head, then processes as usual.
    ``no_etag``           Processes, and leaves the ETag header out of the response.
    ``early_answer``      Sends ``status`` and ``code`` after the head and ``after_bytes`` of the body, and closes
                          its direction. Later bytes of the client are read and thrown away, because a reset could
                          overtake the response; not processed.
    ``raw``               Reads the body, sends ``body`` alone instead of an HTTP response, and closes; not processed.
    ``garbage_200``       Sends 200 with ``body`` as its body (none if ``None``); not processed.
    ``whitespace_200``    Sends a 200 and white space in chunks at once. Then it processes (held if the operation is)
                          and sends the result, also an error. S3 keeps a long CompleteMultipartUpload alive so.
    ``garbage_after``     Processes, then sends ``status`` with ``body`` and no header of the operation: a success (or
                          an error) without the result.
    ``close_after``       Processes, sends ``Connection: close``, and closes. Over TLS the response and the
                          ``close_notify`` are in one segment, so the client reads them at once.
    ``ragged_close``      Processes, sends ``Connection: close``, and closes without TLS's ``close_notify``.
    ``half_close``        Processes, sends ``Connection: close``, and closes its own direction only (without
                          ``close_notify``). Later bytes of the client are read and thrown away.
    ``reset_after``       Processes, sends a response that keeps the connection alive, then resets it.
    ``reset_mid_answer``  Processes, sends the whole head and half of the body, then resets.
    ``unasked_408``       Processes, sends the response, then sends a 408 that belongs to no request, and closes. Some
                          servers and proxies end an idle connection so.
    ====================  ==========================================================================

    Raises:
        ValueError: the kind is unknown, or a number is out of range.
    """

    kind: FaultKind
    operation: str | None = None
    """S3's name of the operation, for example ``"UploadPart"``; ``None`` for any."""
    part_number: int | None = None
    """Number of the part; ``None`` for any, and for requests without one."""
    nth: int = 1
    """First failing request, counted among matching requests after the fault was added. 1 is the first."""
    times: int = 1
    """Number of matching requests in a row that fail, from the ``nth`` on."""
    status: int = 503
    """HTTP status, for the kinds that name ``status``."""
    code: str = "SlowDown"
    """Error code of S3, for the kinds that name ``code``."""
    after_bytes: int = 0
    """Bytes of the body, for the kinds that name ``after_bytes``."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers that are added to the response, for example ``(("Retry-After", "1"),)``. After ``Connection: close`` the
    connection is closed."""
    body: bytes | None = None
    """Body of the response, for the kinds that name ``body``; ``None`` for the usual body."""

    def __post_init__(self) -> None:
        if self.kind not in ALL_FAULT_KINDS:
            raise ValueError(f"unknown kind of fault {self.kind!r}; known are: {', '.join(ALL_FAULT_KINDS)}")
        if self.nth < 1 or self.times < 1 or self.after_bytes < 0:
            raise ValueError("nth and times count from 1, after_bytes from 0")

    def matches(self, operation: str, part_number: int | None) -> bool:
        """Return whether the fault applies to requests of this operation and part number."""
        return self.operation in {None, operation} and self.part_number in {None, part_number}


class FaultPlan:
    """Faults of a server, in the order in which they were added."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Add a fault and return it. If two faults match one request, the one added first hits it."""
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Remove every fault."""
        self._faults.clear()
        self._seen.clear()

    @property
    def unused(self) -> tuple[Fault, ...]:
        """Faults whose ``nth`` request has not come. A sweep over ``nth`` ends when there is one."""
        return tuple(fault for index, fault in enumerate(self._faults) if self._seen.get(index, 0) < fault.nth)

    def take(self, operation: str, part_number: int | None) -> Fault | None:
        """Count one request, and return the fault that hits it, or ``None``."""
        chosen = None
        for index, fault in enumerate(self._faults):
            if not fault.matches(operation, part_number):
                continue
            seen = self._seen[index] = self._seen.get(index, 0) + 1
            if chosen is None and fault.nth <= seen < fault.nth + fault.times:
                chosen = fault
        return chosen
