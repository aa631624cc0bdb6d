"""aiobotocore, used with care: bounded parts in flight, abort on failure, everything else as it comes.

Signing and checksums are the library's defaults.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from measured import BUCKET, CONCURRENCY, PART_SIZE, REGION, Job, Stream, run


class Uploader:
    """One multipart upload of a source of unknown length."""

    def __init__(self, client: Any, key: str) -> None:
        self._client = client
        self._target = {"Bucket": BUCKET, "Key": key}
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._parts: list[dict[str, Any]] = []

    async def upload(self, source: AsyncIterator[bytes]) -> None:
        """Send the source and commit it; abort if anything fails."""
        created = await self._client.create_multipart_upload(**self._target)
        target = self._target | {"UploadId": created["UploadId"]}
        try:
            await self._send_parts(target, source)
            parts = sorted(self._parts, key=lambda part: part["PartNumber"])
            await self._client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
        except BaseException:
            await asyncio.shield(self._client.abort_multipart_upload(**target))
            raise

    async def _send_parts(self, target: dict[str, str], source: AsyncIterator[bytes]) -> None:
        number = 0
        async with asyncio.TaskGroup() as group:
            async for body in _parts(source):
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


async def _parts(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held: list[bytes] = []
    size = 0
    async for chunk in source:
        held.append(chunk)
        size += len(chunk)
        if size >= PART_SIZE:
            body = b"".join(held)
            # Cleared first, else the chunks live on beside their part while it waits for a slot.
            held.clear()
            size = 0
            yield body
    if held:
        yield b"".join(held)


@asynccontextmanager
async def aiobotocore(job: Job) -> AsyncIterator[Stream]:
    """Give a stream on a client that is ready."""
    making = get_session().create_client(
        "s3",
        endpoint_url=job.endpoint,
        region_name=REGION,
        aws_access_key_id="bench",
        aws_secret_access_key="bench-secret",
        verify=job.certificate,
        config=AioConfig(s3={"addressing_style": "path"}),
    )
    async with making as client:
        yield Uploader(client, job.key).upload


if __name__ == "__main__":
    run(aiobotocore)
