from __future__ import annotations

import pytest

from aios3._config.aws_files.environment import Environment
from aios3._config.aws_files.profiles import Section
from aios3._config.aws_files.shared_files import Profile
from aios3._config.endpoints.endpoint import (
    CustomEndpoint,
    OwnEndpoints,
    find_custom_endpoint,
    find_own_endpoints,
    resolve_endpoint,
)
from aios3._protocol.wire.uri import Addressing, Endpoint
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
    variant: frozenset[str] = frozenset(),
    asked: Addressing | None = None,
) -> Endpoint:
    nested = {} if style is None else {"s3": {"addressing_style": style}}
    profile = Profile("p", settings=Section(values or {}, nested), services=SERVICES)
    custom = find_custom_endpoint(provider, url, environment, profile)
    return resolve_endpoint(provider, custom, variant, "eu-west-1", profile, asked)


def custom(url: str) -> CustomEndpoint:
    found = find_custom_endpoint(GENERIC, url, Environment(), Profile())
    assert found is not None
    return found


def test_the_order_is_argument_environment_services_profile_provider():
    environment = Environment(endpoint_url="http://environment", general_endpoint_url="http://general")
    values = {"services": "local", "endpoint_url": "http://profile"}
    assert resolve(AWS, "http://argument", environment, values).host == "argument"
    assert resolve(AWS, None, environment, values).host == "environment"
    assert resolve(AWS, None, Environment(general_endpoint_url="http://general"), values).host == "general"
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
    assert resolve(AWS, None, environment, values).host == "s3.eu-west-1.amazonaws.com"
    assert resolve(AWS, "http://argument", environment, values).host == "argument"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("generic", ""),
        ("cloudflare", r" of the form https://\{account\}\.r2\.cloudflarestorage\.com,"),
        ("oracle", r" of the form https://\{namespace\}\.compat\.objectstorage\.eu-west-1\.oci\.customer-oci\.com,"),
    ],
)
def test_a_missing_endpoint_is_an_error_that_says_what_it_looks_like(name, form):
    with pytest.raises(ConfigurationError, match=f"'{name}'.*endpoint_url={form}.* set AWS_ENDPOINT_URL"):
        resolve(find_provider(name))


@pytest.mark.parametrize(
    ("variant", "host"),
    [
        ({"dualstack"}, "s3.dualstack.eu-west-1.amazonaws.com"),
        ({"fips"}, "s3-fips.eu-west-1.amazonaws.com"),
        ({"dualstack", "fips"}, "s3-fips.dualstack.eu-west-1.amazonaws.com"),
        ({"accelerate"}, "s3.eu-west-1.amazonaws.com"),
        ({"accelerate", "dualstack"}, "s3.dualstack.eu-west-1.amazonaws.com"),
    ],
)
def test_the_providers_endpoint_can_be_a_variant(variant, host):
    """What accelerates is not for everything, and so not the endpoint."""
    assert resolve(AWS, variant=frozenset(variant)) == Endpoint("https", host, addressing="virtual")


@pytest.mark.parametrize(
    ("url", "addressing"),
    [
        ("https://s3.eu-west-1.amazonaws.com", "virtual"),
        ("https://s3.dualstack.eu-west-1.amazonaws.com", "virtual"),
        ("https://s3-accelerate.amazonaws.com", "virtual"),
        ("https://s3-eu-west-1.amazonaws.com", "virtual"),
        ("https://s3.us-gov-west-1.amazonaws.com", "virtual"),
        ("https://bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com", "virtual"),
        ("https://S3.EU-WEST-1.AMAZONAWS.COM:443/", "virtual"),
        ("http://localhost:9000", "path"),
        ("https://minio.example.com", "path"),
        ("https://s3.evil-amazonaws.com", "path"),
        ("https://s3.amazonaws.com.example.com", "path"),
    ],
)
def test_only_the_providers_own_hosts_are_addressed_its_way(url, addressing):
    assert resolve(AWS, url).addressing == addressing


def test_a_pattern_that_ends_in_the_region_has_no_other_own_hosts():
    mine = Provider("mine", endpoint="https://s3.{region}", addressing="virtual", foreign_addressing="path")
    assert resolve(mine) == Endpoint("https", "s3.eu-west-1", addressing="virtual")
    assert resolve(mine, "https://s3.eu-west-1").addressing == "path"


@pytest.mark.parametrize("endpoint", [None, "https://s3.{region}.store.example"])
def test_a_records_own_addressing_holds_at_every_host(endpoint):
    """Unless the record, the profile or the caller says otherwise."""
    mine = Provider("mine", endpoint=endpoint, addressing="virtual")
    assert resolve(mine, "https://other.example").locate("b", "k") == ("b.other.example", "/k")
    assert resolve(mine, "https://other.example", style="path").addressing == "path"
    assert resolve(mine, "https://other.example", style="path", asked="virtual").addressing == "virtual"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me.store.example", "virtual"),
        ("https://mystore.example", "path"),
        ("https://alias.example", "virtual"),
        ("https://b.alias.example", "virtual"),
        ("https://aliases.example", "path"),
    ],
)
def test_forms_and_aliases_are_own_hosts_too(url, expected):
    mine = Provider(
        "mine",
        endpoint_form="https://{me}.store.example",
        endpoint_aliases=("https://alias.example",),
        addressing="virtual",
        foreign_addressing="path",
    )
    assert resolve(mine, url).addressing == expected


@pytest.mark.parametrize(
    ("name", "url", "region"),
    [
        ("backblaze", "https://s3.us-west-004.backblazeb2.com", "us-west-004"),
        ("backblaze", "https://S3.us-west-004.backblazeb2.com:443/", "us-west-004"),
        ("backblaze", "https://s3.us-west-004.backblazeb2.com:8443", None),
        ("backblaze", "https://s3.us-west-004.backblazeb2.com.example.org", None),
        ("digitalocean", "https://nyc3.digitaloceanspaces.com", "nyc3"),
        ("digitalocean", "https://nyc3.cdn.digitaloceanspaces.com", "nyc3"),
        ("digitalocean", "https://videos.nyc3.digitaloceanspaces.com", "nyc3"),
        ("oracle", "https://me.compat.objectstorage.eu-zurich-1.oci.customer-oci.com", "eu-zurich-1"),
        ("aws", "https://s3.dualstack.eu-west-3.amazonaws.com", "eu-west-3"),
        ("aws", "https://s3-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("aws", "https://s3-us-west-2.amazonaws.com", "us-west-2"),
        ("aws", "https://s3-accelerate.amazonaws.com", None),
        ("aws", "https://s3-external-1.amazonaws.com", None),
        ("aws", "https://s3.amazonaws.com", None),
        ("s3express", "https://s3express-use1-az4.us-east-1.amazonaws.com", "us-east-1"),
        ("s3express", "https://s3express-control.us-east-1.amazonaws.com", "us-east-1"),
        ("cloudflare", "https://me.r2.cloudflarestorage.com", None),
        ("minio", "https://s3.eu-west-1.amazonaws.com", None),
    ],
)
def test_a_host_of_the_providers_names_its_region(name, url, region):
    assert custom(url).region(find_provider(name)) == region


def test_a_provider_has_its_endpoint_in_every_region():
    """The variant stays, and so does the way to name buckets; a redirect's host tells the region."""
    own = find_own_endpoints(AWS, resolve(AWS, variant=frozenset({"fips"})), "eu-west-1")
    assert own == OwnEndpoints(AWS, frozenset({"fips"}), "virtual", "eu-west-1")
    assert own.of_region("us-east-2") == Endpoint("https", "s3-fips.us-east-2.amazonaws.com", addressing="virtual")
    assert own.read_region("b.s3-us-west-2.amazonaws.com", "b") == "us-west-2"
    assert own.read_region("s3.us-west-2.amazonaws.com", "b") == "us-west-2"
    assert own.read_region("b.evil.example", "b") is None
    assert own.of_region("cn-north-1") is None


@pytest.mark.parametrize(
    ("provider", "url", "expected"),
    [
        (AWS, "https://s3.eu-west-1.amazonaws.com", frozenset()),
        (AWS, "https://s3.dualstack.eu-west-1.amazonaws.com", frozenset({"dualstack"})),
        (AWS, "https://s3.us-east-1.amazonaws.com", None),
        (AWS, "https://s3.eu-west-1.amazonaws.com/videos", frozenset()),
        (AWS, "https://videos.s3.dualstack.eu-west-1.amazonaws.com", frozenset({"dualstack"})),
        (AWS, "http://s3.eu-west-1.amazonaws.com", None),
        (AWS, "https://s3-accelerate.amazonaws.com", None),
        (GENERIC, "https://s3.eu-west-1.amazonaws.com", None),
        (find_provider("google"), "https://storage.googleapis.com", None),
        (find_provider("s3express"), "https://s3express-control.eu-west-1.amazonaws.com", None),
    ],
)
def test_an_endpoint_that_was_written_down_is_the_providers_if_it_is_the_same(provider, url, expected):
    own = find_own_endpoints(provider, resolve(provider, url), "eu-west-1")
    assert (None if own is None else own.variant) == expected


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
    assert resolve(AWS, url, style=style).addressing == expected


def test_an_unknown_addressing_is_an_error():
    with pytest.raises(ConfigurationError, match=r"profile 'p': addressing_style .* path, virtual or auto"):
        resolve(style="sideways")


@pytest.mark.parametrize(
    ("kwargs", "origin"),
    [
        ({"url": "ftp://u:hidden@h"}, "endpoint_url="),
        ({"environment": Environment(endpoint_url="ftp://u:hidden@h")}, "AWS_ENDPOINT_URL_S3"),
        ({"environment": Environment(general_endpoint_url="h:9000")}, "AWS_ENDPOINT_URL"),
        ({"values": {"endpoint_url": "ftp://u:hidden@h"}}, "the endpoint_url of profile 'p'"),
    ],
)
def test_a_bad_url_is_named_by_origin(kwargs, origin):
    """So that one knows where to mend it; a password in it is not shown."""
    with pytest.raises(ConfigurationError) as caught:
        resolve(**kwargs)
    assert str(caught.value).startswith(f"{origin}: ")
    assert "hidden" not in str(caught.value)
