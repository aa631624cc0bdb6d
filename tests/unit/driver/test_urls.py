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


# public


@pytest.mark.parametrize(
    ("options", "bucket", "container_url", "object_url"),
    [
        (
            {},
            "videos",
            "https://videos.s3.eu-west-1.amazonaws.com/",
            "https://videos.s3.eu-west-1.amazonaws.com/a//b%20c",
        ),
        ({}, "a.b", "https://s3.eu-west-1.amazonaws.com/a.b", "https://s3.eu-west-1.amazonaws.com/a.b/a//b%20c"),
        (
            {"provider": "generic", "endpoint_url": "https://Store.Example:8443/base/"},
            "videos",
            "https://store.example:8443/base/videos",
            "https://store.example:8443/base/videos/a//b%20c",
        ),
        (
            {"endpoint_url": "https://s3.us-west-2.amazonaws.com/videos/"},
            "videos",
            "https://videos.s3.us-west-2.amazonaws.com/",
            "https://videos.s3.us-west-2.amazonaws.com/a//b%20c",
        ),
        (
            {"endpoint_url": "https://cdn.example.org/base", "addressing": "cname"},
            "Any_Bucket",
            "https://cdn.example.org/base/",
            "https://cdn.example.org/base/a//b%20c",
        ),
        (
            {"endpoint_url": "https://s3.us-west-2.amazonaws.com:8443"},
            "videos",
            "https://s3.us-west-2.amazonaws.com:8443/videos",
            "https://s3.us-west-2.amazonaws.com:8443/videos/a//b%20c",
        ),
        (
            {"endpoint_url": "https://s3.us-west-2.amazonaws.com:8443/base/"},
            "a.b",
            "https://s3.us-west-2.amazonaws.com:8443/base/a.b",
            "https://s3.us-west-2.amazonaws.com:8443/base/a.b/a//b%20c",
        ),
        (
            {"provider": "generic", "endpoint_url": "https://[::1]:9000/x"},
            "a.b",
            "https://[::1]:9000/x/a.b",
            "https://[::1]:9000/x/a.b/a//b%20c",
        ),
        (
            {"provider": "alibaba", "endpoint_url": "http://[::1]"},
            "videos",
            "http://[::1]/videos",
            "http://[::1]/videos/a//b%20c",
        ),
        (
            {"provider": "generic", "endpoint_url": "http://127.0.0.1:9000"},
            "videos",
            "http://127.0.0.1:9000/videos",
            "http://127.0.0.1:9000/videos/a//b%20c",
        ),
    ],
)
async def test_public_urls_are_those_that_the_driver_uses(options, bucket, container_url, object_url):
    """Scheme, host, port, base path and the way to name a bucket; never credentials."""
    async with aws(**options) as driver:
        assert await driver.get_container_cdn_url(bucket) == container_url
        assert await driver.get_object_cdn_url(bucket, "a//b c") == object_url


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ({"use_dualstack": True}, "s3.dualstack.eu-west-1.amazonaws.com"),
        ({"use_fips": True}, "s3-fips.eu-west-1.amazonaws.com"),
        ({"use_fips": True, "use_dualstack": True}, "s3-fips.dualstack.eu-west-1.amazonaws.com"),
        ({"use_accelerate": True}, "s3-accelerate.amazonaws.com"),
        ({"use_accelerate": True, "use_dualstack": True}, "s3-accelerate.dualstack.amazonaws.com"),
    ],
)
async def test_urls_have_the_host_of_the_variant(options, host):
    """Public ones, and signed ones, whose signature is for that host."""
    async with aws(**options) as driver:
        assert await driver.get_container_cdn_url("videos") == f"https://videos.{host}/"
        assert await driver.get_object_cdn_url("videos", "a b") == f"https://videos.{host}/a%20b"
        for signed in (
            await driver.get_object_cdn_url("videos", "key", expires_in=60),
            await driver.create_upload_url("videos", "key", expires_in=60),
        ):
            assert signed.startswith(f"https://videos.{host}/key?")
            assert "%2Feu-west-1%2Fs3%2F" in signed


async def test_keys_are_encoded_exactly():
    """Once, and everything but what needs no encoding."""
    key = "a//b/../ü+%2F?#&=~\n é"
    async with aws() as driver:
        url = await driver.get_object_cdn_url("videos", key)
    assert url == ("https://videos.s3.eu-west-1.amazonaws.com/a//b/../%C3%BC%2B%252F%3F%23%26%3D~%0A%20%C3%A9")


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=50).filter(lambda key: not any(0xD800 <= ord(char) <= 0xDFFF for char in key)))
async def test_any_key_can_be_read_back_from_its_url(key):
    """The path holds it and nothing else does."""
    async with aws("generic", endpoint_url="http://store.example") as driver:
        for base in (None, "https://cdn.example.com/x"):
            parts = urlsplit(await driver.get_object_cdn_url("videos", key, base_url=base))
            assert (parts.query, parts.fragment) == ("", "")
            assert unquote(parts.path, errors="strict") == ("/x/" if base else "/videos/") + key


@pytest.mark.parametrize(
    ("base", "container_url", "object_url"),
    [
        ("https://cdn.example.com", "https://cdn.example.com/", "https://cdn.example.com/a%20b"),
        ("https://CDN.example.com:443/", "https://cdn.example.com/", "https://cdn.example.com/a%20b"),
        ("http://cdn.example.com:81/v/ü".replace("ü", "%C3%BC"), "http://cdn.example.com:81/v/%C3%BC", None),
        ("https://[::1]:8443", "https://[::1]:8443/", "https://[::1]:8443/a%20b"),
        ("https://d111abc.cloudfront.net/x/", "https://d111abc.cloudfront.net/x", None),
    ],
)
async def test_a_base_url_stands_for_the_bucket(base, container_url, object_url):
    """It needs neither an endpoint nor credentials."""
    async with S3StorageDriver() as driver:
        assert await driver.get_container_cdn_url("videos", base_url=base) == container_url
        expected = object_url or f"{container_url}/a%20b"
        assert await driver.get_object_cdn_url("videos", "a b", base_url=base) == expected


@pytest.mark.parametrize(
    "base",
    ["", "cdn.example.com", "ftp://x", "https://", "https://u:p@x", "https://x?a", "https://x#a", "https://a b", 5],
)
async def test_a_base_url_that_cannot_be_is_refused(base):
    """With words about it, and without the password."""
    async with aws() as driver:
        with pytest.raises(ConfigurationError, match="base_url") as caught:
            await driver.get_container_cdn_url("videos", base_url=base)
        assert "u:p" not in str(caught.value)
        with pytest.raises(ConfigurationError, match="base_url"):
            await driver.get_object_cdn_url("videos", "key", base_url=base)


async def test_public_urls_need_no_credentials_and_send_nothing(server, make_driver):
    """They are the same for `ANONYMOUS`, and work where the bucket is public."""
    server.public_buckets.add("bucket")
    await make_driver().upload_object_via_stream(b"hello", "bucket", "a//b ü")
    server.requests.clear()
    driver = make_driver(credentials=ANONYMOUS)
    url = await driver.get_object_cdn_url("bucket", "a//b ü")
    assert server.requests == []
    assert await request("GET", url) == (200, b"hello")


# presigned


async def test_a_presigned_url_lets_its_bearer_read(server, driver):
    """That object, and nothing else; the secret is not in it."""
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


@pytest.mark.parametrize(
    ("expires_in", "seconds"), [(1, 1), (60.9, 60), (timedelta(days=7), WEEK), (timedelta(minutes=1), 60)]
)
async def test_the_span_is_in_the_url(expires_in, seconds):
    """Whole seconds, from 1 to 7 days."""
    async with aws() as driver:
        for url in (
            await driver.get_object_cdn_url("videos", "key", expires_in=expires_in),
            await driver.create_upload_url("videos", "key", expires_in=expires_in),
        ):
            query = parse_qs(urlsplit(url).query)
            assert query["X-Amz-Expires"] == [str(seconds)]
            assert query["X-Amz-Security-Token"] == ["t0ken-t0ken"]
            assert query["X-Amz-Credential"][0].endswith("/eu-west-1/s3/aws4_request")


@pytest.mark.parametrize(
    "expires_in", [0, 0.9, -1, WEEK + 1, timedelta(days=8), timedelta(0), True, "60", float("nan"), float("inf"), 1e300]
)
async def test_a_span_that_cannot_be_is_refused(expires_in):
    """Before anything else."""
    async with aws() as driver:
        with pytest.raises(ConfigurationError):
            await driver.get_object_cdn_url("videos", "key", expires_in=expires_in)
        with pytest.raises(ConfigurationError):
            await driver.create_upload_url("videos", "key", expires_in=expires_in)


async def test_an_upload_url_needs_a_span():
    """`None` is no span."""
    async with aws() as driver:
        with pytest.raises(ConfigurationError, match="expires_in"):
            await driver.create_upload_url("videos", "key", expires_in=None)


async def test_an_expired_url_is_refused(make_driver, small_provider):
    """By the store, which counts from when it was made."""
    times = [datetime.now(UTC)]
    async with S3Server(small_provider, clock=lambda: times[0]) as server:
        url = await make_driver(on=server).create_upload_url("bucket", "key", expires_in=60)
        times[0] += timedelta(seconds=50)
        assert (await request("PUT", url, data=b"x"))[0] == 200
        times[0] += timedelta(seconds=20)
        assert (await request("PUT", url, data=b"y"))[0] == 403


async def test_anonymous_cannot_sign(make_driver):
    """It says what is missing."""
    driver = make_driver(credentials=ANONYMOUS)
    with pytest.raises(ConfigurationError, match="ANONYMOUS"):
        await driver.get_object_cdn_url("bucket", "key", expires_in=60)
    with pytest.raises(ConfigurationError, match="ANONYMOUS"):
        await driver.create_upload_url("bucket", "key", expires_in=60)


async def test_a_cdn_cannot_be_signed_for():
    """The store's signature names the store's host."""
    async with aws() as driver:
        with pytest.raises(ConfigurationError, match="base_url"):
            await driver.get_object_cdn_url("videos", "key", expires_in=60, base_url="https://cdn.example.com")


async def test_signed_urls_are_asked_for_fresh_credentials(make_driver, server):
    """Each time, as a request is."""

    class Source:
        asked = 0

        async def get_credentials(self):
            self.asked += 1
            return server.credentials

    source = Source()
    driver = make_driver(credentials=source)
    await driver.get_object_cdn_url("bucket", "key")
    assert source.asked == 0
    await driver.get_object_cdn_url("bucket", "key", expires_in=60)
    await driver.create_upload_url("bucket", "key", expires_in=60)
    assert source.asked == 2


async def test_an_upload_url_takes_the_object(server, driver):
    """Without attributes the uploader may send any content type."""
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
    """Neither is the URL made, nor the key in it where it may be made."""
    with pytest.raises(ConfigurationError, match="https"):
        await make_driver().create_upload_url("bucket", "key", expires_in=60, sse_customer_key=b"k" * 32)
    async with aws() as driver:
        url = await driver.create_upload_url("videos", "key", expires_in=60, sse_customer_key=b"k" * 32)
    assert "server-side-encryption-customer-key" in url
    assert "a2tra2tr" not in url


async def test_what_an_upload_cannot_have_is_refused(server, make_driver):
    """As for any upload."""
    driver = make_driver()
    with pytest.raises(TypeError, match="colour"):
        await driver.create_upload_url("bucket", "key", expires_in=60, colour="red")
    with pytest.raises(ConfigurationError, match="line break"):
        await driver.create_upload_url("bucket", "key", expires_in=60, cache_control="a\r\nb")
    async with aws("google", region=None) as google:
        with pytest.raises(ConfigurationError, match="tags"):
            await google.create_upload_url("bucket", "key", expires_in=60, tags={"a": "b"})
    assert server.requests == []


@pytest.mark.parametrize(("bucket", "key"), [("a/b", "key"), ("bucket", ""), ("bucket", "\ud800")])
async def test_what_cannot_be_a_name_is_refused(bucket, key):
    """It could be the URL of something else."""
    async with aws() as driver:
        with pytest.raises(ConfigurationError):
            await driver.get_object_cdn_url(bucket, key)
        with pytest.raises(ConfigurationError):
            await driver.create_upload_url(bucket, key, expires_in=60)
        if key == "key":
            with pytest.raises(ConfigurationError):
                await driver.get_container_cdn_url(bucket)


async def test_a_driver_without_an_endpoint_says_so():
    """There is no URL to give."""
    async with S3StorageDriver(credentials=KEYS) as driver:
        with pytest.raises(ConfigurationError, match="endpoint"):
            await driver.get_object_cdn_url("bucket", "key")


# presigned GET


async def test_a_download_url_reads_the_object_and_nothing_else() -> None:
    """Its bearer gets the bytes; the overrides are signed, so that they cannot be changed."""
    async with (
        S3Server() as server,
        S3StorageDriver(endpoint_url=server.endpoint_url, credentials=server.credentials) as driver,
    ):
        await driver.upload_object_via_stream(b"content", "bucket", "a b")
        url = await driver.create_download_url(
            "bucket", "a b", expires_in=60, response_content_disposition='attachment; filename="c d"'
        )
        assert parse_qs(urlsplit(url).query)["response-content-disposition"] == ['attachment; filename="c d"']
        assert await request("GET", url) == (200, b"content")
        assert (await request("PUT", url, data=b"x"))[0] == 403
        assert (await request("GET", url.replace("attachment", "inline")))[0] == 403


async def test_a_download_url_is_what_the_object_url_is_that_expires() -> None:
    async with aws() as driver:
        made = [await driver.create_download_url("videos", "a", expires_in=60)]
        made.append(await driver.get_object_cdn_url("videos", "a", expires_in=60))
    queries = [parse_qs(urlsplit(url).query) for url in made]
    assert [query["X-Amz-Expires"] for query in queries] == [["60"], ["60"]]
    assert queries[0].keys() == queries[1].keys()


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
