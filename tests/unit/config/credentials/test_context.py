from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from aios3._config.aws_files.profiles import Section, SharedConfig
from aios3._config.aws_files.shared_files import Profile
from aios3._config.credentials.context import LookupContext
from aios3.errors import ConfigurationError

SERVICES = {"s": Section(nested={"sts": {"endpoint_url": "http://service-sts"}})}


def make_context(environ: dict[str, str], values: dict[str, str] | None = None) -> LookupContext:
    return LookupContext(environ, Profile(settings=Section(values or {}), services=SERVICES))


@pytest.mark.parametrize(
    ("environ", "values", "url"),
    [
        ({}, {}, None),
        ({}, {"endpoint_url": "http://p"}, "http://p"),
        ({}, {"endpoint_url": "http://p", "services": "s"}, "http://service-sts"),
        ({"AWS_ENDPOINT_URL": "http://e"}, {"endpoint_url": "http://p", "services": "s"}, "http://e"),
        ({"AWS_ENDPOINT_URL": "http://e", "AWS_ENDPOINT_URL_STS": "http://sts"}, {}, "http://sts"),
        ({"AWS_ENDPOINT_URL_S3": "http://s3", "AWS_ENDPOINT_URL_SSO": "http://sso"}, {}, None),
        ({"AWS_ENDPOINT_URL": "http://e", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, {}, None),
        ({"AWS_ENDPOINT_URL_STS": "http://e"}, {"ignore_configured_endpoint_urls": "true"}, None),
        # Another store's: it would get the tokens.
        ({"AWS_ENDPOINT_URL": "https://me.r2.cloudflarestorage.com"}, {}, None),
        ({"AWS_ENDPOINT_URL": "https://fly.storage.tigris.dev"}, {"endpoint_url": "http://p"}, "http://p"),
        ({}, {"endpoint_url": "https://S3.nl-ams.scw.cloud/"}, None),
        ({"AWS_ENDPOINT_URL_STS": "https://sts.wasabisys.com"}, {}, "https://sts.wasabisys.com"),
        (
            {"AWS_ENDPOINT_URL": "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com"},
            {},
            "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com",
        ),
        ({"AWS_ENDPOINT_URL": "http://[x"}, {}, "http://[x"),
    ],
)
def test_endpoints_of_services_are_looked_up_in_order(environ, values, url):
    """The service's own variable, everybody's, the service's setting, the profile's; or none if they are ignored."""
    assert make_context(environ, values).endpoint_url("sts") == url


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "https://sts-fips.us-west-2.amazonaws.com"),
        ({"AWS_ENDPOINT_URL": "http://e"}, "http://e"),
        (
            {"AWS_ENDPOINT_URL": "http://e", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "https://sts-fips.us-west-2.amazonaws.com",
        ),
    ],
)
def test_sts_is_asked_at_its_fips_endpoint_unless_another_is_configured(environ, url):
    """SSO has none of its own name."""
    found = dataclasses.replace(make_context(environ), uses_fips=True, region="us-west-2")
    assert found.endpoint_url("sts") == found.below(Profile("x")).endpoint_url("sts") == url
    assert found.endpoint_url("sso") == (None if url.startswith("https") else url)


def test_a_services_section_must_exist():
    """As for S3."""
    with pytest.raises(ConfigurationError, match="services section 'x'"):
        make_context({}, {"services": "x"}).endpoint_url("sts")


def test_empty_variables_are_unset():
    found = make_context({"A": "", "B": "x", "C": "TRUE", "AWS_CA_BUNDLE": "/ca"})
    assert (found.variable("A"), found.variable("B"), found.variable("D")) == (None, "x", None)
    assert (found.is_on("A"), found.is_on("B"), found.is_on("C")) == (False, False, True)
    assert found.ca_bundle == "/ca"
    assert make_context({}).ca_bundle is None


def test_going_below_remembers_the_way():
    """So that a circle is noticed; everything else stays."""
    top = LookupContext({"A": "b"}, Profile("top"), "eu-west-1", Path("/home"))
    below = top.below(Profile("source"))
    assert (below.profile.name, below.role_chain) == ("source", ("top",))
    assert below.below(Profile("x")).role_chain == ("top", "source")
    assert (below.environ, below.region, below.home, below.clock) == (top.environ, top.region, top.home, top.clock)


def test_secrets_do_not_show_in_repr():
    section = Section({"aws_secret_access_key": "hidden"}, {"a": {"b": "hidden"}})
    shared = SharedConfig({"p": section}, {"p": section}, {"p": section})
    found = LookupContext({"X": "hidden"}, Profile(settings=section, services={"p": section}, shared=shared))
    assert "hidden" not in repr(found)
