"""Code of a user of the library. Type checkers read it beside the installed wheel; it is never run."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from aios3 import (
    ObservedUpload,
    ObservedUploadEnd,
    Observer,
    PreconditionFailedError,
    ResponseError,
    S3StorageDriver,
    StorageError,
    TransferConfig,
    UploadReceipt,
)
from aios3.testing import Fault, S3Server
from aios3.web import ClientDisconnectedError, body_of, message_of, status_of


class Report(Observer):
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def upload_ended(self, upload: ObservedUpload, end: ObservedUploadEnd) -> None:
        if end.error is None:
            self.seconds[upload.key] = end.timing.total


async def frames() -> AsyncIterator[bytes]:
    yield b"frame"


async def upload(driver: S3StorageDriver) -> UploadReceipt:
    config = TransferConfig(concurrency="auto")
    return await driver.upload_object_via_stream(frames(), "videos", "stream", max_size=2**30, transfer=config)


async def write(driver: S3StorageDriver) -> str:
    async with driver.open_upload("videos", "written", content_type="video/mp4", if_none_match="*") as writer:
        await writer.write(bytearray(b"frame"))
        await writer.write_from(frames())
    return writer.receipt.etag


async def receive(request: web.Request) -> web.Response:
    body = body_of(request)
    try:
        async with S3StorageDriver("aws", observer=Report()) as driver:
            receipt = await driver.upload_object_via_stream(body, "videos", "received", size=body.length)
    except PreconditionFailedError as error:
        return web.Response(status=409, text=error.code)
    except ResponseError as error:
        return web.Response(status=error.status)
    except ClientDisconnectedError:
        raise
    except StorageError as error:
        return web.Response(status=status_of(error), text=message_of(error))
    return web.json_response({"size": receipt.size})


async def test_upload() -> None:
    async with S3Server(buckets=["videos"]) as server:
        server.faults.add(Fault("drop_after", "CompleteMultipartUpload"))
        async with S3StorageDriver(endpoint_url=server.endpoint_url, credentials=server.credentials) as driver:
            await upload(driver)
        assert server.objects["videos", "stream"].size == 5


async def mistakes(driver: S3StorageDriver) -> None:
    """Each of these is refused. A checker that finds the types of the wheel says if one is not."""
    await driver.upload_object_via_stream("text", "b", "k")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await driver.upload_object_via_stream(b"", "b", "k", sise=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    TransferConfig(concurrency="most")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
