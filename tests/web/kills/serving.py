"""Serving process of the kills: the uploads under uvicorn, at a socket that listens already."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from datetime import timedelta
from typing import Any

import uvicorn

from aios3 import PROVIDERS, Credentials, S3StorageDriver, TransferConfig
from aios3.web import ResumableUploads

__all__ = ["serve"]


def serve(listening: socket.socket, endpoint: str, key_id: str, secret: str, part_size: int) -> None:
    """Serve until the process is killed."""
    provider = replace(PROVIDERS["generic"], min_part_size=1024, conditional_put=True, conditional_complete=True)
    driver = S3StorageDriver(
        provider,
        endpoint_url=endpoint,
        region="us-east-1",
        credentials=Credentials(key_id, secret),
        transfer=TransferConfig(part_size=part_size, memory_limit=max(8 * part_size, 1 << 20)),
    )
    uploads = ResumableUploads(driver, "bucket", max_age=timedelta(seconds=600))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/sweep":
            await uploads.sweep()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await uploads({**scope, "root_path": "/files"}, receive, send)

    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
    asyncio.run(server.serve([listening]))
