"""Dask clusters for tests: in the test's own loop, and a factory of drivers that finds its keys on the worker."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

from distributed import Client, Nanny, Scheduler, Worker

from aios3 import PROVIDERS, Credentials, Provider, RetryPolicy, S3StorageDriver, TransferConfig
from aios3.testing import S3Server

SECRET = "AIOS3_TEST_SECRET"
"""Environment variable from which `StoreDriver` reads the secret key."""


def provider_of(part_size: int) -> Provider:
    """Return a provider that takes parts of a size."""
    return dataclasses.replace(PROVIDERS["generic"], min_part_size=part_size)


@dataclass(frozen=True)
class StoreDriver:
    """Factory of drivers for an `S3Server`, picklable, and without a secret."""

    endpoint_url: str
    region: str
    access_key_id: str
    part_size: int
    names_process: bool = False
    """The access key has the id of the process, so that the store knows who sends."""
    made: ClassVar[list[S3StorageDriver]] = []
    """Drivers that were made in this process."""

    @classmethod
    def of(cls, server: S3Server, part_size: int) -> StoreDriver:
        """Return the factory for a store, and put its secret into the environment."""
        os.environ[SECRET] = server.credentials.secret_access_key
        cls.made.clear()
        return cls(server.endpoint_url, server.region, server.credentials.access_key_id, part_size)

    def __call__(self) -> S3StorageDriver:
        name = f"{self.access_key_id}-{os.getpid()}" if self.names_process else self.access_key_id
        driver = S3StorageDriver(
            provider_of(self.part_size),
            endpoint_url=self.endpoint_url,
            region=self.region,
            credentials=Credentials(name, os.environ[SECRET]),
            transfer=TransferConfig(part_size=self.part_size),
            retry=RetryPolicy(base_delay=0, throttle_base_delay=0),
        )
        self.made.append(driver)
        return driver


@asynccontextmanager
async def cluster_in_loop(workers: int = 2) -> AsyncIterator[tuple[Scheduler, Client]]:
    """Run a scheduler, its workers of one thread each, and a client in the running loop."""
    async with AsyncExitStack() as stack:
        options = {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": "127.0.0.1:0"}
        scheduler = await stack.enter_async_context(Scheduler(**options))
        for _ in range(workers):
            await stack.enter_async_context(worker_in_loop(scheduler))
        client = await stack.enter_async_context(Client(scheduler.address, asynchronous=True))
        yield scheduler, client


def worker_in_loop(scheduler: Scheduler) -> AbstractAsyncContextManager[Worker]:
    """Run a worker of one thread in the running loop."""
    return Worker(scheduler.address, nthreads=1, dashboard=False)


def worker_process(scheduler: Scheduler) -> AbstractAsyncContextManager[Nanny]:
    """Run a worker of one thread in a process, which is replaced when it dies."""
    return Nanny(scheduler.address, nthreads=1, dashboard=False)
