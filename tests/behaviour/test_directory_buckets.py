"""Directory buckets of S3 Express through the driver: sessions, zones, and every public method."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from yarl import URL

from aios3 import (
    PROVIDERS,
    ConfigurationError,
    Container,
    Credentials,
    CredentialsError,
    IntegrityError,
    RetryPolicy,
    S3StorageDriver,
    StorageError,
    TransferConfig,
)
from aios3._protocol.wire.messages import Request, Response
from aios3.testing import Fault, S3Server
from tests.conftest import PART
from tests.support.driver_scenes import numbered_parts, operations

SMALL = dataclasses.replace(PROVIDERS["s3express"], min_part_size=PART)
BUCKET = "videos--use1-az4--x-s3"
KEYS = Credentials("AKIAEXAMPLE", "s3cret-s3cret", "t0ken-t0ken")


class ServerClock:
    """Real time plus an offset."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@asynccontextmanager
async def store_and_driver(
    credentials: Credentials | None = None, concurrency: int = 4, **options: object
) -> AsyncIterator[tuple[S3Server, S3StorageDriver]]:
    """Run a server and a driver for it, with small parts."""
    async with (
        S3Server(SMALL, buckets=["bucket", BUCKET], **options) as server,  # type: ignore[arg-type]
        S3StorageDriver(
            SMALL,
            endpoint_url=server.endpoint_url,
            region=server.region,
            credentials=credentials or server.credentials,
            transfer=TransferConfig(part_size=PART, concurrency=concurrency),
            retry=RetryPolicy(base_delay=0, throttle_base_delay=0),
        ) as driver,
    ):
        yield server, driver


# against the server


@pytest.mark.parametrize("bucket", ["bucket", BUCKET])
@pytest.mark.parametrize("count", [1, 6])
@pytest.mark.parametrize("checksum", ["auto", "crc32", "sha256"])
async def test_an_upload_to_a_directory_bucket_stores_every_byte(bucket: str, count: int, checksum: Any) -> None:
    """In a bucket of any name if the endpoint is given. ETags are those of the store; no body has an MD5."""
    transfer = TransferConfig(part_size=PART, checksum=checksum)
    async with store_and_driver() as (server, driver):
        receipt = await driver.upload_object_via_stream(numbered_parts(count), bucket, "a//b key", transfer=transfer)
        stored = server.objects[bucket, "a//b key"]
        chunks = [chunk async for chunk in driver.download_object_as_stream(bucket, "a//b key")]

    assert stored.body == b"".join(chunks) == b"".join([part async for part in numbered_parts(count)])
    assert receipt.etag == stored.etag.strip('"')
    assert len(receipt.parts) == (count if count > 1 else 0)
    assert operations(server).count("CreateSession") == 1
    assert not any(request.header("Content-MD5") for request in server.requests)
    assert {request.status for request in server.requests} == {200}
    bodies = [request for request in server.requests if request.operation in {"PutObject", "UploadPart"}]
    assert checksum == "auto" or all(request.header(f"x-amz-checksum-{checksum}") for request in bodies)


async def test_every_other_method_works_on_directory_buckets() -> None:
    """Requests to buckets use the ordinary keys, requests to objects the keys of a session."""
    async with store_and_driver() as (server, driver):
        assert await driver.create_container("new-bucket") == Container("new-bucket")
        await driver.upload_object_via_stream(b"x", "new-bucket", "dir/key")
        assert (await driver.get_object("new-bucket", "dir/key")).size == 1
        found = [found.key async for found in driver.iterate_container_objects("new-bucket", prefix="dir/k")]
        assert found == ["dir/key"]
        await driver.delete_object("new-bucket", "dir/key")
        assert await driver.get_container("new-bucket") == Container("new-bucket")
        assert "new-bucket" in [found.name async for found in driver.iterate_containers()]
        await driver.delete_container("new-bucket")
        assert "new-bucket" not in server.store.buckets


async def test_a_listing_by_a_partial_prefix_is_filtered_by_the_driver() -> None:
    """The store lists whole folders only."""
    async with store_and_driver() as (server, driver):
        for key in ("dir/a", "dir/ab", "dir/b", "other"):
            await driver.upload_object_via_stream(b"x", "bucket", key)
        found = {
            prefix: [found.key async for found in driver.iterate_container_objects("bucket", prefix=prefix)]
            for prefix in ("", "dir/", "dir/a", "o", "missing/x")
        }

    asked = [dict(request.query).get("prefix") for request in server.requests if request.operation == "ListObjectsV2"]
    assert found == {
        "": ["dir/a", "dir/ab", "dir/b", "other"],
        "dir/": ["dir/a", "dir/ab", "dir/b"],
        "dir/a": ["dir/a", "dir/ab"],
        "o": ["other"],
        "missing/x": [],
    }
    assert asked == [None, "dir/", "dir/", None, "missing/"]


async def test_the_upload_of_a_lost_create_is_found_and_aborted() -> None:
    """By the folder of its key. Another upload in the folder is left alone."""
    async with store_and_driver() as (server, driver):
        server.faults.add(Fault("drop_after", "CreateMultipartUpload"))
        await driver.upload_object_via_stream(numbered_parts(3), "bucket", "dir/key")
        assert [upload async for upload in driver.iterate_multipart_uploads("bucket", prefix="dir/k")] == []

    assert server.open_uploads == []
    assert server.objects["bucket", "dir/key"].size == 3 * PART


async def test_concurrent_uploads_share_one_session() -> None:
    async with store_and_driver() as (server, driver):
        server.hold("CreateSession")
        uploads = [asyncio.ensure_future(driver.upload_object_via_stream(b"x", "bucket", str(n))) for n in range(20)]
        await server.wait_for(lambda server: server.held_requests)
        for _ in range(100):
            await asyncio.sleep(0)
        assert operations(server) == ["CreateSession"]
        server.release("CreateSession")
        await asyncio.gather(*uploads)

    assert operations(server) == ["CreateSession"] + ["PutObject"] * 20


@pytest.mark.parametrize("at", [1, 2, 5])
@pytest.mark.parametrize("concurrency", [1, 4])
async def test_a_session_that_expires_during_an_upload_is_renewed(at: int, concurrency: int) -> None:
    """After ExpiredToken the driver opens one new session, and the object is complete."""
    clock = ServerClock()

    def let_it_end() -> None:
        clock.ahead += timedelta(minutes=6)

    async with store_and_driver(clock=clock, concurrency=concurrency) as (server, driver):
        await driver.get_container("bucket")
        receipt = await driver.upload_object_via_stream(numbered_parts(6, at, let_it_end), "bucket", "key")

    assert server.objects["bucket", "key"].size == 6 * PART
    assert len(receipt.parts) == 6
    assert server.open_uploads == []
    assert operations(server).count("CreateSession") == 2
    assert 400 in [request.status for request in server.requests]


async def test_an_abort_works_after_the_session_has_expired() -> None:
    clock = ServerClock()

    async def failing(server: S3Server) -> AsyncIterator[bytes]:
        async for part in numbered_parts(3):
            yield part
        await server.wait_for(lambda server: any(upload.parts for upload in server.open_uploads))
        clock.ahead += timedelta(minutes=6)
        raise RuntimeError("the source broke")

    async with store_and_driver(clock=clock) as (server, driver):
        with pytest.raises(RuntimeError, match="the source broke"):
            await driver.upload_object_via_stream(failing(server), "bucket", "key")

    assert server.open_uploads == []
    assert operations(server).count("CreateSession") == 2


async def test_a_lost_commit_response_is_settled_without_md5_etags() -> None:
    """No ETag of a directory bucket is the MD5 of our parts."""
    async with store_and_driver() as (server, driver):
        server.faults.add(Fault("drop_after", "CompleteMultipartUpload", times=9))
        receipt = await driver.upload_object_via_stream(numbered_parts(3), "bucket", "key")

    assert server.objects["bucket", "key"].size == receipt.size == 3 * PART


async def test_a_corrupted_body_is_refused_by_the_signed_sha256() -> None:
    """There is no MD5 to compare. The refusal is retried, then raised."""
    async with store_and_driver() as (server, driver):
        server.faults.add(Fault("answer", "PutObject", status=400, code="BadDigest", times=99))
        with pytest.raises(Exception, match="BadDigest") as caught:
            await driver.upload_object_via_stream(b"x", "bucket", "key")

    assert not isinstance(caught.value, IntegrityError)
    assert server.objects == {}


@pytest.mark.parametrize("wrong", [Credentials("unknown", "secret"), Credentials("AIOS3TESTACCESSKEY", "wrong-secret")])
async def test_wrong_keys_raise_after_one_request(wrong: Credentials) -> None:
    """No session, no retry, and the source is read for its first part only."""
    async with store_and_driver(wrong) as (server, driver):
        with pytest.raises(CredentialsError) as caught:
            await driver.upload_object_via_stream(numbered_parts(1), "bucket", "key")

    assert operations(server) == ["CreateSession"]
    assert caught.value.operation == "CreateSession"
    assert wrong.secret_access_key not in f"{caught.value} {caught.value!r}"


async def test_an_upload_cancelled_while_its_session_opens_leaves_nothing() -> None:
    async with store_and_driver() as (server, driver):
        server.hold("CreateSession")
        upload = asyncio.ensure_future(driver.upload_object_via_stream(numbered_parts(6), "bucket", "key"))
        await server.wait_for(lambda server: server.held_requests)
        upload.cancel()
        await asyncio.wait({upload})
        assert upload.cancelled()
        await server.wait_for(lambda server: not server.open_connections)

    assert operations(server) == ["CreateSession"]


async def test_closing_the_driver_ends_the_wait_for_a_session() -> None:
    async with store_and_driver() as (server, driver):
        server.hold("CreateSession")
        looking = asyncio.ensure_future(driver.get_container("bucket"))
        upload = asyncio.ensure_future(driver.upload_object_via_stream(numbered_parts(6), "bucket", "key"))
        await server.wait_for(lambda server: server.held_requests)
        await driver.aclose()
        failures = await asyncio.gather(looking, upload, return_exceptions=True)
        await server.wait_for(lambda server: not server.open_connections)

    assert all(isinstance(failure, StorageError) for failure in failures)
    assert "closed while being refreshed" in str(failures[0])
    assert operations(server) == ["CreateSession"]


async def test_presigned_urls_carry_the_token_of_the_session() -> None:
    """They work as long as the session, for reading and writing."""
    clock = ServerClock()
    async with store_and_driver(clock=clock) as (server, driver):
        upload = await driver.create_upload_url("bucket", "key", expires_in=3600)
        download = await driver.get_object_cdn_url("bucket", "key", expires_in=3600)
        async with aiohttp.ClientSession() as session:
            async with session.put(URL(upload, encoded=True), data=b"content") as answer:
                assert answer.status == 200
            async with session.get(URL(download, encoded=True)) as answer:
                assert await answer.read() == b"content"
            clock.ahead = timedelta(minutes=6)
            async with session.get(URL(download, encoded=True)) as answer:
                assert (answer.status, b"ExpiredToken" in await answer.read()) == (400, True)

    query = parse_qs(urlsplit(download).query)
    assert query["X-Amz-S3session-Token"] == [server.store.sessions["AIOS3SESSION1"][1].session_token]
    assert "X-Amz-Security-Token" not in query


# at the provider's own hosts


class Recorder:
    """Transport that opens sessions, and gives every other request an empty success."""

    def __init__(self, **_: object) -> None:
        self.sent: list[Request] = []

    async def send(self, request: Request, *, read_timeout: float | None = None, **_: object) -> Response:
        self.sent.append(request)
        if request.operation == "CreateSession":
            ends = datetime.now(UTC) + timedelta(minutes=5)
            keys = "<AccessKeyId>K</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
            inner = f"<Credentials>{keys}<Expiration>{ends.isoformat()}</Expiration></Credentials>"
            return Response(200, {}, f"<CreateSessionResult>{inner}</CreateSessionResult>".encode())
        body = b"<ListAllMyDirectoryBucketsResult/>" if request.operation == "ListBuckets" else b""
        return Response(200, {"etag": '"random"'}, body)

    async def aclose(self) -> None:
        pass

    @property
    def urls(self) -> list[str]:
        return [f"{request.operation} {request.scheme}://{request.host}{request.path}" for request in self.sent]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setattr("aios3._driver.base.AiohttpTransport", lambda **_: made)
    return made


async def test_object_requests_go_to_the_zone_and_bucket_requests_to_the_control_host(recorder: Recorder) -> None:
    """No endpoint is needed: the zone is in the bucket's name, and the region is the driver's."""
    zonal = f"https://{BUCKET}.s3express-use1-az4.us-east-1.amazonaws.com/"
    control = "https://s3express-control.us-east-1.amazonaws.com/"
    async with S3StorageDriver("s3express", region="us-east-1", credentials=KEYS) as driver:
        await driver.create_container(BUCKET)
        await driver.upload_object_via_stream(b"x", BUCKET, "key")
        await driver.get_container(BUCKET)
        assert [found async for found in driver.iterate_containers()] == []
        await driver.delete_container(BUCKET)
        assert await driver.get_container_cdn_url(BUCKET) == zonal
        assert await driver.get_object_cdn_url(BUCKET, "key") == f"{zonal}key"
        assert (await driver.get_object_cdn_url(BUCKET, "key", expires_in=60)).startswith(f"{zonal}key?")

    assert recorder.urls == [
        f"CreateBucket {control}{BUCKET}",
        f"CreateSession {zonal}",
        f"PutObject {zonal}key",
        f"HeadBucket {zonal}",
        f"ListBuckets {control}",
        f"DeleteBucket {control}{BUCKET}",
    ]
    assert b"<Name>use1-az4</Name>" in bytes(recorder.sent[0].body[0])
    assert all("/us-east-1/s3express/" in request.headers["authorization"] for request in recorder.sent)


async def test_a_bucket_name_without_a_zone_is_refused_by_every_method(recorder: Recorder) -> None:
    async with S3StorageDriver("s3express", region="us-east-1", credentials=KEYS) as driver:
        for call in (
            driver.upload_object_via_stream(b"x", "videos", "key"),
            driver.get_container("videos"),
            driver.create_container("videos"),
            driver.get_object_cdn_url("videos", "key"),
            driver.get_object_cdn_url("videos", "key", expires_in=60),
        ):
            with pytest.raises(ConfigurationError, match="'videos' is not the name of a directory bucket"):
                await call

    assert recorder.sent == []
