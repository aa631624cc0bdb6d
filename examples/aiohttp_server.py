"""Web server on aiohttp.web that streams the bodies of PUT requests, and the files of forms, into a store.

    AWS_ENDPOINT_URL=... AWS_REGION=... python examples/aiohttp_server.py [--port 8000] [--grace 20]

On SIGTERM or Ctrl-C the server stops accepting connections at once. Running uploads get ``--grace`` seconds to end, and
are then aborted; their clients get 503. A second Ctrl-C aborts at once. If the environment names a directory in
``JOURNAL``, each start aborts uploads that a killed process has left open.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from uuid import uuid4

from aiohttp import web

from aios3 import DriverClosedError, S3StorageDriver, StorageError, TransferConfig
from aios3.web import headers_of, iterate_form_files, message_of, status_of

BUCKET = os.environ.get("BUCKET", "videos")
MAX_SIZE = int(os.environ.get("MAX_SIZE", "20000000000"))
DRIVER = web.AppKey("driver", S3StorageDriver)


async def driver(app: web.Application) -> AsyncIterator[None]:
    journal = os.environ.get("JOURNAL")
    # A body cannot be read again from the middle, so an open upload could not be resumed.
    async with S3StorageDriver(journal=journal, transfer=TransferConfig(suspendable=False)) as driver:
        await driver.get_container(BUCKET)  # reports wrong keys or a missing bucket at the start
        if journal is not None:
            await driver.recover()
        app[DRIVER] = driver
        yield


async def put(request: web.Request) -> web.Response:
    try:
        receipt = await request.app[DRIVER].upload_object_via_stream(
            request.content, BUCKET, request.match_info["name"], size=request.content_length, max_size=MAX_SIZE
        )
    except (StorageError, ConnectionError) as error:
        return failed(error)
    return web.json_response({"etag": receipt.etag, "size": receipt.size})


async def post(request: web.Request) -> web.Response:
    """Store the files of a form under random keys, which are returned by file name."""
    keys = {}
    try:
        async for file in iterate_form_files(request, max_file_size=MAX_SIZE):
            key = keys[file.filename] = str(uuid4())
            await request.app[DRIVER].upload_object_via_stream(file, BUCKET, key, content_type=file.content_type)
    except StorageError as error:
        return failed(error)
    return web.json_response(keys)


def failed(error: Exception) -> web.Response:
    if status_of(error) in (500, 502):  # the operator has to act
        logging.getLogger("aiohttp.server").error("the upload failed", exc_info=error)
    response = web.Response(text=message_of(error), status=status_of(error), headers=headers_of(error))
    if isinstance(error, DriverClosedError):
        response.force_close()
    return response


async def serve(app: web.Application, port: int, grace: float) -> None:
    """Serve until SIGTERM or Ctrl-C, and then shut down in the order that loses nothing."""
    loop, signals = asyncio.get_running_loop(), asyncio.Queue[int]()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.put_nowait, number)
    runner = web.AppRunner(app, shutdown_timeout=5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        await signals.get()
        await site.stop()  # accepts no connection; the bodies in flight are still read
        closing = asyncio.create_task(app[DRIVER].aclose(grace=grace))
        again = asyncio.create_task(signals.get())
        await asyncio.wait({closing, again}, return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        closing.cancel()  # a second signal ends the grace; the uploads are aborted nevertheless
        await asyncio.wait({closing})
    finally:
        await runner.cleanup()  # stops reading bodies, so it comes last


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--grace", type=float, default=20.0)
    options = parser.parse_args()
    app = web.Application()
    app.cleanup_ctx.append(driver)
    app.router.add_put("/{name}", put)
    app.router.add_post("/", post)
    asyncio.run(serve(app, options.port, options.grace))


if __name__ == "__main__":
    main()
