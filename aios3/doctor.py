"""Examination of a bucket: the way to it, what the keys may do there, and what its store obeys."""

from __future__ import annotations

from aios3._doctor.examination import run_examination
from aios3._doctor.findings import Finding, Report
from aios3._doctor.scratch import PREFIX
from aios3.driver import S3StorageDriver

__all__ = ["PREFIX", "Finding", "Report", "examine_bucket"]


async def examine_bucket(driver: S3StorageDriver, bucket: str, *, report: Report | None = None) -> list[Finding]:
    """Examine a bucket by some 25 requests, and return what they showed, in their order.

    The examination writes only one key, a random one that begins with `PREFIX`. It removes the key, with every version
    and every upload of it, however the call ends; what cannot be removed is a finding. It sends about 10 MiB. It
    retries only the removal. A driver for an examination should have short `Timeouts`, so that a dead endpoint shows
    soon.

    Args:
        driver: a driver for the store. Its provider's record is compared with what the store does.
        bucket: name of the bucket, which may be in use.
        report: receives each finding at once; ``None`` for callers that want the list only.

    Raises:
        CancelledError: the caller was cancelled. The scratch object is gone by then, or a note says why not.
        DriverClosedError: the driver was closed.
    """
    findings: list[Finding] = []

    def add(finding: Finding) -> None:
        findings.append(finding)
        if report is not None:
            report(finding)

    await run_examination(driver, bucket, add)
    return findings
