"""Page that uploads videos from browsers, resumes after any interruption, and plays them back.

The store is the only state, so any number of processes may serve the page, and any of them takes any request::

    BUCKET=videos AWS_REGION=eu-west-1 uvicorn --factory examples.video_page.app:create_app --workers 4

Everybody who reaches the page may upload and watch. Before you let others reach it, pass ``authorize=`` to
`ResumableUploads`, and check the same session in `list_videos` and `play`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aios3 import S3StorageDriver, StorageError
from aios3.web import RefusedError, ResumableUploads, headers_of, message_of, status_of

STATIC: Final = Path(__file__).parent / "static"
FOLDER: Final = "videos/"
"""Beginning of the keys of all videos, apart from the helper objects of unfinished uploads."""
LATEST: Final = 200
"""Number of videos in the list."""
URL_LIFETIME: Final = 3600
"""Seconds that a playback URL is good for. A browser that seeks later asks for a new one."""
SWEEP_EVERY: Final = 3600
"""Seconds between two sweeps for expired uploads."""

_log: Final = logging.getLogger("video_page")
_ID: Final = re.compile(r"\d{13}-[A-Za-z0-9_-]{16}/[^/]+")
_NOT_IN_NAMES: Final = re.compile(r"[\x00-\x1f\x7f/\\]+")
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "media-src 'self' https: http:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def key_for(owner: str | None, metadata: Mapping[str, str]) -> str:
    """Return the key of a new video, or refuse what is no video.

    The first digits count down, so that a listing gives the newest videos first.
    """
    if not metadata.get("filetype", "").startswith("video/"):
        raise RefusedError(415, "only videos are taken")
    name = _NOT_IN_NAMES.sub(" ", metadata.get("filename", "")).strip(". ")
    name = name.encode()[-200:].decode(errors="ignore") or "video"
    return f"{FOLDER}{10**13 - time.time_ns() // 10**6:013d}-{secrets.token_urlsafe(12)}/{name}"


async def show_page(request: Request) -> Response:
    return FileResponse(STATIC / "index.html")


async def list_videos(request: Request) -> Response:
    """Return the newest videos."""
    driver: S3StorageDriver = request.app.state.driver
    videos: list[dict[str, object]] = []
    async for found in driver.iterate_container_objects(request.app.state.bucket, prefix=FOLDER):
        if len(videos) == LATEST:
            break
        path = found.key.removeprefix(FOLDER)
        if _ID.fullmatch(path):
            uploaded = found.last_modified.isoformat() if found.last_modified else None
            videos.append({"path": quote(path), "name": path.partition("/")[2], "size": found.size, "at": uploaded})
    return JSONResponse(videos, headers={"Cache-Control": "no-store"})


async def play(request: Request) -> Response:
    """Send the browser to the store, which serves the video and every seek in it."""
    path = request.path_params["path"]
    if not _ID.fullmatch(path):
        return PlainTextResponse("there is no such video", 404)
    driver: S3StorageDriver = request.app.state.driver
    saved = {"response_content_disposition": "attachment"} if "download" in request.query_params else {}
    url = await driver.create_download_url(request.app.state.bucket, FOLDER + path, expires_in=URL_LIFETIME, **saved)
    return RedirectResponse(url, 302, {"Cache-Control": "no-store"})


async def refuse(request: Request, error: Exception) -> Response:
    status = status_of(error)
    if status in (500, 502):  # the operator has to act
        _log.error("%s %s", request.method, request.url.path, exc_info=error)
    return PlainTextResponse(message_of(error), status, headers_of(error))


async def sweep_regularly(uploads: ResumableUploads) -> None:
    """End what browsers have left, without end. All processes may do so at once."""
    for turn in count():
        await asyncio.sleep(SWEEP_EVERY if turn else 0)
        try:
            await uploads.sweep()
        except StorageError as error:
            _log.warning("the sweep for expired uploads failed, and is repeated later: %s", error)


class SecurityHeaders:
    """Middleware that tells browsers to load nothing from elsewhere but the videos themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", _POLICY)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def create_app() -> ASGIApp:
    """Return the application. Its settings are in the environment.

    ``BUCKET`` (default ``videos``), ``MAX_SIZE`` in bytes (default 20 GB), ``PROVIDER`` (default ``generic``), and the
    variables of every AWS client: ``AWS_ENDPOINT_URL``, ``AWS_REGION``, ``AWS_ACCESS_KEY_ID`` and so on.
    """
    driver = S3StorageDriver(os.environ.get("PROVIDER", "generic"))
    bucket = os.environ.get("BUCKET", "videos")
    max_size = int(os.environ.get("MAX_SIZE", "20000000000"))
    uploads = ResumableUploads(driver, bucket, max_size=max_size, key_for=key_for)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with driver:
            await driver.get_container(bucket)  # reports wrong keys or a missing bucket at the start
            sweeping = asyncio.create_task(sweep_regularly(uploads))
            try:
                yield
            finally:
                sweeping.cancel()
                await asyncio.wait({sweeping})

    app = Starlette(
        routes=[
            Route("/", show_page),
            Route("/videos", list_videos),
            Route("/videos/{path:path}", play),
            Mount("/files", uploads),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={StorageError: refuse},
        lifespan=lifespan,
    )
    app.state.driver, app.state.bucket = driver, bucket
    return SecurityHeaders(app)
