"""Four ways to upload through Litestar: the raw body, a form, resumable (tus, IETF draft), and direct to the store.

    AWS_ENDPOINT_URL=... AWS_REGION=... uvicorn --app-dir examples/web litestar_app:app

On SIGTERM or Ctrl-C running uploads get GRACE seconds. The clients of longer uploads get 503. If the environment names
a directory in JOURNAL, each start aborts uploads that a killed process has left open.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from litestar import Litestar, MediaType, Request, Response, asgi, post, put

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
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    async with driver, close_on_signal(driver, grace=float(os.environ.get("GRACE", "20"))):
        await driver.get_container(BUCKET)  # reports wrong keys or a missing bucket at the start
        if "JOURNAL" in os.environ:
            await driver.recover()
        yield


@put("/raw/{name:str}")
async def put_raw(request: Request[Any, Any, Any]) -> dict[str, object]:
    body, name = body_of(request), request.path_params["name"]
    receipt = await driver.upload_object_via_stream(body, BUCKET, name, size=body.length, max_size=MAX_SIZE)
    return {"etag": receipt.etag, "size": receipt.size}


@post("/form", status_code=200)
async def post_form(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Store the files of a form under random keys, which are returned by file name."""
    keys = {}
    async for file in iterate_form_files(request, max_file_size=MAX_SIZE):
        key = keys[file.filename] = str(uuid4())
        await driver.upload_object_via_stream(file, BUCKET, key, content_type=file.content_type)
    return keys


def refuse(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    if status_of(error) in (500, 502):  # the operator has to act
        logging.getLogger(__name__).error("%s %s", request.method, request.url.path, exc_info=error)
    return Response(
        message_of(error), status_code=status_of(error), headers=headers_of(error), media_type=MediaType.TEXT
    )


app = Litestar(
    lifespan=[lifespan],
    exception_handlers={StorageError: refuse},
    request_max_body_size=None,  # the limit is MAX_SIZE
    logging_config=None,  # leave it to the server
    route_handlers=[
        put_raw,
        post_form,
        asgi("/resumable", is_mount=True, copy_scope=True)(resumable),
        asgi("/direct", is_mount=True, copy_scope=True)(direct),
    ],
)
