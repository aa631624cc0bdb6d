"""Four ways to upload through FastAPI: the raw body, a form, resumable (tus, IETF draft), and direct to the store.

    AWS_ENDPOINT_URL=... AWS_REGION=... uvicorn --app-dir examples/web fastapi_app:app

On SIGTERM or Ctrl-C running uploads get GRACE seconds. The clients of longer uploads get 503. If the environment names
a directory in JOURNAL, each start aborts uploads that a killed process has left open.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from fastapi import FastAPI, Request, Response

from aios3 import S3StorageDriver, StorageError, TransferConfig
from aios3.web import (
    DirectUploads,
    ResumableUploads,
    body_of,
    close_on_signal,
    headers_of,
    iterate_form_files,
    message_of,
    status_of,
)

BUCKET = os.environ.get("BUCKET", "videos")
MAX_SIZE = int(os.environ.get("MAX_SIZE", "20000000000"))

# A body cannot be read again from the middle, so an open upload could not be resumed.
driver = S3StorageDriver(journal=os.environ.get("JOURNAL"), transfer=TransferConfig(suspendable=False))
resumable = ResumableUploads(driver, BUCKET, prefix="resumable/", max_size=MAX_SIZE)
direct = DirectUploads(driver, BUCKET, prefix="direct/", max_size=MAX_SIZE, secret=os.environ.get("SECRET"))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with driver, close_on_signal(driver, grace=float(os.environ.get("GRACE", "20"))):
        await driver.get_container(BUCKET)  # reports wrong keys or a missing bucket at the start
        if "JOURNAL" in os.environ:
            await driver.recover()
        yield


app = FastAPI(lifespan=lifespan)
app.mount("/resumable", resumable)
app.mount("/direct", direct)


@app.put("/raw/{name}")
async def put_raw(name: str, request: Request) -> dict[str, object]:
    body = body_of(request)
    receipt = await driver.upload_object_via_stream(body, BUCKET, name, size=body.length, max_size=MAX_SIZE)
    return {"etag": receipt.etag, "size": receipt.size}


@app.post("/form")
async def post_form(request: Request) -> dict[str, str]:
    """Store the files of a form under random keys, which are returned by file name."""
    keys = {}
    async for file in iterate_form_files(request, max_file_size=MAX_SIZE):
        key = keys[file.filename] = str(uuid4())
        await driver.upload_object_via_stream(file, BUCKET, key, content_type=file.content_type)
    return keys


@app.exception_handler(StorageError)
async def refuse(request: Request, error: Exception) -> Response:
    if status_of(error) in (500, 502):  # the operator has to act
        logging.getLogger(__name__).error("%s %s", request.method, request.url.path, exc_info=error)
    return Response(message_of(error), status_of(error), headers_of(error))
