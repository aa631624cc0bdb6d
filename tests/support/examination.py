"""Examinations of a loopback store, in the loop of the test."""

from __future__ import annotations

from aios3.doctor import Finding, examine_bucket
from aios3.driver import S3StorageDriver
from aios3.providers import Provider
from aios3.testing import S3Server

__all__ = ["driver_of", "examine"]


def driver_of(server: S3Server, provider: Provider | str | None = None) -> S3StorageDriver:
    """Return a driver for the store."""
    return S3StorageDriver(
        provider,
        endpoint_url=server.endpoint_url,
        region=server.region,
        credentials=server.credentials,
    )


async def examine(server: S3Server, provider: Provider | str | None = None) -> dict[str, Finding]:
    """Return the findings of an examination by their subjects; of two, the last one."""
    async with driver_of(server, provider) as driver:
        return {each.subject: each for each in await examine_bucket(driver, "bucket")}
