"""aiohttp alone, as a sender of multipart parts: no signature, no checks, no retries, no limit of memory, no clean-up.

What is left when all that a client promises is left out: parts of one size,
copied into buffers that are used again, written in slices of 1 MiB. The variant
``256k`` writes slices of 256 KiB, as aios3 does.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks.clients import Client
from benchmarks.job import BUCKET, KIB, MIB, Job
from benchmarks.source import Source

_UPLOAD_ID: Final = re.compile("<UploadId>(.*)</UploadId>")


class _Upload:
    """One multipart upload."""

    def __init__(self, session: aiohttp.ClientSession, job: Job, key: str) -> None:
        self._session = session
        self._url = f"{job.endpoint}/{BUCKET}/{key}"
        self._part_size = job.part_size
        self._slice = 256 * KIB if job.variant == "256k" else MIB
        self._buffers: asyncio.Queue[bytearray] = asyncio.Queue()
        for _ in range(job.concurrency + 1):
            self._buffers.put_nowait(bytearray())
        self._etags: dict[int, str] = {}

    async def stream(self, source: Source) -> None:
        """Copy the chunks into one buffer after the other."""
        async with asyncio.TaskGroup() as group:
            upload_id = await self._create()
            buffer, filled = memoryview(await self._buffer()), 0
            async for chunk in source:
                rest = memoryview(chunk)
                while rest:
                    if filled == self._part_size:
                        group.create_task(self._send(upload_id, self._number(), buffer))
                        buffer, filled = memoryview(await self._buffer()), 0
                    count = min(len(rest), self._part_size - filled)
                    buffer[filled : filled + count] = rest[:count]
                    rest, filled = rest[count:], filled + count
            group.create_task(self._send(upload_id, self._number(), buffer[:filled]))
        await self._complete(upload_id)

    async def file(self, path: Path) -> None:
        """Read into one buffer after the other, in a thread."""
        async with asyncio.TaskGroup() as group:
            upload_id = await self._create()
            with path.open("rb", buffering=0) as file:
                buffer = memoryview(await self._buffer())
                while filled := await asyncio.to_thread(file.readinto, buffer):
                    group.create_task(self._send(upload_id, self._number(), buffer[:filled]))
                    buffer = memoryview(await self._buffer())
        await self._complete(upload_id)

    async def _buffer(self) -> bytearray:
        """Wait for a buffer. Memory is taken when it is needed first."""
        return await self._buffers.get() or bytearray(self._part_size)

    def _number(self) -> int:
        """Number the next part."""
        number = len(self._etags) + 1
        self._etags[number] = ""
        return number

    async def _send(self, upload_id: str, number: int, part: memoryview) -> None:
        query = f"?partNumber={number}&uploadId={upload_id}"
        headers = {"Content-Length": str(len(part))}
        async with self._session.put(self._url + query, data=_slices(part, self._slice), headers=headers) as answer:
            answer.raise_for_status()
            await answer.read()
            self._etags[number] = answer.headers["ETag"]
        self._buffers.put_nowait(part.obj)  # type: ignore[arg-type]

    async def _create(self) -> str:
        found = _UPLOAD_ID.search(await self._post("?uploads"))
        if found is None:
            raise RuntimeError("the sink gave no upload id")
        return found[1]

    async def _complete(self, upload_id: str) -> None:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in self._etags.items()
        )
        document = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
        await self._post(f"?uploadId={upload_id}", document.encode())

    async def _post(self, query: str, body: bytes = b"") -> str:
        async with self._session.post(self._url + query, data=body) as answer:
            answer.raise_for_status()
            return await answer.text()


async def _slices(part: memoryview, size: int) -> AsyncIterator[memoryview]:
    for start in range(0, len(part), size):
        yield part[start : start + size]


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give uploads on one session."""
    connector = aiohttp.TCPConnector(limit=0, ssl=job.ssl_context() or True)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def stream(source: Source, key: str) -> None:
            await _Upload(session, job, key).stream(source)

        async def file(path: Path, key: str) -> None:
            await _Upload(session, job, key).file(path)

        yield Client(stream=stream, file=file)
