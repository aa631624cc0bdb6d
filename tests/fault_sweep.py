"""A four-part upload in which one request fails in one way, once or for ever, and how it ended.

``python -m tests.fault_sweep`` prints the whole table; `test_faults` runs the same.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aios3 import (
    PROVIDERS,
    CompletionUnknownError,
    RetryPolicy,
    S3StorageDriver,
    StorageError,
    Timeouts,
    TransferConfig,
)
from aios3.providers import Provider
from aios3.testing import ALL_FAULT_KINDS, Fault, S3Server

from .sweep import CONTENT, IMPATIENT, KIB, OLD, PART, SMALL_PARTS, Source

REQUESTS: dict[str, tuple[str, int | None]] = {
    "Create": ("CreateMultipartUpload", None),
    "part 1": ("UploadPart", 1),
    "part 2": ("UploadPart", 2),
    "part 3": ("UploadPart", 3),
    "part 4": ("UploadPart", 4),
    "Complete": ("CompleteMultipartUpload", None),
}
FOUR_PARTS = CONTENT[: 4 * PART - 100]
FOR_EVER = 1000


@dataclass
class Outcome:
    """How one run ended; `problems` is empty if it kept every promise."""

    error: BaseException | None = None
    committed: bool = False
    attempts: int = 0
    """Requests of the kind that failed."""
    problems: list[str] = field(default_factory=list)

    @property
    def word(self) -> str:
        if self.problems:
            return "BROKEN: " + "; ".join(self.problems)
        return "exact" if self.error is None else type(self.error).__name__


def a_fault(kind: str, operation: str, part_number: int | None, times: int) -> Fault:
    page = b"<html>hello</html>"
    body = {"raw": b"\x00\xff not HTTP at all\r\n\r\n", "garbage_200": page, "garbage_after": page}.get(kind)
    status = 200 if kind == "garbage_after" else 503
    after = 1000 if kind == "drop_mid_body" and operation == "UploadPart" else 0
    code = "InternalError" if kind == "error_in_200" else "SlowDown"
    return Fault(kind, operation, part_number, times=times, status=status, body=body, after_bytes=after, code=code)  # type: ignore[arg-type]


async def upload_with(*faults: Fault, provider: Provider = SMALL_PARTS, forget_completed: bool = False) -> Outcome:
    """Upload four parts against a server with these faults, and look at what is left."""
    outcome = Outcome()
    before = asyncio.all_tasks()
    async with (
        S3Server(provider, forget_completed=forget_completed) as server,
        S3StorageDriver(
            provider,
            endpoint_url=server.endpoint_url,
            region=server.region,
            credentials=server.credentials,
            transfer=TransferConfig(part_size=PART, concurrency=2, memory_limit=16 * PART),
            retry=RetryPolicy(max_attempts=3, base_delay=0, throttle_base_delay=0),
            timeouts=Timeouts(connect=0.2, send=0.2, answer=0.1, complete=0.1, cleanup=10),
        ) as driver,
    ):
        driver._clock = IMPATIENT
        await driver.upload_object_via_stream(OLD, "bucket", "key")
        for fault in faults:
            server.faults.add(fault)
        source = Source(FOUR_PARTS)
        try:
            receipt = await driver.upload_object_via_stream(source, "bucket", "key")
        except Exception as error:
            outcome.error = error
        requests = len(server.requests)
        outcome.attempts = sum(request.fault is not None for request in server.requests)
        body = server.objects["bucket", "key"].body
        outcome.committed = body == FOUR_PARTS
        problems = outcome.problems
        problems += [f"open upload {left.upload_id}" for left in server.open_uploads]
        problems += [task.get_name() for task in asyncio.all_tasks() - before if "aios3" in task.get_name()]
        if body not in {OLD, FOUR_PARTS}:
            problems.append("wrong bytes")
        if outcome.error is None and not (outcome.committed and receipt.etag == _head_etag(server)):
            problems.append("reported as done, but not so")
        if outcome.error is not None and not isinstance(outcome.error, StorageError):
            problems.append(f"untyped {outcome.error!r}")
        if outcome.committed and outcome.error is not None and not isinstance(outcome.error, CompletionUnknownError):
            problems.append(f"committed, but reported as {outcome.error!r}")
        if not source.is_closed:
            problems.append("source not closed")
        engine = driver._engine
        assert engine is not None
        if engine.memory.used or engine.known_uploads or engine.running:
            problems.append("not everything given back")
        await asyncio.sleep(0)
        if len(server.requests) != requests:
            problems.append("request after the end")
    return outcome


def _head_etag(server: S3Server) -> str:
    return server.objects["bucket", "key"].etag.strip('"')


def main() -> None:
    print("| request | fault | once | for ever |")
    print("| --- | --- | --- | --- |")
    for name, (operation, part_number) in REQUESTS.items():
        for kind in ALL_FAULT_KINDS:
            words = [
                asyncio.run(upload_with(a_fault(kind, operation, part_number, times))).word for times in (1, FOR_EVER)
            ]
            print(f"| {name} | {kind} | {words[0]} | {words[1]} |", flush=True)


__all__ = ["FOR_EVER", "KIB", "PROVIDERS", "REQUESTS", "Outcome", "a_fault", "upload_with"]

if __name__ == "__main__":
    main()
