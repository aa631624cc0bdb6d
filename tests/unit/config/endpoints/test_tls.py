from __future__ import annotations

import ssl
import threading

import pytest

from aios3._config.endpoints.tls import make_ssl_context
from aios3.errors import ConfigurationError

# A certificate of nobody, good until 2125; its key was never kept.
AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIIBiDCCAS+gAwIBAgIUUanRFEW9VY8GB2I8MIYf0u63UvswCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTIyMjMxODA2WhgPMjEy
NjEwMjkyMzE4MDZaMBkxFzAVBgNVBAMMDnRlc3QgYXV0aG9yaXR5MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEEKfC6CcINqs3iC1MoKsqHgKz8NUMB9/ebD/6IL86
CM4EHmEHHWhahvc7pA3DVtmFWLajUhoFANusHGVH+ojZn6NTMFEwHQYDVR0OBBYE
FBLztssM2IoHVcdj+5g3UjwS0vQ8MB8GA1UdIwQYMBaAFBLztssM2IoHVcdj+5g3
UjwS0vQ8MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgCG/xAqRS
3tzb3/e8jVCYxMVi/1FmiXo2YK7F1Ny4dYwCID5jBCG2zmW+rpIQgRTToaerZVzO
fWbZ4kehK32ouh9T
-----END CERTIFICATE-----
"""


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text(AUTHORITY)
    return str(path)


async def test_a_bundle_replaces_the_systems_store(bundle):
    (certificate,) = (await make_ssl_context(bundle)).get_ca_certs()
    assert certificate["subject"] == ((("commonName", "test authority"),),)


@pytest.mark.parametrize("own", [True, False])
async def test_verification_is_always_on(bundle, own):
    context = await make_ssl_context(bundle if own else None)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("kind", ["missing", "directory", "not PEM", "impossible"])
async def test_an_unusable_bundle_is_an_error(tmp_path, kind):
    (tmp_path / "text").write_text("not a certificate")
    path = {"missing": tmp_path / "gone", "directory": tmp_path, "not PEM": tmp_path / "text", "impossible": "a\0b"}[
        kind
    ]
    with pytest.raises(ConfigurationError, match=r"CA bundle .*AWS_CA_BUNDLE"):
        await make_ssl_context(str(path))


async def test_the_store_is_loaded_off_the_loop(monkeypatch):
    """Loading takes milliseconds to seconds, which the event loop must not lose."""
    threads = []
    create = ssl.create_default_context

    def recording(**kwargs):
        threads.append(threading.get_ident())
        return create(**kwargs)

    monkeypatch.setattr(ssl, "create_default_context", recording)
    await make_ssl_context(None)
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_http_1_1_is_offered():
    outgoing = ssl.MemoryBIO()
    connection = (await make_ssl_context(None)).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="store.example")
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    assert b"\x08http/1.1" in outgoing.read()
