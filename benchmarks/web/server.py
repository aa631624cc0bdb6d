"""Process that serves uploads over the web: the plain way and the resumable way in one application."""

from __future__ import annotations

import argparse
import contextlib
import socket
from collections.abc import AsyncGenerator
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from aios3 import S3StorageDriver
from aios3.options import MIB, TransferConfig
from aios3.web import ResumableUploads

__all__ = ["PROVIDER"]

PROVIDER: Final = "minio"
"""Store with conditional writes and parts of 5 MiB."""


def main() -> None:
    """Serve on a free port, which is the first line of the output. The store is that of the environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory-mib", type=int, required=True, help="memory_limit of the driver")
    driver = S3StorageDriver(PROVIDER, transfer=TransferConfig(memory_limit=parser.parse_args().memory_mib * MIB))
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(_application(driver), log_level="warning")).run([listening])


def _application(driver: S3StorageDriver) -> Starlette:
    async def plain(request: Request) -> Response:
        await driver.upload_object_via_stream(request.stream(), "bucket", "plain")
        return Response(status_code=204)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with driver:
            yield

    files = ResumableUploads(driver, "bucket", key_for=lambda owner, metadata: metadata["key"])
    return Starlette(routes=[Route("/plain", plain, methods=["PUT"]), Mount("/files", files)], lifespan=lifespan)


if __name__ == "__main__":
    main()
