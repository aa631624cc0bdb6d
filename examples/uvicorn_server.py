"""Web server on uvicorn that streams the bodies of PUT requests, and the files of forms, into a store.

    AWS_ENDPOINT_URL=... AWS_REGION=... python examples/uvicorn_server.py [--port 8000] [--grace 20]

On SIGTERM or Ctrl-C the server stops accepting connections at once. Running uploads get ``--grace`` seconds to end, and
are then aborted; their clients get 503. A second Ctrl-C aborts at once. If the environment names a directory in
``JOURNAL``, each start aborts uploads that a killed process has left open.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypedDict
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from aios3 import DriverClosedError, S3StorageDriver, StorageError, TransferConfig
from aios3.web import headers_of, iterate_form_files, message_of, status_of

BUCKET = os.environ.get("BUCKET", "videos")
MAX_SIZE = int(os.environ.get("MAX_SIZE", "20000000000"))


class State(TypedDict):
    """State that the server holds for the application."""

    driver: S3StorageDriver


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    journal = os.environ.get("JOURNAL")
    # A body cannot be read again from the middle, so an open upload could not be resumed.
    async with S3StorageDriver(journal=journal, transfer=TransferConfig(suspendable=False)) as driver:
        await driver.get_container(BUCKET)  # reports wrong keys or a missing bucket at the start
        if journal is not None:
            await driver.recover()
        yield {"driver": driver}


app = FastAPI(lifespan=lifespan)


@app.put("/{name}")
async def put(name: str, request: Request) -> dict[str, object]:
    driver: S3StorageDriver = request.state.driver
    length = request.headers.get("content-length")
    size = None if length is None else int(length)
    receipt = await driver.upload_object_via_stream(request.stream(), BUCKET, name, size=size, max_size=MAX_SIZE)
    return {"etag": receipt.etag, "size": receipt.size}


@app.post("/")
async def post(request: Request) -> dict[str, str]:
    """Store the files of a form under random keys, which are returned by file name."""
    driver: S3StorageDriver = request.state.driver
    keys = {}
    async for file in iterate_form_files(request, max_file_size=MAX_SIZE):
        key = keys[file.filename] = str(uuid4())
        await driver.upload_object_via_stream(file, BUCKET, key, content_type=file.content_type)
    return keys


@app.exception_handler(ClientDisconnect)
@app.exception_handler(StorageError)
async def failed(request: Request, error: Exception) -> Response:
    status, headers = status_of(error), headers_of(error)
    if status in (500, 502):  # the operator has to act
        logging.getLogger("uvicorn.error").error("%s %s", request.method, request.url.path, exc_info=error)
    if isinstance(error, DriverClosedError):
        headers["connection"] = "close"
    return Response(message_of(error), status, headers)


class Server(uvicorn.Server):
    """Gives uploads `grace` seconds at shutdown, while no connection is accepted."""

    grace = 20.0

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        driver: S3StorageDriver = self.lifespan.state["driver"]
        closing = asyncio.create_task(driver.aclose(grace=self.grace))
        await super().shutdown(sockets)  # stops accepting, then waits for the requests, which the driver ends
        if self.force_exit:
            closing.cancel()  # ends the grace; the uploads are aborted nevertheless
            await asyncio.wait({closing})
            await self.lifespan.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--grace", type=float, default=20.0)
    options = parser.parse_args()
    Server.grace = options.grace
    # Other requests are cancelled five seconds after the grace of the uploads.
    config = uvicorn.Config(app, port=options.port, timeout_graceful_shutdown=int(options.grace) + 5)
    with suppress(KeyboardInterrupt):  # uvicorn raises its signal again after the shutdown
        Server(config).run()


if __name__ == "__main__":
    main()
