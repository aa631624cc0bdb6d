"""Four ways to upload through Django: the raw body, a form, resumable (tus, IETF draft), and direct to the store.

    AWS_ENDPOINT_URL=... AWS_REGION=... uvicorn --app-dir examples/web django_app:app

On SIGTERM or Ctrl-C running uploads get GRACE seconds. The clients of longer uploads get 503. If the environment names
a directory in JOURNAL, each start aborts uploads that a killed process has left open.

Django keeps a body in a temporary file before it calls a view. So large files belong to the resumable or the direct
way, which stand in front of Django.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any
from uuid import uuid4

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from aios3 import S3StorageDriver, StorageError, TransferConfig
from aios3.web import DirectUploads, ResumableUploads, close_on_signal, headers_of, message_of, status_of

BUCKET = os.environ.get("BUCKET", "videos")
MAX_SIZE = int(os.environ.get("MAX_SIZE", "20000000000"))

# A body cannot be read again from the middle, so an open upload could not be resumed.
driver = S3StorageDriver(journal=os.environ.get("JOURNAL"), transfer=TransferConfig(suspendable=False))
resumable = ResumableUploads(driver, BUCKET, prefix="resumable/", max_size=MAX_SIZE)
direct = DirectUploads(driver, BUCKET, prefix="direct/", max_size=MAX_SIZE, secret=os.environ.get("SECRET"))


async def lifespan(receive: Any, send: Any) -> None:
    await receive()
    async with driver, close_on_signal(driver, grace=float(os.environ.get("GRACE", "20"))):
        try:
            await driver.get_container(BUCKET)  # reports wrong keys or a missing bucket at the start
            if "JOURNAL" in os.environ:
                await driver.recover()
        except StorageError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})


def refusing(view: Callable[..., Awaitable[HttpResponse]]) -> Callable[..., Awaitable[HttpResponse]]:
    @csrf_exempt  # in an application of your own, check the token instead
    @wraps(view)
    async def guarded(request: HttpRequest, **words: str) -> HttpResponse:
        try:
            return await view(request, **words)
        except StorageError as error:
            if status_of(error) in (500, 502):  # the operator has to act
                logging.getLogger(__name__).exception("%s %s", request.method, request.path)
            return HttpResponse(message_of(error), status=status_of(error), headers=headers_of(error))

    return guarded


@refusing
@require_http_methods(["PUT"])
async def put_raw(request: HttpRequest, name: str) -> HttpResponse:
    receipt = await driver.upload_object_via_stream(request, BUCKET, name, max_size=MAX_SIZE)
    return JsonResponse({"etag": receipt.etag, "size": receipt.size})


@refusing
@require_http_methods(["POST"])
async def post_form(request: HttpRequest) -> HttpResponse:
    """Store the files of a form under random keys, which are returned by file name."""
    if request.content_type != "multipart/form-data":
        return HttpResponse(status=415)
    keys = {}
    files = await sync_to_async(getattr)(request, "FILES")  # reads and parses the temporary file
    for file in files.values():
        key = keys[file.name] = str(uuid4())
        await driver.upload_object_via_stream(file, BUCKET, key, max_size=MAX_SIZE, content_type=file.content_type)
    return JsonResponse(keys)


urlpatterns = [path("raw/<str:name>", put_raw), path("form", post_form)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY=os.environ.get("SECRET", "-"))
views = get_asgi_application()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    place = scope["path"].split("/")[1]
    mounted = {"resumable": resumable, "direct": direct}.get(place, views)
    if mounted is not views:
        scope = {**scope, "root_path": f"{scope.get('root_path', '')}/{place}"}
    await mounted(scope, receive, send)
