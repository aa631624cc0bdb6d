"""Application that each server process of the tests runs."""

from __future__ import annotations

import os
from dataclasses import replace

from starlette.middleware.cors import CORSMiddleware

from aios3 import PROVIDERS, Credentials, S3StorageDriver
from aios3.web import DirectUploads, ResumableUploads

PROVIDER = replace(PROVIDERS["generic"], conditional_put=True, conditional_complete=True)

driver = S3StorageDriver(
    PROVIDER,
    endpoint_url=os.environ.get("STORE_URL", "http://127.0.0.1:1"),
    region="us-east-1",
    credentials=Credentials(os.environ.get("STORE_ID", "id"), os.environ.get("STORE_SECRET", "secret")),
)
uploads = ResumableUploads(driver, "bucket", max_size=2 * 2**30)
named = ResumableUploads(driver, "bucket", public_url=os.environ.get("PUBLIC_URL"))
direct = CORSMiddleware(
    DirectUploads(driver, "bucket", prefix="direct/", secret="the same in all processes"),
    allow_origins=["*"],
    allow_methods=["*"],
    allow_headers=["*"],
)


async def app(scope, receive, send):
    """Mount the applications, as a framework does."""
    if scope["type"] != "http":
        await uploads(scope, receive, send)
        return
    root = "/" + scope["path"].split("/")[1]
    mounted = {"/files": uploads, "/named": named, "/direct": direct}[root]
    await mounted({**scope, "root_path": root}, receive, send)
