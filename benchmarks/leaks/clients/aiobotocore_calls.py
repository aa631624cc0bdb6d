"""A loop over aiobotocore's operations as a careful engineer writes it: bounded, and aborted behind a shield."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from benchmarks.leaks.clients.target import CONCURRENCY, OpenClient, Target, parts_of

__all__ = ["loop"]


@asynccontextmanager
async def loop(target: Target) -> AsyncGenerator[OpenClient]:
    """Give the loop."""
    async with get_session().create_client(
        "s3",
        endpoint_url=target.endpoint_url,
        region_name=target.region,
        aws_access_key_id=target.access_key_id,
        aws_secret_access_key=target.secret_access_key,
        config=AioConfig(s3={"addressing_style": "path"}),
    ) as client:

        async def upload(source: AsyncIterator[bytes], key: str) -> None:
            await _upload(client, source, {"Bucket": target.bucket, "Key": key})

        yield OpenClient(upload, client.close)


async def _upload(client: Any, source: AsyncIterator[bytes], where: dict[str, str]) -> None:
    created = await client.create_multipart_upload(**where)
    where |= {"UploadId": created["UploadId"]}
    try:
        parts = await _send_parts(client, source, where)
        await client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    except BaseException:
        await asyncio.shield(client.abort_multipart_upload(**where))
        raise


async def _send_parts(client: Any, source: AsyncIterator[bytes], where: dict[str, str]) -> list[dict[str, Any]]:
    slots = asyncio.Semaphore(CONCURRENCY)
    tasks: list[asyncio.Task[dict[str, Any]]] = []
    async with asyncio.TaskGroup() as group:
        async for body in parts_of(source):
            await slots.acquire()
            tasks.append(group.create_task(_send_part(client, where, len(tasks) + 1, body)))
            tasks[-1].add_done_callback(lambda _: slots.release())
    return [task.result() for task in tasks]


async def _send_part(client: Any, where: dict[str, str], number: int, body: bytes) -> dict[str, Any]:
    answer = await client.upload_part(**where, PartNumber=number, Body=body)
    return {"PartNumber": number, "ETag": answer["ETag"]}
