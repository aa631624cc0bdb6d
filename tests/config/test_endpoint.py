from __future__ import annotations

import pytest

from aios3._config.endpoint import resolve_endpoint
from aios3._config.environment import Environment
from aios3._config.profiles import Section
from aios3._config.shared_files import Profile
from aios3._protocol.uri import Endpoint
from aios3.errors import ConfigurationError
from aios3.providers import Provider, find_provider

AWS = find_provider("aws")
GENERIC = find_provider("generic")
SERVICES = {"local": Section(nested={"s3": {"endpoint_url": "http://services"}})}


def resolve(
    provider: Provider = AWS,
    url: str | None = None,
    environment: Environment = Environment(),
    values: dict[str, str] | None = None,
    style: str | None = None,
) -> Endpoint:
    nested = {} if style is None else {"s3": {"addressing_style": style}}
    return resolve_endpoint(
        provider, url, "eu-west-1", environment, Profile("p", settings=Section(values or {}, nested), services=SERVICES)
    )


def test_the_order_is_argument_environment_services_profile_provider():
    """Each counts only where all before it are silent."""
    environment = Environment(endpoint_url="http://environment")
    values = {"services": "local", "endpoint_url": "http://profile"}
    assert resolve(AWS, "http://argument", environment, values).host == "argument"
    assert resolve(AWS, None, environment, values).host == "environment"
    assert resolve(AWS, None, values=values).host == "services"
    assert resolve(AWS, None, values={"endpoint_url": "http://profile"}).host == "profile"
    assert resolve(AWS) == Endpoint("https", "s3.eu-west-1.amazonaws.com", addressing="virtual")


@pytest.mark.parametrize(
    ("environment", "values"),
    [
        (Environment(endpoint_url="http://e", ignores_endpoints=True), {"endpoint_url": "http://p"}),
        (Environment(endpoint_url="http://e"), {"ignore_configured_endpoint_urls": "True", "endpoint_url": "http://p"}),
    ],
)
def test_configured_endpoints_can_be_ignored(environment, values):
    """By variable or profile; the argument still counts."""
    assert resolve(AWS, None, environment, values).host == "s3.eu-west-1.amazonaws.com"
    assert resolve(AWS, "http://argument", environment, values).host == "argument"


def test_no_endpoint_says_what_to_set():
    """A provider without a host of its own needs to be told."""
    with pytest.raises(ConfigurationError, match=r"'generic'.*endpoint_url=.*AWS_ENDPOINT_URL"):
        resolve(GENERIC)


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.eu-west-1.amazonaws.com",
        "https://s3.us-gov-west-1.amazonaws.com",
        "https://bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com",
        "https://S3.EU-WEST-1.AMAZONAWS.COM:443/",
    ],
)
def test_the_providers_own_hosts_are_addressed_its_way(url):
    """In any region, and below it."""
    assert resolve(AWS, url).addressing == "virtual"


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9000",
        "https://minio.example.com",
        "https://s3.evil-amazonaws.com",
        "https://s3.amazonaws.com.example.com",
    ],
)
def test_other_hosts_are_addressed_by_path(url):
    """Whatever the provider's own way is."""
    assert resolve(AWS, url).addressing == "path"


@pytest.mark.parametrize(
    ("pattern", "url", "expected"),
    [
        ("https://store.example", "https://store.example", "virtual"),
        ("https://store.example", "https://eu.store.example", "virtual"),
        ("https://store.example", "https://mystore.example", "path"),
        ("https://s3.{region}", "https://s3.eu-west-1", "path"),
        (None, "https://store.example", "path"),
    ],
)
def test_own_hosts_follow_from_the_pattern(pattern, url, expected):
    """The part of the pattern after the region, or all of it, at a dot; a pattern without such a part has none."""
    assert resolve(Provider("mine", endpoint=pattern, addressing="virtual"), url).addressing == expected


def test_the_providers_endpoint_is_addressed_its_way():
    """Also where the pattern says nothing about other hosts."""
    endpoint = resolve(Provider("mine", endpoint="https://s3.{region}", addressing="virtual"))
    assert endpoint == Endpoint("https", "s3.eu-west-1", addressing="virtual")


@pytest.mark.parametrize(
    ("url", "style", "expected"),
    [
        (None, "path", "path"),
        (None, "virtual", "virtual"),
        (None, "auto", "virtual"),
        ("http://minio.example", "virtual", "virtual"),
        ("http://minio.example", "auto", "path"),
    ],
)
def test_the_profile_can_choose_the_addressing(url, style, expected):
    """path and virtual hold for every endpoint; auto leaves it as it is."""
    assert resolve(AWS, url, style=style).addressing == expected


def test_an_unknown_addressing_is_an_error():
    """The error names the profile and what may stand there."""
    with pytest.raises(ConfigurationError, match=r"profile 'p': addressing_style .* path, virtual or auto"):
        resolve(style="sideways")


@pytest.mark.parametrize(
    ("kwargs", "origin"),
    [
        ({"url": "ftp://u:hidden@h"}, "endpoint_url="),
        ({"environment": Environment(endpoint_url="ftp://u:hidden@h")}, "AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL"),
        ({"values": {"endpoint_url": "ftp://u:hidden@h"}}, "the endpoint_url of profile 'p'"),
    ],
)
def test_a_bad_url_is_named_by_origin(kwargs, origin):
    """So that one knows where to mend it; a password in it is not shown."""
    with pytest.raises(ConfigurationError) as caught:
        resolve(**kwargs)
    assert str(caught.value).startswith(f"{origin}: ")
    assert "hidden" not in str(caught.value)
