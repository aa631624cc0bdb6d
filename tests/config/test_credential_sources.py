from __future__ import annotations

from pathlib import Path

import pytest

from aios3._config.credential_sources import Places, StaticCredentials, find_credentials
from aios3._config.profiles import Section
from aios3._config.shared_files import Profile
from aios3.credentials import Credentials, CredentialsProvider
from aios3.errors import ConfigurationError

IN_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "hidden"}
IN_PROFILE = {"aws_access_key_id": "FILE", "aws_secret_access_key": "hidden"}
PATHS = (Path("/home/u/.aws/config"), Path("/home/u/.aws/credentials"))


def places(environ: dict[str, str], values: dict[str, str], *, named: bool = False) -> Places:
    return Places(environ, Profile("p" if named else "default", named, Section(values), paths=PATHS))


async def found(where: Places) -> Credentials:
    return await find_credentials(where).get_credentials()


async def test_environment_keys_win_over_the_default_profile():
    """Keys in the environment are used before the default profile is."""
    assert (await found(places(IN_ENVIRONMENT, IN_PROFILE))).access_key_id == "ENV"


async def test_a_named_profile_wins_over_environment_keys():
    """Whoever names a profile gets its keys."""
    assert (await found(places(IN_ENVIRONMENT, IN_PROFILE, named=True))).access_key_id == "FILE"


async def test_a_named_profile_without_keys_leaves_them_to_the_environment():
    """A profile that only sets, say, a region is no reason to ignore keys that are there."""
    assert (await found(places(IN_ENVIRONMENT, {"region": "a"}, named=True))).access_key_id == "ENV"


@pytest.mark.parametrize("name", ["aws_session_token", "aws_security_token"])
async def test_a_profile_may_have_a_token(name):
    """Under its new and its old name."""
    assert await found(places({}, {**IN_PROFILE, name: "tok"})) == Credentials("FILE", "hidden", "tok")


async def test_the_new_name_of_the_token_wins():
    """aws_session_token comes before aws_security_token."""
    tokens = {"aws_security_token": "old", "aws_session_token": "new"}
    assert (await found(places({}, IN_PROFILE | tokens))).session_token == "new"


@pytest.mark.parametrize("missing", sorted(IN_PROFILE))
def test_half_a_pair_in_a_profile_is_an_error(missing):
    """The error names the profile and the key, and does not go on to another source."""
    values = {name: value for name, value in IN_PROFILE.items() if name != missing}
    with pytest.raises(ConfigurationError, match=f"profile 'p': .*{missing} is not") as caught:
        find_credentials(places(IN_ENVIRONMENT, values, named=True))
    assert "hidden" not in str(caught.value)


def test_half_a_pair_in_the_environment_is_an_error():
    """It does not fall through to the profile's keys."""
    with pytest.raises(ConfigurationError, match="AWS_SECRET_ACCESS_KEY is not"):
        find_credentials(places({"AWS_ACCESS_KEY_ID": "ENV"}, IN_PROFILE))


@pytest.mark.parametrize(
    "key",
    [
        "role_arn",
        "web_identity_token_file",
        "sso_session",
        "sso_start_url",
        "sso_account_id",
        "login_session",
        "credential_process",
    ],
)
def test_a_profile_that_gets_keys_elsewhere_is_an_error(key):
    """The error names the profile and what is not supported, and no other identity is used instead."""
    values = {key: "value-not-shown", "source_profile": "default"}
    with pytest.raises(ConfigurationError, match=f"profile 'p' .*by {key}, which aios3 does not support yet") as caught:
        find_credentials(places(IN_ENVIRONMENT, values, named=True))
    assert "value-not-shown" not in str(caught.value)


async def test_static_keys_are_used_whatever_else_the_profile_has():
    """Tools that log in write keys beside the settings they got them by."""
    assert (await found(places({}, {**IN_PROFILE, "sso_session": "s"}))).access_key_id == "FILE"


def test_nothing_found_says_what_to_do():
    """The error lists where it was looked and every way out."""
    with pytest.raises(ConfigurationError) as caught:
        find_credentials(places({}, {}))
    for hint in (
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment",
        "profile 'default' in /home/u/.aws/config and /home/u/.aws/credentials",
        "credentials=Credentials(...)",
        "credentials=ANONYMOUS for a public bucket",
    ):
        assert hint in str(caught.value)


async def test_static_credentials_are_a_provider_without_visible_secrets():
    """It gives what it was given, and its repr hides the secret."""
    credentials = Credentials("ID", "hidden", "hidden-token")
    provider = StaticCredentials(credentials)
    assert isinstance(provider, CredentialsProvider)
    assert await provider.get_credentials() is credentials
    assert "hidden" not in repr(provider)


def test_places_do_not_show_the_environment():
    """Neither the variables nor the profile's values are in the repr."""
    assert "hidden" not in repr(places(IN_ENVIRONMENT, IN_PROFILE))
