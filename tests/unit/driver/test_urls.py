"""URLs for others to use: public ones, and ones that carry a signature."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from aios3 import ANONYMOUS, ConfigurationError, Credentials, S3StorageDriver
from aios3.testing import S3Server

KEYS = Credentials("AKIAEXAMPLE", "s3cret-s3cret", "t0ken-t0ken")
WEEK = 7 * 24 * 3600


def aws(provider: str = "aws", **options) -> S3StorageDriver:
    return S3StorageDriver(provider, **{"region": "eu-west-1", "credentials": KEYS, **options})


async def request(method: str, url: str, **options) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.request(method, URL(url, encoded=True), **options) as answer:
        return answer.status, await answer.read()


@pytest.mark.parametrize(
    ("base", "bucket", "url"),
    [
        (None, "videos", "https://videos.s3.eu-west-1.amazonaws.com/"),
        (None, "a.b", "https://s3.eu-west-1.amazonaws.com/a.b"),
        ("https://s3.us-west-2.amazonaws.com/videos/", "videos", "https://videos.s3.us-west-2.amazonaws.com/"),
        ("https://s3.us-west-2.amazonaws.com:8443", "videos", "https://s3.us-west-2.amazonaws.com:8443/videos"),
        ("https://s3.us-west-2.amazonaws.com:8443/base/", "a.b", "https://s3.us-west-2.amazonaws.com:8443/base/a.b"),
        ("https://Store.Example:8443/base/", "videos", "https://store.example:8443/base/videos"),
        ("https://[::1]:9000/x", "a.b", "https://[::1]:9000/x/a.b"),
        ("http://127.0.0.1:9000", "videos", "http://127.0.0.1:9000/videos"),
    ],
)
async def test_public_urls_are_those_that_the_driver_uses(base, bucket, url):
    """Scheme, host, port, base path and the way to name a bucket; never credentials."""
    async with aws(endpoint_url=base) as driver:
        assert await driver.get_container_cdn_url(bucket) == url
        assert await driver.get_object_cdn_url(bucket, "a//b c") == url.rstrip("/") + "/a//b%20c"


async def test_a_provider_with_virtual_hosts_is_addressed_by_path_at_an_ip_address():
    async with aws("alibaba", endpoint_url="http://[::1]") as driver:
        assert await driver.get_container_cdn_url("videos") == "http://[::1]/videos"


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=50).filter(lambda key: not any(0xD800 <= ord(char) <= 0xDFFF for char in key)))
async def test_any_key_can_be_read_back_from_its_url(key):
    async with aws("generic", endpoint_url="http://store.example") as driver:
        for base in (None, "https://cdn.example.com/x"):
            parts = urlsplit(await driver.get_object_cdn_url("videos", key, base_url=base))
            assert (parts.query, parts.fragment) == ("", "")
            assert unquote(parts.path, errors="strict") == ("/x/" if base else "/videos/") + key


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://cdn.example.com", "https://cdn.example.com/"),
        ("https://CDN.example.com:443/", "https://cdn.example.com/"),
        ("http://cdn.example.com:81/v/%C3%BC", "http://cdn.example.com:81/v/%C3%BC"),
        ("https://[::1]:8443", "https://[::1]:8443/"),
        ("https://d111abc.cloudfront.net/x/", "https://d111abc.cloudfront.net/x"),
    ],
)
async def test_a_base_url_stands_for_the_bucket(base, url):
    async with S3StorageDriver() as driver:
        assert await driver.get_container_cdn_url("videos", base_url=base) == url
        assert await driver.get_object_cdn_url("videos", "a b", base_url=base) == url.rstrip("/") + "/a%20b"


@pytest.mark.parametrize(
    "base",
    ["", "cdn.example.com", "ftp://x", "https://", "https://u:p@x", "https://x?a", "https://x#a", "https://a b", 5],
)
async def test_a_base_url_that_cannot_be_is_refused(base):
    async with aws() as driver:
        with pytest.raises(ConfigurationError, match="base_url") as caught:
            await driver.get_container_cdn_url("videos", base_url=base)
        assert "u:p" not in str(caught.value)
        with pytest.raises(ConfigurationError, match="base_url"):
            await driver.get_object_cdn_url("videos", "key", base_url=base)


async def test_public_urls_need_no_credentials_and_send_nothing(server, make_driver):
    server.public_buckets.add("bucket")
    await make_driver().upload_object_via_stream(b"hello", "bucket", "a//b ü")
    server.requests.clear()
    driver = make_driver(credentials=ANONYMOUS)
    url = await driver.get_object_cdn_url("bucket", "a//b ü")
    assert server.requests == []
    assert await request("GET", url) == (200, b"hello")


async def test_a_presigned_url_lets_its_bearer_read(server, driver):
    await driver.upload_object_via_stream(b"hello", "bucket", "a//b ü")
    url = await driver.get_object_cdn_url("bucket", "a//b ü", expires_in=60)
    assert await request("GET", url) == (200, b"hello")
    assert (await request("GET", url.replace("/a//b", "/a//c")))[0] == 403
    assert (await request("PUT", url, data=b"x"))[0] == 403
    assert server.credentials.secret_access_key not in url


async def test_a_condition_that_the_store_would_ignore_is_not_signed(make_driver, small_provider):
    """Whoever gets the URL would overwrite; what Complete ignores does not matter here."""
    provider = dataclasses.replace(small_provider, conditional_put=False)
    with pytest.raises(ConfigurationError, match="generic ignores if_match and if_none_match at PutObject"):
        await make_driver(provider=provider).create_upload_url("bucket", "key", expires_in=60, if_none_match="*")
    provider = dataclasses.replace(small_provider, conditional_complete=False)
    url = await make_driver(provider=provider).create_upload_url("bucket", "key", expires_in=60, if_none_match="*")
    assert "if-none-match" in url


SIGNED = {
    "get_object_cdn_url": lambda driver, **options: driver.get_object_cdn_url("videos", "key", **options),
    "create_upload_url": lambda driver, **options: driver.create_upload_url("videos", "key", **options),
    "create_download_url": lambda driver, **options: driver.create_download_url("videos", "key", **options),
}


@pytest.mark.parametrize("method", SIGNED)
@pytest.mark.parametrize(
    ("expires_in", "seconds"), [(1, 1), (60.9, 60), (timedelta(days=7), WEEK), (timedelta(minutes=1), 60)]
)
async def test_a_signed_url_holds_its_whole_seconds_and_the_scope(method, expires_in, seconds):
    async with aws() as driver:
        query = parse_qs(urlsplit(await SIGNED[method](driver, expires_in=expires_in)).query)
    assert query["X-Amz-Expires"] == [str(seconds)]
    assert query["X-Amz-Security-Token"] == ["t0ken-t0ken"]
    assert query["X-Amz-Credential"][0].endswith("/eu-west-1/s3/aws4_request")


@pytest.mark.parametrize("method", SIGNED)
async def test_a_span_that_cannot_be_and_a_missing_key_are_refused(method):
    spans = [0, 0.9, -1, WEEK + 1, timedelta(days=8), timedelta(0), True, "60", float("nan"), float("inf"), 1e300]
    async with aws() as driver, aws(credentials=ANONYMOUS) as anonymous:
        for expires_in in spans + [None] * (method != "get_object_cdn_url"):
            with pytest.raises(ConfigurationError):
                await SIGNED[method](driver, expires_in=expires_in)
        with pytest.raises(ConfigurationError, match="ANONYMOUS"):
            await SIGNED[method](anonymous, expires_in=60)


async def test_an_expired_url_is_refused(make_driver, small_provider):
    times = [datetime.now(UTC)]
    async with S3Server(small_provider, clock=lambda: times[0]) as server:
        url = await make_driver(on=server).create_upload_url("bucket", "key", expires_in=60)
        times[0] += timedelta(seconds=50)
        assert (await request("PUT", url, data=b"x"))[0] == 200
        times[0] += timedelta(seconds=20)
        assert (await request("PUT", url, data=b"y"))[0] == 403


async def test_a_signed_url_with_a_base_url_is_refused():
    async with aws() as driver:
        with pytest.raises(ConfigurationError, match="base_url"):
            await driver.get_object_cdn_url("videos", "key", expires_in=60, base_url="https://cdn.example.com")


async def test_each_signed_url_asks_for_credentials_as_a_request_does(make_driver, server):
    class Source:
        asked = 0

        async def get_credentials(self):
            self.asked += 1
            return server.credentials

    source = Source()
    driver = make_driver(credentials=source)
    await driver.get_object_cdn_url("bucket", "key")
    assert source.asked == 0
    for sign in SIGNED.values():
        await sign(driver, expires_in=60)
    assert source.asked == 3


async def test_an_upload_url_takes_the_object(server, driver):
    url = await driver.create_upload_url("bucket", "a//b ü", expires_in=60)
    assert parse_qs(urlsplit(url).query)["X-Amz-SignedHeaders"] == ["host"]
    status, _ = await request("PUT", url, data=b"hello", headers={"Content-Type": "text/anything"})
    assert status == 200
    stored = server.objects["bucket", "a//b ü"]
    assert (stored.body, stored.headers["content-type"]) == (b"hello", "text/anything")


async def test_the_attributes_of_an_upload_url_bind_the_uploader(server, driver):
    """All of them must come as the headers that S3 has for them."""
    url = await driver.create_upload_url(
        "bucket", "key", expires_in=60, content_type="video/mp4", metadata={"Author": "é"}, if_none_match="*"
    )
    names = parse_qs(urlsplit(url).query)["X-Amz-SignedHeaders"]
    assert names == ["content-type;host;if-none-match;x-amz-meta-author"]
    headers = {"Content-Type": "video/mp4", "x-amz-meta-author": "=?UTF-8?B?w6k=?=", "If-None-Match": "*"}
    for name in headers:
        fewer = {other: value for other, value in headers.items() if other != name}
        assert (await request("PUT", url, data=b"x", headers=fewer))[0] in (400, 403)
    assert (await request("PUT", url, data=b"x", headers=headers | {"x-amz-acl": "public-read"}))[0] == 403
    assert server.objects == {}
    assert (await request("PUT", url, data=b"x", headers=headers))[0] == 200
    found = await driver.get_object("bucket", "key")
    assert (found.content_type, found.metadata) == ("video/mp4", {"author": "é"})
    assert (await request("PUT", url, data=b"x", headers=headers))[0] == 412


async def test_a_customer_key_does_not_travel_over_http(make_driver):
    with pytest.raises(ConfigurationError, match="https"):
        await make_driver().create_upload_url("bucket", "key", expires_in=60, sse_customer_key=b"k" * 32)
    async with aws() as driver:
        url = await driver.create_upload_url("videos", "key", expires_in=60, sse_customer_key=b"k" * 32)
    assert "server-side-encryption-customer-key" in url
    assert "a2tra2tr" not in url


async def test_attributes_that_no_upload_can_have_are_refused(server, make_driver):
    driver = make_driver()
    with pytest.raises(TypeError, match="colour"):
        await driver.create_upload_url("bucket", "key", expires_in=60, colour="red")
    with pytest.raises(ConfigurationError, match="line break"):
        await driver.create_upload_url("bucket", "key", expires_in=60, cache_control="a\r\nb")
    async with aws("google", region=None) as google:
        with pytest.raises(ConfigurationError, match="tags"):
            await google.create_upload_url("bucket", "key", expires_in=60, tags={"a": "b"})
    assert server.requests == []


async def test_a_download_url_reads_the_object_with_the_signed_overrides(driver):
    await driver.upload_object_via_stream(b"content", "bucket", "a b")
    url = await driver.create_download_url(
        "bucket", "a b", expires_in=60, response_content_disposition='attachment; filename="c d"'
    )
    assert parse_qs(urlsplit(url).query)["response-content-disposition"] == ['attachment; filename="c d"']
    assert await request("GET", url) == (200, b"content")
    assert (await request("PUT", url, data=b"x"))[0] == 403
    assert (await request("GET", url.replace("attachment", "inline")))[0] == 403


@pytest.mark.parametrize(
    ("override", "error"),
    [
        ({"content_type": "text/plain"}, TypeError),
        ({"response_content_type": "text\r\nplain"}, ConfigurationError),
        ({"response_content_type": 3}, ConfigurationError),
    ],
)
async def test_an_override_that_cannot_be_is_refused(override, error) -> None:
    async with aws() as driver:
        with pytest.raises(error):
            await driver.create_download_url("videos", "a", expires_in=60, **override)
        assert "response" not in await driver.create_download_url(
            "videos", "a", expires_in=60, response_content_type=None
        )


async def test_an_upload_url_binds_a_declared_size(server, driver):
    url = await driver.create_upload_url("bucket", "key", expires_in=60, size=5)
    assert (await request("PUT", url, data=b"1234"))[0] == 403
    assert (await request("PUT", url, data=b"12345"))[0] == 200
    with pytest.raises(ConfigurationError, match="size"):
        await driver.create_upload_url("bucket", "key", expires_in=60, size=-1)


async def test_a_url_is_for_the_buckets_region_once_a_request_has_shown_that_region():
    """Making a URL sends no request, so the first URL is for the driver's region."""
    async with (
        S3Server(provider="aws", region="eu-west-1") as server,
        aws(endpoint_url=server.endpoint_url, region="us-east-1", credentials=server.credentials) as driver,
    ):
        before = await driver.create_upload_url("bucket", "key", expires_in=60)
        await driver.get_container("bucket")
        after = await driver.create_upload_url("bucket", "key", expires_in=60)
        assert [(await request("PUT", url, data=b"x"))[0] for url in (before, after)] == [400, 200]
        assert (await request("GET", await driver.create_download_url("bucket", "key", expires_in=60)))[1] == b"x"
