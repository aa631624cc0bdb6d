"""Faults as data: what goes wrong, and with which request."""

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
"""Every kind, in the order of the documentation of `Fault`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with the ``nth`` matching request, and with ``times`` of them in a row.

    Not processed means that the store is as if the request had never come.

    ====================  ==========================================================================
    ``answer``            Reads the body, then answers ``status`` and ``code`` (or ``body``); not processed.
    ``drop_before``       Resets the connection after the head; not processed.
    ``drop_mid_body``     Reads ``after_bytes`` of the body, exactly, then resets; not processed.
    ``drop_after``        Processes the request, then resets without an answer: the lost answer.
    ``drop_mid_answer``   Processes, sends the whole head and half of the body, then closes.
    ``stall_before``      Reads nothing more, and is silent until the client closes; not processed.
    ``stall_after``       Processes, and is silent until the client closes.
    ``error_in_200``      Answers 200 with an error document of ``code``; not processed.
    ``slow_read``         Reads ``after_bytes`` (4,096 if 0) per turn of the loop, of what did not come with
                          the head, then goes on as usual.
    ``no_etag``           Processes, and leaves the ETag header out of the answer.
    ``early_answer``      Answers ``status`` and ``code`` after the head and ``after_bytes`` of the body, and closes
                          its side; what the client still sends is read and thrown away, so that no reset can
                          overtake the answer; not processed.
    ``raw``               Reads the body, sends ``body`` as it is in place of an HTTP answer, and closes; not processed.
    ``garbage_200``       Answers 200 with ``body`` as its body (none if ``None``); not processed.
    ``whitespace_200``    Sends a 200 and white space in chunks at once, then processes (held if the operation is)
                          and sends the result, also an error: how S3 keeps a long CompleteMultipartUpload alive.
    ``garbage_after``     Processes, then answers ``status`` with ``body`` and no header of what there is to say: a
                          success (or an error) that says nothing of what was done.
    ``close_after``       Processes, answers with ``Connection: close``, and closes. Over TLS the answer and the
                          ``close_notify`` are in one segment, so that the client reads them at once.
    ``ragged_close``      Processes, answers with ``Connection: close``, and closes without TLS's ``close_notify``.
    ``half_close``        Processes, answers with ``Connection: close``, and closes its own direction only (without
                          ``close_notify``); what the client still sends is read and thrown away.
    ``reset_after``       Processes, answers as if the connection lived on, then resets it.
    ``reset_mid_answer``  Processes, sends the whole head and half of the body, then resets.
    ``unasked_408``       Processes, answers, then answers 408 to no request and closes: how some servers and proxies
                          end a connection that has been idle.
    ====================  ==========================================================================

    Raises:
        ValueError: the kind is unknown, or a number is out of range.
    """

    kind: FaultKind
    operation: str | None = None
    """S3's name of the operation, for example ``"UploadPart"``; ``None`` for any."""
    part_number: int | None = None
    """``None`` for any, and for requests without one."""
    nth: int = 1
    """1 is the first request that matches after the fault was added."""
    times: int = 1
    """How many matching requests in a row fail, from the ``nth`` on."""
    status: int = 503
    code: str = "SlowDown"
    after_bytes: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    """Added to whatever the fault answers, for example ``(("Retry-After", "1"),)``. After ``Connection: close`` the
    connection is closed."""
    body: bytes | None = None

    def __post_init__(self) -> None:
        if self.kind not in ALL_FAULT_KINDS:
            raise ValueError(f"unknown kind of fault {self.kind!r}; known are: {', '.join(ALL_FAULT_KINDS)}")
        if self.nth < 1 or self.times < 1 or self.after_bytes < 0:
            raise ValueError("nth and times count from 1, after_bytes from 0")

    def matches(self, operation: str, part_number: int | None) -> bool:
        """Say whether a request is of the kind that this fault is about."""
        return self.operation in {None, operation} and self.part_number in {None, part_number}


class FaultPlan:
    """The faults still to come, counted down by the requests that match them."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Script a fault and return it. Where two want the same request, the one added first has it."""
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Forget every fault."""
        self._faults.clear()
        self._seen.clear()

    @property
    def unused(self) -> tuple[Fault, ...]:
        """The faults whose ``nth`` request has not come: a sweep over ``nth`` has reached its end."""
        return tuple(fault for index, fault in enumerate(self._faults) if self._seen.get(index, 0) < fault.nth)

    def take(self, operation: str, part_number: int | None) -> Fault | None:
        """Count one request and return the fault that hits it, if any."""
        chosen = None
        for index, fault in enumerate(self._faults):
            if not fault.matches(operation, part_number):
                continue
            seen = self._seen[index] = self._seen.get(index, 0) + 1
            if chosen is None and fault.nth <= seen < fault.nth + fault.times:
                chosen = fault
        return chosen
