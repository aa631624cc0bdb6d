"""Checks of what costs money: open uploads, the rule that ends them, and a default lock of the bucket."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final

from aios3._client.client import OperationClient
from aios3._protocol.operations import ListMultipartUploads, ListParts
from aios3._protocol.wire.xml_bodies import Element
from aios3.errors import AccessDeniedError, ResponseError
from aios3.models import PendingUpload
from aios3.providers import Provider

from .bucket_query import BucketQuery
from .findings import Finding, Report, describe_refusal

__all__ = ["RULE", "check_housekeeping", "locks_objects"]

RULE: Final = json.dumps(
    {
        "Rules": [
            {
                "ID": "abort-unfinished-uploads",
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
            }
        ]
    },
    separators=(",", ":"),
)
"""Lifecycle rule to propose, in the form that ``aws s3api put-bucket-lifecycle-configuration`` takes."""

_OLD: Final = timedelta(days=1)
"""Age from which an open upload is probably forgotten."""
_MEASURED: Final = 3
"""Open uploads, the oldest first, whose parts are counted."""


async def check_housekeeping(client: OperationClient, provider: Provider, bucket: str, report: Report) -> None:
    """Find out what open uploads there are, and what ends them. Sends two to five requests."""
    report(await _judge_lifecycle(client, provider, bucket))
    report(await _judge_open_uploads(client, bucket))


async def locks_objects(client: OperationClient, bucket: str) -> bool:
    """Return whether new objects of the bucket are locked by default, so nothing written could be removed."""
    query = BucketQuery("GetObjectLockConfiguration", bucket, (("object-lock", ""),), "ObjectLockConfiguration")
    try:
        document = await client.run(query)
    except ResponseError:
        return False
    rule = document.child("Rule")
    return rule is not None and rule.child("DefaultRetention") is not None


async def _judge_lifecycle(client: OperationClient, provider: Provider, bucket: str) -> Finding:
    subject = "lifecycle rule"
    query = BucketQuery("GetBucketLifecycleConfiguration", bucket, (("lifecycle", ""),), "LifecycleConfiguration")
    try:
        rules = (await client.run(query)).all("Rule")
    except ResponseError as error:
        if error.code != "NoSuchLifecycleConfiguration":
            return _no_lifecycle(error, provider, bucket)
        rules = ()
    days = [found for rule in rules if (found := _days_of(rule)) is not None]
    if days:
        return Finding(subject, "ok", f"a lifecycle rule aborts unfinished uploads after {_days(min(days))}")
    if provider.aborts_uploads_after is not None:
        return _aborted_by_store(provider)
    return Finding(
        subject,
        "warning",
        "no lifecycle rule aborts all unfinished uploads, and their parts are billed",
        _rule_advice(rules, bucket),
    )


def _aborted_by_store(provider: Provider) -> Finding:
    assert provider.aborts_uploads_after is not None
    text = f"the store itself aborts unfinished uploads after {_days(provider.aborts_uploads_after.days)}"
    return Finding("lifecycle rule", "ok", text)


def _days(number: int) -> str:
    return f"{number} day{'' if number == 1 else 's'}"


def _no_lifecycle(error: ResponseError, provider: Provider, bucket: str) -> Finding:
    if provider.aborts_uploads_after is not None:
        return _aborted_by_store(provider)
    if isinstance(error, AccessDeniedError):
        text = f"the keys may not read the lifecycle rules ({describe_refusal(error)})"
        return Finding("lifecycle rule", "warning", text, "give them s3:GetLifecycleConfiguration")
    text = "the store has no lifecycle rules, so uploads that a dead process left open stay, and their parts are billed"
    advice = f"run once a day: aios3 uploads abort s3://{bucket} --older-than 7d"
    return Finding("lifecycle rule", "warning", text, advice)


def _rule_advice(rules: object, bucket: str) -> str:
    if rules:
        return f"add this rule to the rules of the bucket: {RULE}"
    command = f"aws s3api put-bucket-lifecycle-configuration --bucket {bucket} --lifecycle-configuration"
    return f"set a rule: {command} '{RULE}'"


def _days_of(rule: Element) -> int | None:
    """Return after how many days a rule aborts the unfinished uploads of every key; ``None`` if it does not."""
    action = rule.child("AbortIncompleteMultipartUpload")
    filter_ = rule.child("Filter")
    narrow = [rule.text("Prefix")] + (
        [] if filter_ is None else [filter_.text(name) for name in ("Prefix", "And", "Tag")]
    )
    is_tagged = filter_ is not None and bool({"And", "Tag"} & set(filter_.names))
    if action is None or (rule.text("Status") or "").strip() != "Enabled" or is_tagged or any(narrow):
        return None
    return action.number("DaysAfterInitiation")


async def _judge_open_uploads(client: OperationClient, bucket: str) -> Finding:
    subject = "open uploads"
    try:
        page = await client.run(ListMultipartUploads(bucket))
    except ResponseError as error:
        text = f"the store refuses to list open uploads ({describe_refusal(error)})"
        return Finding(subject, "warning", text, "give the keys s3:ListBucketMultipartUploads")
    if not page.uploads:
        return Finding(subject, "ok", "no upload is open")
    now = client.clock_skew.to_server_time(client.clock.now())
    uploads = sorted(page.uploads, key=lambda upload: upload.initiated_at or now)
    count = f"{len(uploads)}{' or more' if page.is_truncated else ''} open upload{'' if len(uploads) == 1 else 's'}"
    text = f"{count}, {await _size_of(client, uploads)}{_age_of(uploads[0], now)}"
    oldest = uploads[0].initiated_at
    if oldest is None or now - oldest < _OLD:
        return Finding(subject, "ok", text)
    advice = f"list them: aios3 uploads ls s3://{bucket}; end them: aios3 uploads abort s3://{bucket} --older-than 1d"
    return Finding(subject, "warning", text, advice)


def _age_of(upload: PendingUpload, now: datetime) -> str:
    if upload.initiated_at is None:
        return ""
    age = _days(max(0, (now - upload.initiated_at).days))
    return f", the oldest from {upload.initiated_at:%Y-%m-%dT%H:%MZ} ({age} ago)"


async def _size_of(client: OperationClient, uploads: list[PendingUpload]) -> str:
    """Return the bytes of the oldest uploads, as far as one page of each tells them."""
    total, is_more = 0, len(uploads) > _MEASURED
    for upload in uploads[:_MEASURED]:
        try:
            page = await client.run(ListParts(upload.bucket, upload.key, upload.upload_id))
        except ResponseError:
            is_more = True
            continue
        total += sum(part.size for part in page.parts)
        is_more |= page.is_truncated
    return f"{total} bytes{' or more' if is_more else ''}"
