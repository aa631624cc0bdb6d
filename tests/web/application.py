"""Application that each server process of the tests runs."""

from __future__ import annotations

import os
from dataclasses import replace

from aios3 import PROVIDERS, Credentials, S3StorageDriver
from aios3.web import ResumableUploads

PROVIDER = replace(PROVIDERS["generic"], conditional_put=True, conditional_complete=True)

driver = S3StorageDriver(
    PROVIDER,
    endpoint_url=os.environ.get("STORE_URL", "http://127.0.0.1:1"),
    region="us-east-1",
    credentials=Credentials(os.environ.get("STORE_ID", "id"), os.environ.get("STORE_SECRET", "secret")),
)
uploads = ResumableUploads(driver, "bucket", max_size=2 * 2**30)


async def app(scope, receive, send):
    """Mount the uploads at ``/files``, as a framework does."""
    await uploads({**scope, "root_path": "/files"} if scope["type"] == "http" else scope, receive, send)
