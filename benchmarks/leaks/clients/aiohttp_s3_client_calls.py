"""aiohttp-s3-client's ``multipart_upload`` block, the one of its calls that an async source can feed as it comes.

(``put_multipart`` takes a sync iterable and puts all of it into a temporary file before it uploads.)
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp_s3_client import S3Client

from benchmarks.leaks.clients.target import CONCURRENCY, OpenClient, Target, parts_of

__all__ = ["multipart_upload"]


@asynccontextmanager
async def multipart_upload(target: Target) -> AsyncGenerator[OpenClient]:
    """Give the block, with its automatic abort. Its documentation asks that parts are ended before it is left."""
    async with aiohttp.ClientSession() as session:
        client = S3Client(
            session,
            target.endpoint_url,
            access_key_id=target.access_key_id,
            secret_access_key=target.secret_access_key,
            region=target.region,
        )

        async def upload(source: AsyncIterator[bytes], key: str) -> None:
            slots = asyncio.Semaphore(CONCURRENCY)
            async with client.multipart_upload(f"{target.bucket}/{key}") as uploader, asyncio.TaskGroup() as group:
                async for part in parts_of(source):
                    await slots.acquire()
                    sending = uploader.put_part(part, content_sha256=hashlib.sha256(part).hexdigest())
                    group.create_task(sending).add_done_callback(lambda _: slots.release())

        yield OpenClient(upload, session.close)
