"""Applications that real servers run in the tests: an example, alone and behind a middleware, and a bare one."""

from __future__ import annotations

from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from examples.web.starlette_app import BUCKET, MAX_SIZE, app, driver, resumable

__all__ = ["app", "bare", "behind"]


async def passing(request, call_next):
    """Pass every request on."""
    return await call_next(request)


behind = BaseHTTPMiddleware(app, dispatch=passing)


async def put_raw(request):
    """Handle no error, and read the body as Starlette gives it."""
    receipt = await driver.upload_object_via_stream(
        request.stream(), BUCKET, request.path_params["name"], max_size=MAX_SIZE
    )
    return JSONResponse({"size": receipt.size})


@asynccontextmanager
async def lifespan(_):
    async with driver:
        yield


bare = Starlette(
    lifespan=lifespan, routes=[Route("/raw/{name}", put_raw, methods=["PUT"]), Mount("/resumable", resumable)]
)
"""What a newcomer writes: the driver is closed after the last request, and errors go through."""
