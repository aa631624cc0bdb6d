"""Uploads through a proxy: the store, and every service that gives credentials, are reached through it alike."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from aios3 import AmazonS3StorageDriver, ConfigurationError, S3StorageDriver, TransportError
from aios3.testing import Fault, S3Server
from tests.conftest import PART
from tests.support.credential_stand_in import Answer, StandIn, json_answer, metadata, sts
from tests.support.driver_scenes import numbered_parts
from tests.support.proxy import LoopbackProxy

FAR = datetime.now(UTC) + timedelta(days=1)
HIDDEN_HOST = "store.invalid"
"""Host that only the proxy can find."""


@pytest.fixture
async def proxy() -> AsyncIterator[LoopbackProxy]:
    async with LoopbackProxy(wants_login=True) as running:
        yield running


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    async with StandIn() as running:
        yield running


@pytest.fixture
async def tls_server(small_provider, tls) -> AsyncIterator[S3Server]:
    async with S3Server(small_provider, ssl_context=tls.server) as running:
        yield running


WHOLE = b"".join(bytes([number]) * PART for number in range(5))


async def test_an_upload_over_http_goes_through_the_proxy(make_driver, server, proxy):
    """Its host is looked up by the proxy alone; the login reaches the proxy and not the store; keys are exact."""
    driver = make_driver(endpoint_url=server.endpoint_url.replace("127.0.0.1", HIDDEN_HOST), proxy=proxy.url)
    key = "a//b/../c d+%é"
    await driver.upload_object_via_stream(numbered_parts(5), "bucket", key)
    assert server.objects["bucket", key].body == WHOLE
    assert len(proxy.heads) == len(server.requests)
    assert all(f" http://{HIDDEN_HOST}:" in target for target in proxy.targets)
    assert not [name for request in server.requests for name, _ in request.headers if name.startswith("proxy")]


@pytest.mark.parametrize("is_tls", [False, True], ids=["http proxy", "https proxy"])
async def test_an_upload_over_https_goes_through_a_tunnel(make_driver, tls_server, tls, is_tls):
    """The proxy sees host and port only. Connections are reused, so there are fewer tunnels than requests."""
    async with LoopbackProxy(wants_login=True, ssl_context=tls.server if is_tls else None) as proxy:
        driver = make_driver(on=tls_server, ssl_context=tls.client, proxy=proxy.url)
        await driver.upload_object_via_stream(numbered_parts(5), "bucket", "key")
        assert b"".join([chunk async for chunk in driver.download_object_as_stream("bucket", "key")]) == WHOLE
        await driver.aclose()
        port = tls_server.endpoint_url.rpartition(":")[2]
        assert set(proxy.targets) == {f"CONNECT localhost:{port}"}
        assert len(proxy.heads) < len(tls_server.requests)
        assert "AWS4" not in "".join(proxy.heads)


async def test_a_cancelled_upload_leaves_nothing_behind_a_proxy(make_driver, tls_server, tls, proxy):
    """Also parts in flight inside of a tunnel are cut off, and the upload is aborted."""
    driver = make_driver(on=tls_server, ssl_context=tls.client, proxy=proxy.url)
    tls_server.hold("UploadPart")
    upload = asyncio.ensure_future(driver.upload_object_via_stream(numbered_parts(5), "bucket", "key"))
    await tls_server.wait_for(lambda server: server.held_requests)
    upload.cancel()
    await asyncio.wait({upload})
    assert upload.cancelled()
    assert tls_server.open_uploads == []


async def test_the_drivers_of_a_provider_take_a_proxy_too(proxy, server):
    """And so does a session of the caller."""
    async with aiohttp.ClientSession() as session:
        for options in ({}, {"session": session}):
            endpoint = {"endpoint_url": server.endpoint_url, "region": server.region, "credentials": server.credentials}
            async with AmazonS3StorageDriver(**endpoint, proxy=proxy.url, **options) as driver:
                await driver.upload_object_via_stream(b"x", "bucket", "key")
    assert len(proxy.heads) == 2


VARIABLES = {
    "https_proxy": "https",
    "HTTPS_PROXY": "https",
    "HTTP_PROXY": "http",
    "http_proxy": "http",
    "ALL_PROXY": "*",
}


@pytest.mark.parametrize("name", VARIABLES)
async def test_the_variables_count_if_they_are_trusted(make_driver, server, proxy, monkeypatch, name):
    """By the scheme of the endpoint; and NO_PROXY is obeyed. Without trust_env none of them counts."""
    monkeypatch.setenv(name, proxy.url)
    await make_driver().upload_object_via_stream(b"x", "bucket", "key")
    assert proxy.heads == []
    trusting = make_driver(trust_env=True)
    await trusting.upload_object_via_stream(b"x", "bucket", "key")
    assert bool(proxy.heads) == (VARIABLES[name] != "https")
    proxy.heads.clear()
    monkeypatch.setenv("NO_PROXY", "example.org,127.0.0.0/8")
    await make_driver(trust_env=True).upload_object_via_stream(b"x", "bucket", "key")
    assert proxy.heads == []


@pytest.mark.parametrize("status", [403, 407, 502])
@pytest.mark.parametrize("over_tls", [False, True])
async def test_a_refusing_proxy_is_named_without_its_password(
    make_driver, server, tls_server, tls, proxy, status, over_tls
):
    """Nothing has reached the store."""
    proxy.refuses_with = status
    on = {"on": tls_server, "ssl_context": tls.client} if over_tls else {}
    driver = make_driver(proxy=proxy.url, **on)
    with pytest.raises(Exception, match=rf"{status}|proxy") as caught:
        await driver.upload_object_via_stream(numbered_parts(5), "bucket", "key")
    if over_tls:
        assert isinstance(caught.value, TransportError)
        assert f"refused the connection with status {status}" in str(caught.value)
        assert len(proxy.heads) == (6 if status == 502 else 1)
    assert ("user and password" in str(caught.value)) == (status == 407)
    assert "s3cret" not in f"{caught.value!r}{caught.value}{getattr(caught.value, '__notes__', '')}"
    assert server.requests == tls_server.requests == []


async def test_a_proxy_that_is_not_there_is_named(make_driver):
    """Without its password, and without a hint at the environment."""
    driver = make_driver(proxy="http://me:s3cret@127.0.0.1:9")
    with pytest.raises(TransportError, match=r"the proxy: cannot connect to 127\.0\.0\.1:9 \(") as caught:
        await driver.upload_object_via_stream(b"x", "bucket", "key")
    assert "s3cret" not in str(caught.value)
    assert [note for note in caught.value.__notes__ if "environment" in note] == []


@pytest.mark.parametrize("value", ["", "socks5://u:s3cret@h:1", "http://u:s3cret@h:port", "h h"])
def test_a_proxy_that_cannot_be_one_is_refused_at_once(value):
    """Its password is not shown."""
    with pytest.raises(ConfigurationError, match="proxy=: ") as caught:
        S3StorageDriver(proxy=value)
    assert "s3cret" not in str(caught.value)


def test_options_of_another_type_are_refused():
    """As of every option."""
    with pytest.raises(TypeError, match="trust_env"):
        S3StorageDriver(trust_env="yes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="proxy"):
        S3StorageDriver(proxy=1)  # type: ignore[arg-type]


ROLE = "[profile p]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n[profile base]\n"
ROLE += "aws_access_key_id = K\naws_secret_access_key = s\n"
WEB = "[profile p]\nrole_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = {home}/token\n"
SSO = "[profile p]\nsso_account_id = 1\nsso_role_name = r\nsso_region = eu-west-1\nsso_start_url = https://x\n"


def log_in(home: Path) -> None:
    (home / ".aws" / "sso" / "cache").mkdir(parents=True)
    file = home / ".aws" / "sso" / "cache" / f"{hashlib.sha1(b'https://x').hexdigest()}.json"
    file.write_text(json.dumps({"accessToken": "t", "expiresAt": FAR.isoformat()}))


ANSWERS: dict[str, Callable[[], Answer]] = {
    ROLE: lambda: sts(expires_at=FAR),
    WEB: lambda: sts("AssumeRoleWithWebIdentity", expires_at=FAR),
    SSO: lambda: json_answer({"roleCredentials": {"accessKeyId": "KEY1", "secretAccessKey": "hidden-secret"}}),
}


@pytest.mark.parametrize("way", ["argument", "environment"])
@pytest.mark.parametrize("config", ANSWERS, ids=["role", "web identity", "sso"])
async def test_requests_for_credentials_go_through_the_proxy_too(
    server, make_driver, stand_in, proxy, monkeypatch, tmp_path, config, way
):
    """To a host that only the proxy can find."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(config.format(home=tmp_path))
    (tmp_path / "token").write_text("jwt")
    log_in(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_PROFILE", "p")
    for service in ("STS", "SSO"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", f"http://service.invalid:{stand_in.port}")
    stand_in.on(ANSWERS[config]())
    server.faults.add(Fault("answer", "PutObject", status=403, code="AccessDenied"))
    options = {"proxy": proxy.url} if way == "argument" else {"trust_env": True}
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    with pytest.raises(Exception, match="PutObject"):
        await make_driver(credentials=None, **options).upload_object_via_stream(b"x", "bucket", "key")
    assert [f"service.invalid:{stand_in.port}" in target for target in proxy.targets] == [True, False]
    assert not any(name.startswith("proxy") for name in stand_in.asked[0].headers)


@pytest.mark.parametrize("source", ["metadata", "container"])
async def test_services_of_the_machine_are_never_reached_through_a_proxy(
    server, make_driver, stand_in, proxy, monkeypatch, source
):
    """Elsewhere they would be those of another machine."""
    if source == "metadata":
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", stand_in.url)
    else:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", stand_in.url)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    stand_in.on(metadata(1, expires_at=FAR))
    server.faults.add(Fault("answer", "PutObject", status=403, code="AccessDenied"))
    for options in ({"proxy": proxy.url}, {"trust_env": True}):
        proxy.heads.clear()
        with pytest.raises(Exception, match="PutObject"):
            await make_driver(credentials=None, **options).upload_object_via_stream(b"x", "bucket", "key")
        assert len(proxy.heads) == 1
    assert stand_in.asked
