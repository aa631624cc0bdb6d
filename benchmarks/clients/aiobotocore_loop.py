"""aiobotocore, the loop written by hand and with care: bounded parts in flight, abort on failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from benchmarks.clients import Client, in_parts
from benchmarks.job import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Job
from benchmarks.source import Source


class _Upload:
    """One multipart upload of a source of unknown length."""

    def __init__(self, client: Any, job: Job, key: str) -> None:
        self._client = client
        self._target = {"Bucket": BUCKET, "Key": key}
        self._slots = asyncio.Semaphore(job.concurrency)
        self._parts: list[dict[str, Any]] = []

    async def run(self, bodies: AsyncIterator[bytes]) -> None:
        """Send the parts and commit them; abort if anything fails."""
        created = await self._client.create_multipart_upload(**self._target)
        target = self._target | {"UploadId": created["UploadId"]}
        try:
            await self._send_parts(target, bodies)
            parts = sorted(self._parts, key=lambda part: part["PartNumber"])
            await self._client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
        except BaseException:
            await asyncio.shield(self._client.abort_multipart_upload(**target))
            raise

    async def _send_parts(self, target: dict[str, str], bodies: AsyncIterator[bytes]) -> None:
        number = 0
        async with asyncio.TaskGroup() as group:
            async for body in bodies:
                await self._slots.acquire()
                number += 1
                task = group.create_task(self._send_part(target, number, body))
                task.add_done_callback(lambda _: self._slots.release())

    async def _send_part(self, target: dict[str, str], number: int, body: bytes) -> None:
        answer = await self._client.upload_part(**target, PartNumber=number, Body=body)
        part = {"PartNumber": number, "ETag": answer["ETag"]}
        if "ChecksumCRC32" in answer:
            part["ChecksumCRC32"] = answer["ChecksumCRC32"]
        self._parts.append(part)


async def _file_parts(path: Path, part_size: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while body := await asyncio.to_thread(file.read, part_size):
            yield body


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give a client that is ready."""
    making = get_session().create_client(
        "s3",
        endpoint_url=job.endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        verify=job.certificate,
        config=AioConfig(
            s3={"addressing_style": "path"}, max_pool_connections=max(10, job.concurrency * job.most_at_once)
        ),
    )
    async with making as s3:

        async def stream(source: Source, key: str) -> None:
            await _Upload(s3, job, key).run(in_parts(source, job.part_size))

        async def file(path: Path, key: str) -> None:
            await _Upload(s3, job, key).run(_file_parts(path, job.part_size))

        async def put(body: bytes, key: str) -> None:
            await s3.put_object(Bucket=BUCKET, Key=key, Body=body)

        yield Client(stream=stream, file=file, put=put)
