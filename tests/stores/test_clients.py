"""Clients that others wrote, against `S3Server`: what they wrote is there, and they read it back."""

from __future__ import annotations

import os
import random
import ssl
import subprocess
import textwrap
from pathlib import Path

import pytest
import trustme

from aios3.testing import S3Server
from tests.support.documents import Block, page_block

from .server_processes import StoreMissingError

HERE = Path(__file__).parent
CONTENT = random.Random(7).randbytes(10 * 2**20)
CLIENTS = {
    "boto3": ["python", str(HERE / "clients" / "boto3_client.py")],
    "aiobotocore": ["python", str(HERE / "clients" / "aiobotocore_client.py")],
    "obstore": ["python", str(HERE / "clients" / "obstore_client.py")],
    "s3fs": ["python", str(HERE / "clients" / "s3fs_client.py")],
    "rclone": ["sh", "-c", "rclone rcat s3:bucket/folder/large && rclone cat s3:bucket/folder/large"],
    "s5cmd": ["sh", "-c", "s5cmd pipe s3://bucket/folder/large >&2 && s5cmd cat s3://bucket/folder/large"],
}


BLOCKS = {
    "boto3": page_block("docs/coming-from.md", "boto3.client("),
    "aiobotocore": page_block("docs/coming-from.md", "create_client("),
    "obstore": page_block("docs/coming-from.md", "obstore.put_async("),
}
NAMES = """
import asyncio, sys
from io import BytesIO
from pathlib import Path

import boto3, obstore
from aiobotocore.session import get_session
from obstore.store import S3Store

path = "cat.mp4"
file_object = BytesIO(b"live")

async def chunks():
    yield b"live"

async_iterator = chunks()

def in_parts_of_5_mib(chunks):
    return chunks

Path(path).write_bytes(b"cat")
"""
"""Names that the blocks of the page take for granted."""


def run(client: str, server: S3Server, home: Path, **environment: str) -> bytes:
    """Run a client with the content as its standard input, and return its standard output."""
    return run_command(CLIENTS[client], server, home, **environment)


def run_command(command: list[str], server: S3Server, home: Path, **environment: str) -> bytes:
    """Run a command as `run` does, with the folder as its home and its working directory."""
    folder = os.environ.get("AIOS3_STORES_BIN")
    if folder is None:
        if os.environ.get("AIOS3_REQUIRE_STORES"):
            raise StoreMissingError("AIOS3_STORES_BIN names the folder with these clients")
        pytest.skip("AIOS3_STORES_BIN names the folder with these clients")
    rclone = {
        "RCLONE_CONFIG_S3_TYPE": "s3",
        "RCLONE_CONFIG_S3_PROVIDER": "Other",
        "RCLONE_CONFIG_S3_ENV_AUTH": "true",
        "RCLONE_CONFIG_S3_ENDPOINT": server.endpoint_url,
    }
    settings = {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "S3_ENDPOINT_URL": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.credentials.secret_access_key,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        **rclone,
        **environment,
    }
    done = subprocess.run(command, input=CONTENT, capture_output=True, env=settings, cwd=home, timeout=50, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout


@pytest.mark.store
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_writes_and_reads(client: str, tmp_path: Path):
    with S3Server() as server:
        assert run(client, server, tmp_path) == CONTENT
        assert {key: found.body for (_, key), found in server.objects.items()} == {"folder/large": CONTENT}
        assert server.open_uploads == []
        assert server.protocol_errors == []


@pytest.mark.store
@pytest.mark.parametrize("block", [pytest.param(block, id=name) for name, block in BLOCKS.items()])
def test_the_block_of_the_page_for_its_users_runs(block: Block, tmp_path: Path):
    program = f"{NAMES}\nasync def block():\n{textwrap.indent(block.text, '    ')}\nasyncio.run(block())\n"
    with S3Server(buckets=["videos"]) as server:
        run_command(["python", "-c", program], server, tmp_path, AWS_ALLOW_HTTP="true")
        stored = {key: found.body for (_, key), found in server.objects.items()}
        assert stored == {"live.mp4": b"live", "cat.mp4": b"cat"}
        assert server.objects["videos", "cat.mp4"].headers["content-type"] == "video/mp4"
        assert server.open_uploads == []


@pytest.mark.store
def test_boto3_writes_over_tls_in_chunks_with_a_trailer(tmp_path: Path):
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with S3Server(ssl_context=context) as server:
        assert run("boto3", server, tmp_path, AWS_CA_BUNDLE=str(tmp_path / "ca.pem")) == CONTENT
        forms = {request.header("x-amz-content-sha256") for request in server.requests if request.method == "PUT"}
        assert "STREAMING-UNSIGNED-PAYLOAD-TRAILER" in forms
