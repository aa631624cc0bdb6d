"""Checks of the way to a bucket: endpoint, region, clock, credentials."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from aios3._client.client import OperationClient
from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3.errors import AccessDeniedError, CredentialsError
from aios3.providers import Provider

from .bucket_query import BucketQuery
from .findings import Finding, Report, describe_refusal

__all__ = ["check_access"]

_TOLERATED: Final = timedelta(seconds=60)
"""Difference of the clocks that is not worth a warning."""
_REFUSED: Final = timedelta(minutes=15)
"""Difference at which S3 refuses a signature."""


async def check_access(client: OperationClient, provider: Provider, bucket: str, report: Report) -> bool:
    """Find out whether the bucket can be reached and listed, and return whether the store takes the keys.

    Sends one request, or one more for each of a wrong region and a wrong clock.

    Raises:
        StorageError: the bucket cannot be reached, so nothing else would succeed.
    """
    origin = await _name_credentials(client)
    listing = BucketQuery("ListObjectsV2", bucket, (("list-type", "2"), ("max-keys", "1")), "ListBucketResult")
    denied: AccessDeniedError | None = None
    try:
        await client.run(listing)
    except AccessDeniedError as error:
        denied = error
    except CredentialsError as error:
        text = f"the store refuses {origin} ({describe_refusal(error)}): {error.message}"
        report(Finding("credentials", "problem", text, "check the keys, --profile, --region and --endpoint-url"))
        return False
    host, _ = client.endpoint_of(bucket).locate(bucket, None)
    report(Finding("endpoint", "ok", f"{client.endpoint.scheme}://{host} responds as S3 (provider {provider.name})"))
    report(_judge_region(client, bucket))
    report(_judge_clock(client))
    report(Finding("credentials", "ok", f"the store accepts {origin}"))
    report(_judge_listing(denied))
    return True


async def _name_credentials(client: OperationClient) -> str:
    """Return the place of the credentials, which are fetched now, so that their absence is an error of its own."""
    if client.credentials is None:
        return "unsigned requests"
    keys = await client.credentials.get_credentials()
    provider = client.credentials
    place = provider.name if isinstance(provider, RefreshingCredentials) else "the keys that the caller gave"
    expiry = f", which expire at {keys.expires_at:%Y-%m-%dT%H:%M:%SZ}" if keys.expires_at else ""
    return f"{place} (access key id {keys.access_key_id[:4]}...{keys.access_key_id[-2:]}{expiry})"


def _judge_region(client: OperationClient, bucket: str) -> Finding:
    found = client.region_of(bucket)
    if found == client.region:
        return Finding("region", "ok", f"the store accepts signatures for region {found}")
    text = f"the bucket is in region {found}, but aios3 signs the first request for {client.region}"
    return Finding("region", "warning", text, f"pass --region {found}, or set AWS_REGION={found}")


def _judge_clock(client: OperationClient) -> Finding:
    now = client.clock.now()
    offset = client.clock_skew.to_server_time(now) - now
    size, direction = abs(offset), "behind" if offset > timedelta() else "ahead of"
    if size < _TOLERATED:
        return Finding("clock", "ok", "this machine's clock agrees with the store's")
    text = f"this machine's clock is {round(size.total_seconds() / 60)} minutes {direction} the store's"
    consequence = "; aios3 corrects its requests, but not URLs that it signs before them" if size >= _REFUSED else ""
    return Finding("clock", "warning", text + consequence, "set the clock, and synchronise it with NTP")


def _judge_listing(denied: AccessDeniedError | None) -> Finding:
    if denied is None:
        return Finding("permission to list", "ok", "the keys may list the bucket")
    text = "the keys may not list the bucket, so the store sends 403 instead of 404 for a missing key"
    return Finding(
        "permission to list",
        "warning",
        text,
        "give them s3:ListBucket, unless your program never lists keys or looks for missing ones",
    )
