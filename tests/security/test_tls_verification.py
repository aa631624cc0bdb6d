"""Verification of certificates is on, and only the caller's own context can say otherwise."""

from __future__ import annotations

import ssl

import aiohttp
import pytest
import trustme

from aios3 import ConfigurationError, Credentials, RetryPolicy, S3StorageDriver, TransportError
from tests.support.wire import Peer, Wire, answer

SWITCHES = {
    "PYTHONHTTPSVERIFY": "0",
    "NODE_TLS_REJECT_UNAUTHORIZED": "0",
    "AWS_VERIFY_SSL": "false",
    "AWS_NO_VERIFY_SSL": "1",
    "AWS_CA_BUNDLE": "",
    "CURL_CA_BUNDLE": "",
    "REQUESTS_CA_BUNDLE": "",
    "GIT_SSL_NO_VERIFY": "1",
}
"""What switches it off in other programs, or is said to."""


@pytest.fixture
async def impostor():
    """A store whose certificate is of an authority that nobody trusts; it must not see a request."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    async with Wire(confirm, context) as wire:
        yield wire
    assert [peer.heads for peer in wire.peers if peer.heads] == []


async def confirm(peer: Peer) -> None:
    """Answer every request with success."""
    while True:
        await peer.read_request()
        peer.send(answer(200, b"", 'ETag: "e"'))


def driver_on(wire: Wire, **options) -> S3StorageDriver:
    return S3StorageDriver(
        endpoint_url=f"https://{wire.host}",
        region="us-east-1",
        credentials=Credentials("AKIDEXAMPLE", "secret"),
        retry=RetryPolicy(max_attempts=3, base_delay=0),
        **options,
    )


async def refuse_it(driver: S3StorageDriver) -> None:
    """The upload fails at once, in words that name the certificate."""
    async with driver:
        with pytest.raises(TransportError, match="(?i)certificate verify failed") as caught:
            await driver.upload_object_via_stream(b"x", "bucket", "key")
    assert caught.value.is_permanent


async def test_a_certificate_of_nobody_is_refused(impostor):
    await refuse_it(driver_on(impostor))


@pytest.mark.parametrize("name", SWITCHES)
async def test_no_variable_switches_it_off(impostor, monkeypatch, name):
    monkeypatch.setenv(name, SWITCHES[name])
    await refuse_it(driver_on(impostor))


async def test_no_profile_switches_it_off(impostor, monkeypatch, tmp_path):
    config = tmp_path / "config"
    config.write_text("[default]\nverify_ssl = false\nssl_verify = false\nca_bundle =\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    await refuse_it(driver_on(impostor))


async def test_an_injected_session_does_not_switch_it_off(impostor):
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    for setting in (False, unverified):
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=setting)) as session:
            await refuse_it(driver_on(impostor, session=session))


async def test_the_certificate_of_another_name_is_refused(tls):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.authority.issue_cert("elsewhere.example").configure_cert(context)
    async with Wire(confirm, context) as wire:
        async with driver_on(wire, ssl_context=tls.client) as driver:
            with pytest.raises(TransportError, match="(?i)hostname mismatch|doesn't match|not valid for") as caught:
                await driver.upload_object_via_stream(b"x", "bucket", "key")
            assert caught.value.is_permanent
        assert [peer.heads for peer in wire.peers if peer.heads] == []


async def test_the_callers_own_context_is_obeyed():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    async with Wire(confirm, context) as wire, driver_on(wire, ssl_context=unverified) as driver:
        assert (await driver.upload_object_via_stream(b"x", "bucket", "key")).etag == "e"


@pytest.mark.parametrize("value", [False, True, 0, "", "no"])
async def test_a_context_is_a_context(value):
    """aiohttp takes ``False`` for "check nothing"; here it is a mistake."""
    with pytest.raises((TypeError, ConfigurationError), match="ssl_context"):
        S3StorageDriver(endpoint_url="https://localhost:1", ssl_context=value)


async def test_a_customer_key_does_not_go_over_http(server, driver):
    """Whoever listens could read it."""
    with pytest.raises(ConfigurationError, match="https"):
        await driver.upload_object_via_stream(b"x", "bucket", "key", sse_customer_key=bytes(32))
    assert server.requests == []
