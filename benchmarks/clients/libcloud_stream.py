"""Apache Libcloud's S3 driver, one for each thread: its connections are not to be shared."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import libcloud.security
from libcloud.storage.base import Container
from libcloud.storage.drivers.minio import MinIOStorageDriver

from benchmarks.clients import Client, in_threads
from benchmarks.job import ACCESS_KEY, BUCKET, SECRET_KEY, Job
from benchmarks.source import Source


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give one driver a thread."""
    if job.certificate:
        libcloud.security.CA_CERTS_PATH = job.certificate
    host, _, port = job.address.partition(":")
    threads = threading.local()

    def driver_and_container() -> tuple[Any, Container]:
        if not hasattr(threads, "pair"):
            driver = MinIOStorageDriver(ACCESS_KEY, SECRET_KEY, secure=job.is_secure, host=host, port=int(port))
            threads.pair = driver, Container(BUCKET, {}, driver)
        return threads.pair  # type: ignore[no-any-return]

    def stream(source: Source, key: str) -> None:
        driver, container = driver_and_container()
        driver.upload_object_via_stream(iter(source), container, key)

    def file(path: Path, key: str) -> None:
        driver, container = driver_and_container()
        driver.upload_object(str(path), container, key, verify_hash=False)

    def put(body: bytes, key: str) -> None:
        driver, container = driver_and_container()
        driver.upload_object_via_stream(iter([body]), container, key)

    driver_and_container()
    yield in_threads(job, stream, file, put)
