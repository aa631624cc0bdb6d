"""The README and the pages on uploads: their examples run as they stand."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI

import aios3
from aios3 import DriverClosedError, S3StorageDriver
from aios3.options import MIB
from aios3.testing import Fault, S3Server
from tests.support.documents import Block, page_block
from tests.support.places import ROOT
from tests.support.web_servers import uvicorn_serving

HANDLER = page_block("README.md", "FastAPI(")
SCRIPT = page_block("docs/uploads.md", "asyncio.run(")
WRITER = page_block("docs/uploads.md", 'open_upload("videos"')
AROUND = page_block("docs/objects.md", "cleanup_multipart_uploads(")
SERVING = page_block("docs/objects.md", "APIRouter(")
CRASH = page_block("docs/uploads.md", "recover_after_crash(")
SHUTDOWN = page_block("docs/uploads.md", "close_on_signal(")
PLAIN_SCRIPT = page_block("docs/shutdown.md", "add_signal_handler(")
STORES = page_block("docs/stores.md", "GoogleStorageDriver(")
CREDENTIALS = page_block("docs/stores.md", "AssumeRoleCredentials(")
OPTIONS = page_block("docs/reference.md", "RetryPolicy(")
TESTING = page_block("docs/testing.md", "S3Server(")


@pytest.fixture
async def videos(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[S3Server]:
    """A store with a bucket ``videos``, which the AWS variables name."""
    async with S3Server(buckets=["videos"], region="eu-west-1") as server:
        for name, value in aws_variables(server).items():
            monkeypatch.setenv(name, value)
        yield server


def aws_variables(server: S3Server) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_REGION": server.region,
        "AWS_ACCESS_KEY_ID": server.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.credentials.secret_access_key,
    }


class AsgiClient:
    """Drives an ASGI application by hand: its lifespan, and PUT requests in it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._state: dict[str, Any] = {}
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __aenter__(self) -> AsgiClient:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self._state}
        self._life = asyncio.create_task(self._app(scope, self._inbox.get, self._outbox.put))
        await self._tell("startup")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._tell("shutdown")
        await self._life

    async def _tell(self, phase: str) -> None:
        await self._inbox.put({"type": f"lifespan.{phase}"})
        assert (await self._outbox.get())["type"] == f"lifespan.{phase}.complete"

    async def put(self, path: str, chunks: Iterable[bytes], *, disconnects: bool = False) -> tuple[int, Any]:
        """Send a body in chunks, then end it or go away; return status and JSON, or text, of the response."""
        events = ({"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks)
        end = {"type": "http.disconnect"} if disconnects else {"type": "http.request", "body": b"", "more_body": False}
        coming = itertools.chain(events, [end])
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            event = next(coming, None)
            return event if event is not None else await asyncio.Event().wait()  # type: ignore[return-value]

        async def send(event: dict[str, Any]) -> None:
            sent.append(event)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "PUT", "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": [],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": dict(self._state),
        }  # fmt: skip
        await self._app(scope, receive, send)
        body = b"".join(event.get("body", b"") for event in sent[1:])
        return sent[0]["status"], json.loads(body) if body.startswith(b"{") else body.decode()


async def test_the_web_handler_streams_a_body_into_the_store(videos: S3Server) -> None:
    """A body of several parts arrives; its length is never told."""
    pytest.importorskip("fastapi")
    body = [bytes([number]) * MIB for number in range(11)]
    async with AsgiClient(HANDLER.run()["app"]) as client:
        status, answer = await client.put("/videos/cat.mp4", body)
    stored = videos.objects["videos", "2026/cat.mp4"]
    assert (status, answer) == (200, {"etag": stored.etag.strip('"'), "size": 11 * MIB, "parts": 3})
    assert stored.body == b"".join(body)
    assert stored.headers["content-type"] == "video/mp4"
    await videos.wait_for(lambda server: not server.open_connections)


async def test_the_web_handler_aborts_when_the_client_goes_away(videos: S3Server) -> None:
    """After parts were stored; nothing is open and nothing is there, and no error reaches the server's log."""
    async with AsgiClient(HANDLER.run()["app"]) as client:
        status, _ = await client.put("/videos/cat.mp4", [bytes(6 * MIB)], disconnects=True)
        assert status == 499
        assert "CreateMultipartUpload" in {request.operation for request in videos.requests}
        assert (videos.open_uploads, videos.objects) == ([], {})


BAD_ENDS = {
    "refused": aios3.AccessDeniedError,
    "missing bucket": aios3.ContainerNotFoundError,
    "cancelled": asyncio.CancelledError,
    "timed out": TimeoutError,
    "driver closed": aios3.StorageError,
}


STATUSES = {"refused": 502, "missing bucket": 404, "driver closed": 503}


async def end_badly(
    how: str, server: S3Server, call: Coroutine[Any, Any, Any], driver: Callable[[], S3StorageDriver]
) -> Any:
    """Let an example upload without an end, and end it; return what the example returns."""
    if how == "refused":
        server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied"))
    elif how == "missing bucket":
        server.store.buckets.clear()
    else:
        server.hold("UploadPart")
    upload = asyncio.create_task(call)
    try:
        async with asyncio.timeout(20):
            if how in ("refused", "missing bucket"):
                return await upload
            await server.wait_for(lambda s: s.held_requests)
            if how == "timed out":
                async with asyncio.timeout(0.1):
                    return await upload
            if how == "cancelled":
                upload.cancel()
            else:
                await driver().aclose()
            return await upload
    finally:
        server.release("UploadPart")
        assert (server.open_uploads, server.objects) == ([], {})
        assert upload.done()


@pytest.mark.parametrize("how", BAD_ENDS)
async def test_the_web_handler_ends_badly_with_nothing_left(videos: S3Server, how: str) -> None:
    """What the store refuses and a closed driver have a status; the rest is the server's business."""
    app = HANDLER.run()["app"]
    async with AsgiClient(app) as client:
        call = client.put("/videos/cat.mp4", itertools.repeat(bytes(MIB)))
        if how in STATUSES:
            assert (await end_badly(how, videos, call, lambda: app.state.driver))[0] == STATUSES[how]
            return
        with pytest.raises(BAD_ENDS[how]):
            await end_badly(how, videos, call, lambda: app.state.driver)


@pytest.mark.parametrize("how", BAD_ENDS)
async def test_the_writer_example_ends_badly_with_nothing_left(videos: S3Server, how: str) -> None:
    """Whoever records is told."""
    async with S3StorageDriver() as driver:
        with pytest.raises(BAD_ENDS[how]):
            call = WRITER.run()["record"](driver, itertools.repeat(bytes(MIB)))
            await end_badly(how, videos, call, lambda: driver)


@pytest.mark.parametrize("how", BAD_ENDS)
async def test_the_example_of_going_on_ends_badly_with_nothing_left(videos: S3Server, how: str) -> None:
    """Without a journal; the source is closed."""
    closed: list[int] = []

    async def read_from(offset: int) -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(MIB)
        finally:
            closed.append(offset)

    async with S3StorageDriver() as driver:
        with pytest.raises(BAD_ENDS[how]):
            await end_badly(how, videos, CRASH.run()["archive"](driver, read_from, None), lambda: driver)
    assert closed == [0]


async def run_script(
    server: S3Server, tmp_path: Path, *arguments: str, interrupt: bool = False, **environment: str
) -> tuple[int, str, str]:
    """Run the script; interrupt it, if that is wanted, once two parts are stored."""
    script = tmp_path / "upload.py"
    script.write_text(SCRIPT.text, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), *arguments,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": str(tmp_path), **aws_variables(server)}
        | environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(20):
            if interrupt:
                await server.wait_for(lambda s: s.open_uploads and len(s.open_uploads[0].parts) >= 2)
                process.send_signal(signal.SIGINT)
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


SCRIPTS_BAD_ENDS = {
    "refused": "AccessDeniedError",
    "missing bucket": "ContainerNotFoundError",
    "wrong secret": "CredentialsError",
    "interrupted": "KeyboardInterrupt",
}


@pytest.mark.parametrize("how", SCRIPTS_BAD_ENDS)
async def test_the_script_ends_badly_and_so_does_its_command(videos: S3Server, tmp_path: Path, how: str) -> None:
    """Although the command writes faster than the store takes, and would not end by itself."""
    environment = {"AWS_SECRET_ACCESS_KEY": "wrong"} if how == "wrong secret" else {}
    if how == "refused":
        videos.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied"))
    bucket = "missing" if how == "missing bucket" else "videos"
    command = ("sh", "-c", f"echo $$ >{tmp_path}/pid; exec yes")
    status, output, errors = await run_script(
        videos, tmp_path, bucket, "x.bin", *command, interrupt=how == "interrupted", **environment
    )
    assert status != 0
    assert output == ""
    assert SCRIPTS_BAD_ENDS[how] in errors
    assert (videos.open_uploads, videos.objects) == ([], {})
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_the_script_uploads_what_a_command_writes(videos: S3Server, tmp_path: Path) -> None:
    """It shows progress and prints the receipt."""
    writes = f"import sys; sys.stdout.buffer.write(b'x' * {6 * MIB})"
    status, output, errors = await run_script(videos, tmp_path, "videos", "x.bin", sys.executable, "-c", writes)
    stored = videos.objects["videos", "x.bin"]
    assert status == 0
    assert output.split() == ["x.bin", str(6 * MIB), stored.etag.strip('"')]
    assert stored.body == b"x" * 6 * MIB
    assert f"{6 * MIB} bytes are stored" in errors


async def test_the_script_commits_nothing_when_the_command_fails(videos: S3Server, tmp_path: Path) -> None:
    """Half of a file is not taken for a whole one."""
    fails = f"import sys; sys.stdout.buffer.write(b'x' * {6 * MIB}); sys.exit(3)"
    status, output, errors = await run_script(videos, tmp_path, "videos", "x.bin", sys.executable, "-c", fails)
    assert (status, output) == (1, "")
    assert "CommandError: " in errors
    assert "exited with status 3" in errors
    assert (videos.open_uploads, videos.objects) == ([], {})


async def test_the_writer_example_records_frames(videos: S3Server) -> None:
    """Its function returns the receipt of all that was written."""
    async with S3StorageDriver() as driver:
        receipt = await WRITER.run()["record"](driver, [b"frame"] * 3)
    assert videos.objects["videos", "camera-7.mjpeg"].body == b"frame" * 3
    assert receipt.size == 15


async def test_the_examples_around_the_uploads(videos: S3Server) -> None:
    """One reads the beginning of an object and makes a link that works, the other counts what is there."""
    body = b"x" * (MIB + 1)
    async with S3StorageDriver() as driver:
        await driver.upload_object_via_stream(body, "videos", "2026/cat.mp4")
        example = AROUND.run()
        beginning, link = await example["preview_of"](driver, "2026/cat.mp4")
        assert await example["tidy"](driver, "2026/") == (0, MIB + 1)
    assert beginning == body[:MIB]
    async with aiohttp.ClientSession() as session, session.get(link) as answer:
        assert await answer.read() == body


async def test_the_example_of_serving_objects(videos: S3Server) -> None:
    """Headers and bytes of what is there, 404 for what is not, and nothing is read for a client that has gone."""
    body = bytes(range(256)) * (16 * MIB // 256)
    app = FastAPI()
    app.include_router(SERVING.run()["router"])
    async with S3StorageDriver() as uploader:
        receipt = await uploader.upload_object_via_stream(body, "videos", "2026/cat.mp4", content_type="video/mp4")
    await videos.wait_for(lambda server: server.open_connections == 0)
    async with S3StorageDriver() as driver, uvicorn_serving(app) as url, aiohttp.ClientSession(url) as client:
        app.state.driver = driver
        async with client.get("/videos/cat.mp4") as answer:
            told = answer.status, answer.content_type, answer.content_length, answer.headers["ETag"]
            assert told == (200, "video/mp4", len(body), f'"{receipt.etag}"')
            assert await answer.read() == body
        async with client.get("/videos/dog.mp4") as answer:
            assert answer.status == 404
        async with client.get("/videos/cat.mp4") as answer:
            await answer.content.read(100)
            assert videos.open_connections == 1
            answer.close()
        await videos.wait_for(lambda server: server.open_connections == 0)
        async with client.get("/videos/cat.mp4") as answer:
            await answer.content.read(100)
            await driver.aclose()
            with pytest.raises(aiohttp.ClientPayloadError):  # never a short video that looks whole
                await answer.read()


async def test_the_examples_of_what_comes_after_a_crash(videos: S3Server, tmp_path: Path) -> None:
    """A log goes on where a closed driver left it, and what is left after that is ended."""
    example = CRASH.run()
    body = bytes(range(256)) * (12 * MIB // 256)
    is_stored = asyncio.Event()

    async def read_from(offset: int) -> AsyncIterator[bytes]:
        yield body[offset:]
        if not is_stored.is_set():
            while not (videos.open_uploads and videos.open_uploads[0].parts):
                await asyncio.sleep(0.001)
            is_stored.set()
            await asyncio.Event().wait()

    driver = S3StorageDriver(journal=tmp_path)
    first = asyncio.create_task(example["archive"](driver, read_from, None))
    await is_stored.wait()
    await driver.aclose()
    saved = await first
    assert saved is not None
    async with S3StorageDriver(journal=tmp_path) as driver:
        assert await example["archive"](driver, read_from, saved) is None
    assert videos.objects["videos", "camera-7.log"].body == body
    assert await example["recover_after_crash"](tmp_path) == {}


async def test_the_example_of_shutting_down_closes_the_driver_at_the_signal(videos: S3Server) -> None:
    """The server gets the signal too."""
    seen: list[int] = []
    former = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        async with SHUTDOWN.run()["lifespan"](None) as state:
            os.kill(os.getpid(), signal.SIGTERM)
            while True:
                try:
                    await state["driver"].get_container("videos")
                except DriverClosedError:
                    break
    finally:
        signal.signal(signal.SIGTERM, former)
    assert seen == [signal.SIGTERM]


async def test_the_example_of_a_script_aborts_at_the_signal(videos: S3Server) -> None:
    """With an upload in the place of the dots."""
    upload = "        await driver.upload_object_via_stream(source, 'videos', 'endless')\n"
    names = replace(PLAIN_SCRIPT, text=PLAIN_SCRIPT.text.replace("        ...\n", upload)).run(
        source=itertools.repeat(bytes(MIB))
    )
    running = asyncio.create_task(names["main"]())
    try:
        await videos.wait_for(lambda server: server.open_uploads and len(server.open_uploads[0].parts) >= 2)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(asyncio.CancelledError):
            await running
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    assert (videos.open_uploads, videos.objects) == ([], {})


async def test_the_examples_of_credentials_can_be_made() -> None:
    """The role's driver needs no request to be made, and the function of one's own is what is asked."""
    example = CREDENTIALS.run()
    keys = aios3.Credentials("AKIDEXAMPLE", "secret")
    assert isinstance(example["driver_for"]("123456789012", keys), S3StorageDriver)
    asked = await example["RefreshingCredentials"](example["ask_the_vault"]).get_credentials()
    assert asked.access_key_id == "access-key-id"
    assert isinstance(example["driver"], S3StorageDriver)


async def test_the_example_of_a_test_passes() -> None:
    """As its readers would run it."""
    example = TESTING.run()
    async with S3Server() as server:
        await example["test_a_lost_response_does_no_harm"](server)
    example["test_without_an_event_loop"]()


async def test_the_example_in_the_docstring_of_the_testing_kit_passes() -> None:
    block = page_block("aios3/testing/__init__.py", "Fault(")
    content = bytes(6 * MIB)
    await block.run_in_task(
        S3Server=S3Server, Fault=Fault, S3StorageDriver=S3StorageDriver, source=content, expected=content
    )


@pytest.mark.parametrize("block", [STORES, OPTIONS])
def test_the_examples_of_drivers_can_be_made(block: Block) -> None:
    """Making a driver does no I/O, so it works anywhere."""
    assert any(isinstance(value, type) for value in block.run().values())
