"""Examination of a bucket: the order of the probes, its bounds, and the removal of what they wrote."""

from __future__ import annotations

import asyncio
import copy
import secrets
from dataclasses import replace
from typing import Final

from aios3._client.client import OperationClient
from aios3._concurrency.caller_errors import note
from aios3._driver.base import DriverBase
from aios3._protocol.wire.uri import check_bucket
from aios3.errors import StorageError, TransportError
from aios3.providers import Provider

from .access import check_access
from .findings import Finding, Report, problem_of
from .housekeeping import check_housekeeping, locks_objects
from .multipart_uploads import check_multipart_uploads
from .scratch import PREFIX, Scratch
from .single_puts import check_checksums, check_conditions, check_writing

__all__ = ["run_examination"]

_LIMIT: Final = 90.0
"""Seconds for all probes together."""


async def run_examination(driver: DriverBase, bucket: str, report: Report) -> None:
    """Examine a bucket; see `aios3.doctor.examine_bucket`."""
    try:
        check_bucket(bucket)
        engine = await driver._open()
        client = _without_retries(engine.client)
        async with asyncio.timeout(_LIMIT):
            if not await check_access(client, driver._provider, bucket, report):
                return
            await check_housekeeping(client, driver._provider, bucket, report)
            is_locked = await locks_objects(client, bucket)
    except (StorageError, TimeoutError) as error:
        report(_end_of(error))
        return
    if is_locked:
        text = "the bucket locks new objects by default, so the examination writes nothing and tests no ability"
        report(Finding("default lock", "warning", text, "examine a bucket of the same store without a default lock"))
        return
    await _probe_writes(client, driver._provider, bucket, report)


def _without_retries(client: OperationClient) -> OperationClient:
    """Return the client with one attempt for each request, because most refusals are wanted. Clean-up is retried."""
    once = copy.copy(client)
    once.policy = replace(client.policy, max_attempts=1)
    return once


async def _probe_writes(client: OperationClient, provider: Provider, bucket: str, report: Report) -> None:
    scratch = Scratch(client, bucket, PREFIX + secrets.token_hex(8))
    try:
        await _probe(scratch, provider, report)
    except BaseException as error:
        for left in await scratch.clean_up():
            note(error, f"aios3: {left}")
        raise
    for left in await scratch.clean_up():
        advice = (
            f"give the keys s3:DeleteObject and s3:AbortMultipartUpload; remove s3://{bucket}/{scratch.key} yourself"
        )
        report(Finding("permission to delete", "warning", left, advice))


async def _probe(scratch: Scratch, provider: Provider, report: Report) -> None:
    try:
        async with asyncio.timeout(_LIMIT):
            if await check_writing(scratch, report):
                await check_conditions(scratch, provider, report)
                await check_checksums(scratch, provider, report)
                await check_multipart_uploads(scratch, provider, report)
    except (StorageError, TimeoutError) as error:
        report(_end_of(error))


def _end_of(error: Exception) -> Finding:
    if isinstance(error, TimeoutError) and not isinstance(error, TransportError):
        text = f"the store responds so slowly that the examination did not end within {_LIMIT:g} s"
        return Finding("endpoint", "problem", text, "check the network, and try again", "no response")
    return problem_of(error)
