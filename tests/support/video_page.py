"""The example with a page for videos, served on loopback with a store of the tests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import patch

from aios3.testing import S3Server
from examples.video_page.app import create_app

from .web_servers import uvicorn_serving


def new_store() -> S3Server:
    """Return a store with conditional writes, and a bucket for the videos."""
    return S3Server("minio", buckets=["videos"])


@asynccontextmanager
async def serving_page(store: S3Server, **settings: str) -> AsyncIterator[str]:
    """Serve the page; gives its URL."""
    environment = {
        "PROVIDER": "minio",
        "AWS_ENDPOINT_URL": store.endpoint_url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": store.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": store.credentials.secret_access_key,
    }
    with patch.dict(os.environ, environment | settings):
        async with uvicorn_serving(create_app(), lifespan="on") as url:
            yield url


def videos_of(store: S3Server) -> dict[str, bytes]:
    """Return the stored videos by the name at the end of their keys."""
    found = {key: stored.body for (_, key), stored in store.objects.items()}
    return {key.rpartition("/")[2]: body for key, body in found.items() if key.startswith("videos/")}
