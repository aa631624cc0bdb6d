from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios3._config.aws_files.environment import Environment, is_true, read_environment, read_switch
from aios3._config.credentials.environment_sources import read_environment_credentials
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

HOME = Path("/home/u")
KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "hidden"}
VARIABLES = [
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
]


def test_every_variable_is_read():
    assert read_environment(
        {
            "AWS_PROFILE": "p",
            "AWS_REGION": "r",
            "AWS_ENDPOINT_URL_S3": "http://e",
            "AWS_ENDPOINT_URL": "http://all",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
            "AWS_CA_BUNDLE": "/ca.pem",
            "AWS_CONFIG_FILE": "/c",
            "AWS_SHARED_CREDENTIALS_FILE": "/s",
            "AWS_USE_DUALSTACK_ENDPOINT": "false",
            "AWS_USE_FIPS_ENDPOINT": "True",
        }
    ) == Environment("p", "r", "http://e", True, "/ca.pem", "/c", "/s", False, True, "http://all")


def test_empty_variables_count_as_unset():
    environ = dict.fromkeys(VARIABLES, "")
    assert read_environment(environ) == read_environment({}) == Environment()
    assert read_environment_credentials(environ) is None


@pytest.mark.parametrize(
    ("first", "second", "field"),
    [
        ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "profile"),
        ("AWS_REGION", "AWS_DEFAULT_REGION", "region"),
    ],
)
def test_the_first_of_two_names_wins(first, second, field):
    assert getattr(read_environment({first: "a", second: "b"}), field) == "a"
    assert getattr(read_environment({first: "", second: "b"}), field) == "b"


@pytest.mark.parametrize(
    ("more", "token"),
    [
        ({}, None),
        ({"AWS_SESSION_TOKEN": "tok"}, "tok"),
        ({"AWS_SECURITY_TOKEN": "tok"}, "tok"),
        ({"AWS_SECURITY_TOKEN": "old", "AWS_SESSION_TOKEN": "new"}, "new"),
    ],
)
def test_keys_are_read_with_a_token_under_either_name(more, token):
    assert read_environment_credentials({**KEYS, **more}) == Credentials("AKID", "hidden", token)


def test_files_are_in_the_home_directory_unless_named():
    assert Environment().config_path(HOME) == HOME / ".aws" / "config"
    assert Environment().credentials_path(HOME) == HOME / ".aws" / "credentials"


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("~", HOME),
        ("~/x/y", HOME / "x" / "y"),
        ("~\\x", HOME / "x"),
        ("/abs", Path("/abs")),
        ("~other/x", Path("~other/x")),
    ],
)
def test_tilde_is_the_home_directory(named, expected):
    environment = Environment(config_file=named, credentials_file=named)
    assert environment.config_path(HOME) == environment.credentials_path(HOME) == expected


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("$HOME/c", "/home/u/c"),
        ("${HOME}/$NAME.d", "/home/u/n.d"),
        ("$ABSENT/${ABSENT}/c$", "$ABSENT/${ABSENT}/c$"),
    ],
)
def test_variables_in_the_names_of_files_are_filled_in(named, expected):
    """As botocore does, where no shell has done it."""
    environ = {"HOME": "/home/u", "NAME": "n", "AWS_CONFIG_FILE": named, "AWS_SHARED_CREDENTIALS_FILE": named}
    environment = read_environment(environ)
    assert environment.config_path(HOME) == environment.credentials_path(HOME) == Path(expected)


@pytest.mark.parametrize("missing", sorted(KEYS))
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_half_a_pair_is_an_error(missing, how):
    """A key without its secret, or the reverse, is never passed over."""
    environ = {name: value for name, value in KEYS.items() if name != missing}
    if how == "empty":
        environ[missing] = ""
    with pytest.raises(ConfigurationError, match=f"{missing} is not") as caught:
        read_environment_credentials(environ)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31T12:00:00+01:00", datetime(2030, 1, 31, 12, tzinfo=timezone(timedelta(hours=1)))),
    ],
)
def test_the_expiration_is_read(text, expected):
    """ISO 8601 with a zone."""
    credentials = read_environment_credentials({**KEYS, "AWS_CREDENTIAL_EXPIRATION": text})
    assert credentials is not None
    assert credentials.expires_at == expected


@pytest.mark.parametrize("text", ["soon", "2030-01-31T12:00:00"])
def test_an_expiration_that_is_no_time_or_has_no_zone_is_an_error(text):
    with pytest.raises(ConfigurationError, match="AWS_CREDENTIAL_EXPIRATION"):
        read_environment_credentials({**KEYS, "AWS_CREDENTIAL_EXPIRATION": text})
    assert read_environment_credentials({"AWS_CREDENTIAL_EXPIRATION": text}) is None


@pytest.mark.parametrize(
    ("text", "expected"), [("true", True), ("TRUE", True), ("false", False), ("1", False), (None, False)]
)
def test_only_true_is_true(text, expected):
    assert is_true(text) is expected
    assert read_switch(text) is (None if text is None else expected)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(VARIABLES), st.text()))
def test_any_environment_gives_settings_or_a_configuration_error(environ):
    environ["AWS_SECRET_ACCESS_KEY"] = "hidden" + environ.get("AWS_SECRET_ACCESS_KEY", "")
    assert isinstance(read_environment(environ), Environment)
    assert "hidden" not in outcome(environ)


def outcome(environ: dict[str, str]) -> str:
    try:
        return repr(read_environment_credentials(environ))
    except ConfigurationError as error:
        return str(error)
