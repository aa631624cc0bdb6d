"""What a type checker takes for a source, and what it refuses; mypy also checks that each refusal is needed."""

from __future__ import annotations

import array
import asyncio
import ctypes
import io
import mmap
from collections.abc import AsyncIterator, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO, TextIO

import aiofiles
import aiohttp
from aiohttp import web

from aios3 import S3StorageDriver
from aios3._upload.source.kinds import Source


class Reader:
    def read(self, size: int) -> bytes:
        return b""


class AsyncReader:
    async def read(self, size: int = -1) -> bytearray:
        return bytearray()


class Response:
    """As httpx's."""

    def read(self) -> bytes:
        return b""

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        yield b""


class Request:
    """As Starlette's."""

    async def stream(self) -> AsyncIterator[bytes]:
        yield b""


def generate() -> Iterator[bytearray]:
    yield bytearray()


async def generate_async() -> AsyncIterator[memoryview]:
    yield memoryview(b"")


async def coroutine() -> bytes:
    return b""


async def takes(
    driver: S3StorageDriver,
    mapped: mmap.mmap,
    files: tuple[BinaryIO, io.FileIO, io.BufferedReader, IO[bytes], SpooledTemporaryFile[bytes]],
) -> None:
    sources: list[Source] = [b"", bytearray(), memoryview(b""), array.array("d"), mapped, (ctypes.c_ubyte * 3)()]
    sources += [[b"", bytearray()], (b"",), generate(), generate_async(), iter([b""])]
    sources += [io.BytesIO(), *files]
    sources += [Reader(), AsyncReader(), Response(), Request()]
    await driver.upload_object_via_stream(sources[0], "bucket", "key")
    async with aiofiles.open("f", "rb") as opened, driver.open_upload("bucket", "key") as upload:
        await upload.write_from(opened)
        await upload.write(array.array("B"))


async def takes_the_webs(
    driver: S3StorageDriver,
    response: aiohttp.ClientResponse,
    request: web.Request,
    part: aiohttp.BodyPartReader,
    reader: asyncio.StreamReader,
) -> None:
    for source in (response, request, part, response.content, reader, response.content.iter_any()):
        await driver.upload_object_via_stream(source, "bucket", "key")


async def refuses(driver: S3StorageDriver, text: TextIO, anything: Any) -> None:
    await driver.upload_object_via_stream(3, "bucket", "key")  # type: ignore[arg-type]
    await driver.upload_object_via_stream("path", "bucket", "key")  # type: ignore[arg-type]
    await driver.upload_object_via_stream([1], "bucket", "key")  # type: ignore[list-item]
    await driver.upload_object_via_stream(["text"], "bucket", "key")  # type: ignore[list-item]
    await driver.upload_object_via_stream(None, "bucket", "key")  # type: ignore[arg-type]
    await driver.upload_object_via_stream(text, "bucket", "key")  # type: ignore[arg-type]
    await driver.upload_object_via_stream(io.StringIO(), "bucket", "key")  # type: ignore[arg-type]
    await driver.upload_object_via_stream(range(3), "bucket", "key")  # type: ignore[arg-type]
    await driver.upload_object_via_stream({"a": b""}, "bucket", "key")  # type: ignore[dict-item]
    await driver.upload_object_via_stream(generate, "bucket", "key")  # type: ignore[arg-type]
    await driver.upload_object_via_stream(object(), "bucket", "key")  # type: ignore[arg-type]
    async with driver.open_upload("bucket", "key") as upload:
        await upload.write("text")  # type: ignore[arg-type]
        await upload.write([1])  # type: ignore[arg-type]
        await upload.write_from(3)  # type: ignore[arg-type]
    await driver.upload_object_via_stream(anything, "bucket", "key")
