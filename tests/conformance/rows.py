"""The rows of the provider table as endpoints: the test server is each of them, at that row's own host names."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import trustme

import aios3
from aios3 import PROVIDERS, Provider
from aios3.testing import ReceivedRequest, S3Server
from tests.conformance.endpoints import BUCKET, Endpoint

REGIONAL_ROWS = tuple(name for name, row in PROVIDERS.items() if row.region_required)
OTHER_ROWS = tuple(name for name, row in PROVIDERS.items() if not row.region_required)

OTHER_REGION = "mars-north-1"
"""A region that no store is in, and that every row's host can be asked for."""

_REGION = "eu-central-1"
_ZONE = "euc1-az1"
_OF_CUSTOMER = {
    "account": "0123abcd",
    "location": "pub1",
    "namespace": "customer",
    "project": "0123abcd",
    "service": "0123abcd",
    "zone": _ZONE,
}
"""What the URLs of some stores hold besides the region."""

_DATA_OPERATIONS = frozenset({"PutObject", "UploadPart"})
_CHECKSUM = re.compile(r"x-amz-checksum-(crc\w+|sha\w+)", re.IGNORECASE)


def server_name(row: str) -> str:
    """Return the endpoint's name."""
    return f"S3Server as {row}"


def region_of(provider: Provider) -> str:
    """Return a region for the store to be in: not the default one where that is a difference."""
    if provider.default_region == "auto":
        return "us-east-1"
    return _REGION if provider.region_required or provider.needs_location else provider.default_region


def address_of(provider: Provider, region: str) -> str | None:
    """Return the URL of the row's service, or ``None`` where it can be any host: then it is the server's, over http."""
    form = provider.endpoint or provider.endpoint_form
    return None if form is None else _fill(form, region)


def _fill(form: str, region: str) -> str:
    return form.format(region=region, **_OF_CUSTOMER)


def bucket_suffix(provider: Provider) -> str:
    """Return what the names of buckets end in: their zone, where their host is known by it."""
    return f"--{_ZONE}--x-s3" if provider.has_zones else ""


def describe(provider: Provider, server: S3Server) -> Endpoint:
    """Return the endpoint that stands for the row; where the row knows its host, the driver is not told it."""
    address = address_of(provider, region_of(provider))
    return Endpoint(
        name=server_name(provider.name),
        provider=provider.name,
        record=None if provider is PROVIDERS[provider.name] else provider,
        endpoint_url=server.endpoint_url if address is None else None if provider.endpoint else address,
        credentials=server.credentials,
        region=None if provider.default_region == "auto" else server.region,
        bucket=BUCKET + bucket_suffix(provider),
        bucket_suffix=bucket_suffix(provider),
        version=aios3.__version__,
        list_files=lambda: {f"{bucket}/{key}" for bucket, key in server.objects},
        ssl_context=None if address is None else _tls()[1],
    )


@asynccontextmanager
async def row_endpoint(provider: Provider) -> AsyncIterator[Endpoint]:
    """Run the server as that row, or one made of it, for one check, and look at all that the check has sent."""
    has_host = address_of(provider, "") is not None
    context = _tls()[0] if has_host else None
    buckets = (BUCKET + bucket_suffix(provider),)
    async with S3Server(provider, region=region_of(provider), buckets=buckets, ssl_context=context) as server:
        with mock.patch.object(socket, "getaddrinfo", _resolver(server)):
            yield describe(provider, server)
        _check_conversation(provider, server, is_tls=has_host)


def _resolver(server: S3Server) -> Callable[..., list[Any]]:
    """Return what finds every host of the table at the server, and no other host anywhere."""
    port = urlsplit(server.endpoint_url).port
    known = tuple(_hosts())

    def getaddrinfo(host: str, *_: object, **__: object) -> list[Any]:
        if not host.endswith(known):
            raise socket.gaierror(socket.EAI_NONAME, f"{host} is of no row")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    return getaddrinfo


@cache
def _hosts() -> list[str]:
    return sorted({host for row in PROVIDERS.values() for host in (*_own_hosts(row), *_control_hosts(row))})


def _own_hosts(provider: Provider) -> tuple[str, ...]:
    """Return where the row's buckets are: in its own region, and in one where it is not."""
    urls = [address_of(provider, region) for region in (region_of(provider), OTHER_REGION)]
    return tuple(urlsplit(url).netloc for url in urls if url)


def _control_hosts(provider: Provider) -> tuple[str, ...]:
    """Return where buckets are made, if that is at a host of its own."""
    form, regions = provider.control_endpoint, (region_of(provider), OTHER_REGION)
    return tuple(urlsplit(_fill(form, region)).netloc for region in regions) if form else ()


@cache
def _tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the server's context, with a certificate for all hosts and the buckets before them, and a client's."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*_hosts(), *(f"*.{host}" for host in _hosts())).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def _check_conversation(provider: Provider, server: S3Server, *, is_tls: bool) -> None:
    assert server.protocol_errors == []
    assert server.open_uploads == []
    for request in server.requests:
        _check_request(provider, request, is_tls=is_tls)


def _check_request(provider: Provider, request: ReceivedRequest, *, is_tls: bool) -> None:
    """Check what the server cannot: that the row's ways are used, and that nothing is sent that may be refused."""
    host = request.header("Host") or ""
    if request.bucket is not None and host.endswith(_own_hosts(provider)):
        assert host.startswith(f"{request.bucket}.") == (provider.addressing == "virtual")
    if request.operation in _DATA_OPERATIONS and request.header("Content-Length") != "0":
        is_unsigned = request.header("x-amz-content-sha256") == "UNSIGNED-PAYLOAD"
        assert is_unsigned == (is_tls and not provider.signs_payload_over_tls)
    algorithms = {found[1].lower() for name, _ in request.headers if (found := _CHECKSUM.fullmatch(name))}
    assert algorithms <= provider.checksums
    assert request.status != 501
