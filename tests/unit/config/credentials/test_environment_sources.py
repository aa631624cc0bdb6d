from __future__ import annotations

import pytest

from aios3._config.credentials.container import ContainerCredentials
from aios3._config.credentials.environment_sources import (
    find_metadata_url,
    from_container,
    from_environment_web_identity,
    from_metadata,
)
from aios3._config.credentials.instance_metadata import InstanceMetadataCredentials
from aios3._config.credentials.role_providers import WebIdentityCredentials
from aios3.errors import ConfigurationError
from tests.support.credential_chain import attribute, make_places
from tests.support.credential_stand_in import StandIn, metadata, sts

RELATIVE, FULL = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"


@pytest.fixture
def make_context(tmp_path):
    return lambda **environ: make_places(tmp_path, environ)


async def test_a_web_identity_is_exchanged(make_context, stand_in, tmp_path):
    (tmp_path / "token").write_text("jwt")
    stand_in.on(sts("AssumeRoleWithWebIdentity"))
    found = from_environment_web_identity(
        make_context(
            AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"),
            AWS_ROLE_ARN="arn:role",
            AWS_ROLE_SESSION_NAME="pod",
            AWS_ENDPOINT_URL_STS=stand_in.url,
        )
    )
    assert isinstance(found, WebIdentityCredentials)
    assert (await found.get_credentials()).access_key_id == "KEY1"
    form = stand_in.asked[0].form
    assert (form["RoleArn"], form["RoleSessionName"], form["WebIdentityToken"]) == ("arn:role", "pod", "jwt")
    assert attribute(attribute(found, "sts"), "region") == "eu-west-1"


def test_a_web_identity_needs_both(make_context):
    """A role alone is nobody's error: others use the variable too."""
    with pytest.raises(ConfigurationError, match="AWS_ROLE_ARN is not"):
        from_environment_web_identity(make_context(AWS_WEB_IDENTITY_TOKEN_FILE="/t"))
    assert from_environment_web_identity(make_context(AWS_ROLE_ARN="arn")) is None


async def test_a_container_is_asked(make_context, stand_in: StandIn, tmp_path):
    """The relative address first; with the token, or the file that has it."""
    (tmp_path / "token").write_text("from-file")
    stand_in.on(metadata())
    for more in (
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "given"},
        {
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "given",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
        },
    ):
        found = from_container(make_context(**{FULL: f"{stand_in.url}/full", **more}))
        assert isinstance(found, ContainerCredentials)
        assert (await found.get_credentials()).access_key_id == "KEY1"
    assert [asked.headers["authorization"] for asked in stand_in.asked] == ["given", "from-file"]
    found = from_container(make_context(**{RELATIVE: "/x", FULL: "http://localhost/y"}))
    assert attribute(found, "url") == "http://169.254.170.2/x"
    assert from_container(make_context()) is None


@pytest.mark.parametrize("uri", ["@evil.example/x", ".evil.example/x", "http://localhost/x", ":80/x"])
def test_a_relative_address_begins_with_a_slash(make_context, uri):
    """Anything else could lead to another host."""
    with pytest.raises(ConfigurationError, match="RELATIVE_URI must begin with a slash"):
        from_container(make_context(**{RELATIVE: uri}))


def test_the_metadata_service_can_be_switched_off(make_context):
    assert isinstance(from_metadata(make_context()), InstanceMetadataCredentials)
    assert isinstance(from_metadata(make_context(AWS_EC2_METADATA_DISABLED="false")), InstanceMetadataCredentials)
    assert from_metadata(make_context(AWS_EC2_METADATA_DISABLED="True")) is None


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "http://169.254.169.254"),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv4"}, "http://169.254.169.254"),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}, "http://[fd00:ec2::254]"),
        (
            {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://h/", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"},
            "http://h",
        ),
    ],
)
def test_the_metadata_service_can_be_elsewhere(make_context, environ, url):
    assert attribute(from_metadata(make_context(**environ)), "url") == url
    assert (find_metadata_url(make_context(**environ)) or "http://169.254.169.254").rstrip("/") == url


def test_the_metadata_services_patience_and_version_can_be_set(make_context):
    usual = from_metadata(make_context())
    assert [attribute(attribute(usual, "requests"), name) for name in ("seconds", "attempts")] == [1, 1]
    assert attribute(usual, "allows_v1")
    changed = from_metadata(
        make_context(
            AWS_METADATA_SERVICE_TIMEOUT="5", AWS_METADATA_SERVICE_NUM_ATTEMPTS="2", AWS_EC2_METADATA_V1_DISABLED="true"
        )
    )
    assert [attribute(attribute(changed, "requests"), name) for name in ("seconds", "attempts")] == [5, 2]
    assert not attribute(changed, "allows_v1")


def test_the_profile_sets_the_metadata_service_too(tmp_path):
    """Under the names of the variables, which come first."""
    config = (
        "[default]\nmetadata_service_timeout = 7\nmetadata_service_num_attempts = 3\nec2_metadata_v1_disabled = True\n"
        "ec2_metadata_service_endpoint_mode = ipv6\n"
    )
    found = from_metadata(make_places(tmp_path, {"AWS_METADATA_SERVICE_TIMEOUT": "5"}, config=config))
    assert [attribute(attribute(found, "requests"), name) for name in ("seconds", "attempts")] == [5, 3]
    assert (attribute(found, "allows_v1"), attribute(found, "url")) == (False, "http://[fd00:ec2::254]")
    config += "ec2_metadata_service_endpoint = http://h\n"
    assert find_metadata_url(make_places(tmp_path, config=config)) == "http://h"
    allowed = from_metadata(make_places(tmp_path, {"AWS_EC2_METADATA_V1_DISABLED": "false"}, config=config))
    assert attribute(allowed, "allows_v1")


@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "101", "²"])
def test_patience_is_a_small_number(make_context, value):
    with pytest.raises(ConfigurationError, match="AWS_METADATA_SERVICE_TIMEOUT must be a whole number"):
        from_metadata(make_context(AWS_METADATA_SERVICE_TIMEOUT=value))
