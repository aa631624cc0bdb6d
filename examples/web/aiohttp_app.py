"""Four ways to upload through aiohttp.web: the raw body, a form, resumable (tus, IETF draft), and direct to the store.

    AWS_ENDPOINT_URL=... AWS_REGION=... python examples/web/aiohttp_app.py [--port 8000]

On SIGTERM or Ctrl-C running uploads get GRACE seconds. The clients of longer uploads get 503. If the environment names
a directory in JOURNAL, each start aborts uploads that a killed process has left open.
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
from aiohttp.typedefs import Handler

from aios3 import S3StorageDriver, StorageError, TransferConfig
from aios3.web import DirectUploads, ResumableUploads, body_of, headers_of, iterate_form_files, message_of, status_of

BUCKET = os.environ.get("BUCKET", "videos")
MAX_SIZE = int(os.environ.get("MAX_SIZE", "20000000000"))

# A body cannot be read again from the middle, so an open upload could not be resumed.
driver = S3StorageDriver(journal=os.environ.get("JOURNAL"), transfer=TransferConfig(suspendable=False))
resumable = ResumableUploads(driver, BUCKET, prefix="resumable/", max_size=MAX_SIZE)
direct = DirectUploads(driver, BUCKET, prefix="direct/", max_size=MAX_SIZE, secret=os.environ.get("SECRET"))


async def lifespan(app: web.Application) -> AsyncIterator[None]:
    async with driver:
        await driver.get_container(BUCKET)  # reports wrong keys or a missing bucket at the start
        if "JOURNAL" in os.environ:
            await driver.recover()
        yield


async def put_raw(request: web.Request) -> web.Response:
    body, name = body_of(request), request.match_info["name"]
    receipt = await driver.upload_object_via_stream(body, BUCKET, name, size=body.length, max_size=MAX_SIZE)
    return web.json_response({"etag": receipt.etag, "size": receipt.size})


async def post_form(request: web.Request) -> web.Response:
    """Store the files of a form under random keys, which are returned by file name."""
    keys = {}
    async for file in iterate_form_files(request, max_file_size=MAX_SIZE):
        key = keys[file.filename] = str(uuid4())
        await driver.upload_object_via_stream(file, BUCKET, key, content_type=file.content_type)
    return web.json_response(keys)


@web.middleware
async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except StorageError as error:
        if status_of(error) in (500, 502):  # the operator has to act
            logging.getLogger(__name__).exception("%s %s", request.method, request.path)
        return web.Response(text=message_of(error), status=status_of(error), headers=headers_of(error))


async def serve(app: web.Application, port: int, grace: float) -> None:
    """Serve until SIGTERM or Ctrl-C; `web.run_app` would stop reading the running uploads at once."""
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
        closing = asyncio.create_task(driver.aclose(grace=grace))
        again = asyncio.create_task(signals.get())
        await asyncio.wait({closing, again}, return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        closing.cancel()  # a second signal ends the grace; the uploads are aborted nevertheless
        await asyncio.wait({closing})
    finally:
        await runner.cleanup()  # stops reading bodies, so it comes last


app = web.Application(middlewares=[refuse])
app.cleanup_ctx.append(lifespan)
app.add_routes([web.put("/raw/{name}", put_raw), web.post("/form", post_form)])
app.add_routes(resumable.aiohttp_routes("/resumable"))
app.add_routes(direct.aiohttp_routes("/direct"))

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    asyncio.run(serve(app, parser.parse_args().port, float(os.environ.get("GRACE", "20"))))
