"""``python -m aios3.testing``, a store for development."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys

import aiohttp
import pytest

from aios3 import Credentials, S3StorageDriver
from aios3.testing import S3Server
from aios3.testing.__main__ import main
from tests.support.places import ROOT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_serves_until_a_signal_and_prints_the_variables_of_clients(number: signal.Signals):
    command = [
        sys.executable,
        "-m",
        "aios3.testing",
        "--bucket=videos",
        "--bucket=films",
        "--region=eu-west-1",
        "--cors",
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout
    lines = [(await process.stdout.readline()).decode() for _ in range(6)]
    variables = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines[:5])
    keys = Credentials(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])
    endpoint, region = variables["AWS_ENDPOINT_URL"], variables["AWS_REGION"]
    async with S3StorageDriver(endpoint_url=endpoint, region=region, credentials=keys) as driver:
        assert (await driver.upload_object_via_stream(b"film", "films", "key")).size == 4
        assert [each.name async for each in driver.iterate_containers()] == ["films", "videos"]
    asking = {"Origin": "https://page.example", "Access-Control-Request-Method": "PUT"}
    async with aiohttp.ClientSession() as session, session.options(f"{endpoint}/films/key", headers=asking) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    process.send_signal(number)
    _, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")
    assert "videos, films" in lines[5]


async def test_a_port_can_be_chosen_and_one_in_use_is_an_error():
    async with S3Server() as first:
        port = int(first.endpoint_url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            await S3Server(port=port).__aenter__()
    async with S3Server(port=port) as second:
        assert second.endpoint_url.endswith(f":{port}")


def test_a_port_in_use_ends_the_command_with_one_line_and_code_2(capsys: pytest.CaptureFixture[str]):
    with S3Server() as first:
        place = first.endpoint_url.removeprefix("http://")
        with pytest.raises(SystemExit, match="^2$"):
            main(["--port", place.rpartition(":")[2]])
    line = f"python -m aios3.testing: cannot listen on {place}: {os.strerror(errno.EADDRINUSE)}\n"
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_what_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="^2$"):
        main([f"--port={port}"])
    assert f"argument --port: '{port}' is no number from 0 to 65535" in capsys.readouterr().err


def test_a_store_that_is_not_known_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        main(["--provider=nonsense"])
    assert "--provider" in capsys.readouterr().err
