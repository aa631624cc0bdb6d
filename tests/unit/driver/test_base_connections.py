"""What a driver connects with."""

from __future__ import annotations

import aiohttp

from aios3 import Credentials, TransferConfig
from aios3.testing import S3Server

KEYS = Credentials("AKIAEXAMPLE", "s3cret-s3cret")
SOURCE = [b"x" * 1000] * 10


async def test_an_injected_session_is_used_and_left_open(server, make_driver):
    """It is the caller's: its headers go out, and it can be used after the driver is closed."""
    async with aiohttp.ClientSession(headers={"User-Agent": "mine"}) as session:
        async with make_driver(session=session) as driver:
            await driver.upload_object_via_stream(SOURCE, "bucket", "key")
        assert not session.closed
    assert {request.header("User-Agent") for request in server.requests} == {"mine"}
    assert server.objects["bucket", "key"].body == b"".join(SOURCE)


async def test_over_https_with_a_context_of_ones_own(make_driver, tls):
    """Bodies are not hashed then: TLS protects them."""
    async with S3Server("generic", ssl_context=tls.server) as server:
        driver = make_driver(on=server, transfer=TransferConfig(), ssl_context=tls.client)
        await driver.upload_object_via_stream(b"x" * 100, "bucket", "key")
        assert server.requests[0].header("x-amz-content-sha256") == "UNSIGNED-PAYLOAD"
        signed = make_driver(on=server, transfer=TransferConfig(payload_signing="sha256"), ssl_context=tls.client)
        await signed.upload_object_via_stream(b"x" * 100, "bucket", "key")
        assert len(server.requests[1].header("x-amz-content-sha256") or "") == 64


async def test_the_ca_bundle_of_the_environment_is_trusted(make_driver, tls, monkeypatch, tmp_path):
    """AWS_CA_BUNDLE, read off the loop."""
    bundle = tmp_path / "ca.pem"
    tls.authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    async with S3Server("generic", ssl_context=tls.server) as server:
        driver = make_driver(on=server, transfer=TransferConfig())
        await driver.upload_object_via_stream(b"x", "bucket", "key")
        assert server.objects["bucket", "key"].body == b"x"
