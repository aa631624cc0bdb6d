from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import pytest

from aios3._config.credentials.sso import SsoCredentials
from aios3.errors import AccessDeniedError, ConfigurationError, CredentialsError
from tests.support.credential_stand_in import NOW, Answer, json_answer

START = "https://my.awsapps.com/start"
ROLE_CREDENTIALS = {
    "accessKeyId": "K",
    "secretAccessKey": "hidden-secret",
    "sessionToken": "hidden-session",
    "expiration": int((NOW + timedelta(hours=1)).timestamp() * 1000),
}


@pytest.fixture
def make(stand_in, clock, tmp_path):
    def make(**options):
        options = {"region": "eu-west-1", "start_url": START, "cache_directory": tmp_path, **options}
        return SsoCredentials("123", "Role/1", endpoint_url=stand_in.url, clock=clock(), **options)

    return make


def log_in(directory, name: str, **change: object) -> None:
    """Leave behind what a login leaves behind."""
    login = {"accessToken": "hidden-token", "expiresAt": f"{NOW + timedelta(hours=8):%Y-%m-%dT%H:%M:%SZ}", **change}
    (directory / f"{hashlib.sha1(name.encode()).hexdigest()}.json").write_text(json.dumps(login))


@pytest.mark.parametrize(("session_name", "name"), [(None, START), ("corp", "corp")])
async def test_the_login_is_exchanged(stand_in, make, tmp_path, session_name, name):
    """Its file is found by the session's name, else by the portal's URL."""
    log_in(tmp_path, name)
    stand_in.on(json_answer({"roleCredentials": ROLE_CREDENTIALS}))
    credentials = await make(session_name=session_name).get_credentials()
    assert (credentials.access_key_id, credentials.expires_at) == ("K", NOW + timedelta(hours=1))
    (asked,) = stand_in.asked
    assert (asked.method, asked.target) == ("GET", "/federation/credentials?account_id=123&role_name=Role%2F1")
    assert asked.headers["x-amz-sso_bearer_token"] == "hidden-token"


async def test_the_old_way_to_write_the_time_is_read(stand_in, make, tmp_path):
    log_in(tmp_path, START, expiresAt=f"{NOW + timedelta(hours=8):%Y-%m-%dT%H:%M:%SUTC}")
    stand_in.on(json_answer({"roleCredentials": ROLE_CREDENTIALS}))
    assert (await make().get_credentials()).access_key_id == "K"


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ({}, "aws sso login"),
        ({"session_name": "corp"}, "aws sso login --sso-session corp"),
        ({"login_command": "aws sso login --profile p"}, "aws sso login --profile p"),
    ],
)
async def test_no_login_and_one_that_has_ended_say_how_to_log_in(stand_in, make, tmp_path, options, command):
    provider = make(**options)
    with pytest.raises(ConfigurationError, match=f"^the SSO login does not exist: run `{command}`$"):
        await provider.get_credentials()
    log_in(tmp_path, options.get("session_name", START), expiresAt=NOW.isoformat())
    with pytest.raises(ConfigurationError, match=f"^the SSO login ended at 2026-05-04T03:02:01Z: run `{command}`$"):
        await provider.get_credentials()
    assert stand_in.asked == []


async def test_a_login_that_is_refused_says_how_to_log_in(stand_in, make, tmp_path):
    log_in(tmp_path, START)
    stand_in.on(json_answer({"message": "Session token not found or invalid"}, 401))
    with pytest.raises(ConfigurationError, match="the SSO login was refused: run `aws sso login`"):
        await make().get_credentials()


async def test_who_logs_in_again_goes_on(stand_in, make, tmp_path):
    log_in(tmp_path, START, expiresAt=NOW.isoformat())
    provider = make()
    with pytest.raises(ConfigurationError):
        await provider.get_credentials()
    log_in(tmp_path, START)
    stand_in.on(json_answer({"roleCredentials": ROLE_CREDENTIALS}))
    assert (await provider.get_credentials()).access_key_id == "K"


@pytest.mark.parametrize(
    "change", [{"accessToken": None}, {"accessToken": ""}, {"accessToken": ["hidden"]}, {"expiresAt": "soon"}]
)
async def test_a_login_file_without_token_or_time_is_an_error(stand_in, make, tmp_path, change):
    log_in(tmp_path, START, **change)
    with pytest.raises(ConfigurationError, match=r"the SSO login in .*json has no accessToken") as caught:
        await make().get_credentials()
    assert "hidden" not in str(caught.value)


async def test_a_login_file_that_cannot_be_used_is_an_error(make, tmp_path):
    path = tmp_path / f"{hashlib.sha1(START.encode()).hexdigest()}.json"
    path.mkdir()
    with pytest.raises(ConfigurationError, match="the SSO login: .*cannot be read"):
        await make().get_credentials()
    path.rmdir()
    path.write_text("hidden")
    with pytest.raises(ConfigurationError, match=r"the SSO login in .* is not a JSON object"):
        await make().get_credentials()


@pytest.mark.parametrize(
    ("answer", "error_class", "message"),
    [
        (Answer(403), AccessDeniedError, "GetRoleCredentials got response 403"),
        (json_answer({}, 404), CredentialsError, "GetRoleCredentials got response 404"),
        (json_answer({}), ConfigurationError, "the response of the SSO portal has no accessKeyId"),
        (json_answer({"roleCredentials": []}), ConfigurationError, "the response of the SSO portal has no accessKeyId"),
        (Answer(body=b"hidden"), ConfigurationError, "the response of the SSO portal is not a JSON object"),
    ],
)
async def test_other_answers_are_errors(stand_in, make, tmp_path, answer, error_class, message):
    log_in(tmp_path, START)
    stand_in.on(answer)
    with pytest.raises(error_class, match=message) as caught:
        await make().get_credentials()
    assert "hidden" not in str(caught.value)


def test_the_portal_is_the_regions(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    provider = SsoCredentials("1", "r", region="cn-north-1", start_url=START)
    assert provider._url.startswith("https://portal.sso.cn-north-1.amazonaws.com.cn/federation/credentials?")
    assert provider._login_file.parent == tmp_path / ".aws" / "sso" / "cache"


def test_a_region_that_cannot_be_one_is_refused():
    """It would become part of the host name."""
    with pytest.raises(ConfigurationError, match="sso_region"):
        SsoCredentials("1", "r", region="a/b", start_url=START)
