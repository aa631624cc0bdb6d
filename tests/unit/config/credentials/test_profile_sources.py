from __future__ import annotations

import json
import shlex
import sys
from datetime import timedelta

import pytest

from aios3._config.credentials.login import LoginCredentials
from aios3._config.credentials.process import ProcessCredentials
from aios3._config.credentials.profile_sources import first_of, from_profile
from aios3._config.credentials.role_providers import AssumeRoleCredentials, WebIdentityCredentials
from aios3._config.credentials.sso import SsoCredentials
from aios3._config.credentials.static_keys import RereadKeys, StaticCredentials
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError
from tests.support.credential_chain import attribute, make_places
from tests.support.credential_stand_in import NOW, json_answer

KEYS = "aws_access_key_id = {}\naws_secret_access_key = hidden\n"
SSO = "sso_account_id = 1\nsso_role_name = r\nsso_region = eu-west-1\nsso_start_url = https://start\n"
PROCESS = "credential_process = /bin/true\n"


@pytest.fixture
def make_context(tmp_path):
    def make(settings: str, *, credentials: str = "", more: str = "", **environ: str):
        config = f"[profile base]\n{KEYS.format('BASE')}\n{more}\n[profile p]\n{settings}\n"
        in_file = f"[p]\n{credentials}\n" if credentials else ""
        return make_places(tmp_path, environ, config=config, credentials=in_file, profile="p")

    return make


@pytest.mark.parametrize(
    ("settings", "in_credentials_file", "kind"),
    [
        (f"role_arn = a\nsource_profile = base\n{SSO}{PROCESS}", True, AssumeRoleCredentials),
        (f"role_arn = a\nsource_profile = base\nweb_identity_token_file = /t\n{SSO}", True, WebIdentityCredentials),
        (f"{SSO}{PROCESS}", True, SsoCredentials),
        (PROCESS, True, RereadKeys),
        (PROCESS + KEYS.format("CONFIG"), False, ProcessCredentials),
        (KEYS.format("CONFIG"), False, RereadKeys),
        (f"sso_session = s\n{KEYS.format('CONFIG')}", False, RereadKeys),
        (f"login_session = l\n{PROCESS}{KEYS.format('CONFIG')}", False, LoginCredentials),
        (f"login_session = l\n{PROCESS}", True, RereadKeys),
    ],
)
def test_the_ways_are_tried_in_order(make_context, settings, in_credentials_file, kind):
    """Role, web identity, SSO, keys of the credentials file, login, process, keys of the config file."""
    found = from_profile(make_context(settings, credentials=KEYS.format("FILE") if in_credentials_file else ""))
    assert type(found) is kind


def test_the_environment_does_not_matter(make_context):
    found = make_context("region = x", AWS_ACCESS_KEY_ID="ENV", AWS_SECRET_ACCESS_KEY="hidden")
    assert from_profile(found) is None


async def test_a_process_is_run(make_context):
    document = json.dumps({"Version": 1, "AccessKeyId": "K", "SecretAccessKey": "hidden"})
    command = shlex.join([sys.executable, "-I", "-S", "-c", f"print('{document}')"])
    found = from_profile(make_context(f"credential_process = {command}"))
    assert await found.get_credentials() == Credentials("K", "hidden")


@pytest.mark.parametrize("has_session", [True, False])
async def test_sso_is_used(make_context, stand_in, tmp_path, has_session):
    cache = tmp_path / ".aws" / "sso" / "cache"
    if has_session:
        settings = "sso_account_id = 1\nsso_role_name = r\nsso_session = s"
        more = "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://start\n"
    else:
        settings, more = SSO, ""
    found = from_profile(make_context(settings, more=more, AWS_ENDPOINT_URL_SSO=stand_in.url))
    with pytest.raises(ConfigurationError, match="run `aws sso login --profile p`"):
        await found.get_credentials()
    cache.mkdir(parents=True)
    path = attribute(found, "login_file")
    assert path.parent == cache
    path.write_text(json.dumps({"accessToken": "t", "expiresAt": (NOW + timedelta(hours=1)).isoformat()}))
    stand_in.on(json_answer({"roleCredentials": {"accessKeyId": "K", "secretAccessKey": "hidden"}}))
    assert await found.get_credentials() == Credentials("K", "hidden")
    assert path.name == ("a0f1490a20d0211c997b44bc357e1972deab8ae3.json" if has_session else path.name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("sso_account_id = 1", "uses SSO but sso_role_name and sso_region and sso_start_url is missing"),
        ("sso_role_name = 1\nsso_session = s", "uses SSO but sso_account_id is missing"),
        ("sso_role_name = 1\nsso_session = x", "names the sso-session 'x', which is missing"),
        ("web_identity_token_file = /t", "has web_identity_token_file, but no role_arn"),
        ("credential_source = Environment", "has credential_source, but no role_arn"),
        ("source_profile = base", "has source_profile, but no role_arn"),
        ("sso_session = s", "has sso_session, but neither sso_account_id nor sso_role_name"),
        ("sso_start_url = u", "has sso_start_url, but neither"),
        ("credential_process = 'x", "its quotes do not match"),
        ("aws_access_key_id = K", "aws_secret_access_key is not"),
    ],
)
def test_half_a_configuration_is_an_error(make_context, settings, message):
    more = "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://start\n"
    with pytest.raises(ConfigurationError, match=message):
        from_profile(make_context(settings, more=more))


def test_the_first_that_has_something_ends_the_search(make_context):
    def never(context):
        raise AssertionError("asked")

    one = StaticCredentials(Credentials("a", "b"))
    assert first_of(make_context(""), (lambda context: None, lambda context: one, never)) is one
    assert first_of(make_context(""), ()) is None
