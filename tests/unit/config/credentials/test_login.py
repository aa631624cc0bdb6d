"""Credentials of ``aws login``."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from aios3._config.credentials.chain import find_credentials
from aios3._config.credentials.login import LoginCredentials
from aios3.errors import ConfigurationError, ResponseError
from tests.support.credential_chain import make_places
from tests.support.credential_stand_in import NOW, SILENCE, Answer, StandIn, json_answer, sts

SESSION = "arn:aws:iam::123456789012:user/me"
KEY = (
    ec.derive_private_key(7, ec.SECP256R1())
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    .decode()
)
NEW = {"accessKeyId": "NEW", "secretAccessKey": "hidden-secret", "sessionToken": "hidden-token"}
RENEWED = {"accessToken": NEW, "expiresIn": 900, "refreshToken": "hidden-next", "tokenType": "aws_sigv4"}


@pytest.fixture
def make(stand_in, clock, tmp_path):
    def make(**options):
        options = {"endpoint_url": stand_in.url, "cache_directory": tmp_path, **options}
        return LoginCredentials(SESSION, clock=clock(), **options)

    return make


def file_in(directory: Path) -> Path:
    return directory / f"{hashlib.sha256(SESSION.encode()).hexdigest()}.json"


def log_in(directory: Path, minutes: float = 10, **change: object) -> dict[str, object]:
    """Leave behind what ``aws login`` leaves behind, with credentials that end in `minutes`."""
    token = {"accessKeyId": "OLD", "secretAccessKey": "hidden-secret", "sessionToken": "hidden-token", "accountId": "1"}
    login = {
        "accessToken": {**token, "expiresAt": f"{NOW + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"},
        "tokenType": "urn:aws:params:oauth:token-type:access_token_sigv4",
        "clientId": "arn:aws:signin:::devtools/same-device",
        "refreshToken": "hidden-refresh",
        "idToken": "hidden-id",
        "dpopKey": KEY,
        **change,
    }
    file_in(directory).write_text(json.dumps(login))
    return login


async def test_stored_credentials_are_used(stand_in, make, tmp_path):
    """While more than five minutes are left, nothing is sent."""
    log_in(tmp_path)
    credentials = await make().get_credentials()
    assert (credentials.access_key_id, credentials.session_token) == ("OLD", "hidden-token")
    assert credentials.expires_at == NOW + timedelta(minutes=10)
    assert stand_in.asked == []


@pytest.mark.parametrize("minutes", [-600, 4])
async def test_they_are_renewed_with_a_proof_and_written_back(stand_in, make, tmp_path, minutes):
    """As the AWS CLI does, which goes on with the renewed login."""
    login = log_in(tmp_path, minutes)
    stand_in.on(json_answer(RENEWED))
    credentials = await make().get_credentials()
    assert (credentials.access_key_id, credentials.expires_at) == ("NEW", NOW + timedelta(minutes=15))
    (asked,) = stand_in.asked
    assert (asked.method, asked.target) == ("POST", "/v1/token")
    body = {"clientId": login["clientId"], "grantType": "refresh_token", "refreshToken": "hidden-refresh"}
    assert json.loads(asked.body) == body
    assert len(asked.headers["dpop"].split(".")) == 3
    assert "authorization" not in asked.headers
    token = {**NEW, "accountId": "1", "expiresAt": "2026-05-04T03:17:01Z"}
    assert json.loads(file_in(tmp_path).read_text()) == {**login, "accessToken": token, "refreshToken": "hidden-next"}
    assert file_in(tmp_path).stat().st_mode & 0o077 == 0


async def test_the_credentials_are_renewed_while_an_upload_runs(stand_in, make, tmp_path, clock):
    """They live a quarter of an hour; each renewal takes the refresh token of the last one."""
    log_in(tmp_path)
    provider = make()
    stand_in.on(json_answer(RENEWED))
    for key in ("OLD", "NEW", "NEW"):
        assert (await provider.get_credentials()).access_key_id == key
        clock.advance(14 * 60)
    assert [json.loads(asked.body)["refreshToken"] for asked in stand_in.asked] == ["hidden-refresh", "hidden-next"]


async def test_a_login_that_another_program_renewed_is_used(stand_in, make, tmp_path, clock):
    """The file is read again each time."""
    log_in(tmp_path)
    provider = make()
    await provider.get_credentials()
    clock.advance(12 * 60)
    log_in(tmp_path, 25)
    assert (await provider.get_credentials()).expires_at == NOW + timedelta(minutes=25)
    assert stand_in.asked == []


@pytest.mark.parametrize("code", ["TOKEN_EXPIRED", "USER_CREDENTIALS_CHANGED", "something else"])
async def test_an_ended_login_says_how_to_log_in(stand_in, make, tmp_path, code):
    """After 12 hours, or if the user's password was changed."""
    log_in(tmp_path, 0)
    stand_in.on(json_answer({"error": code, "message": "hidden"}, 400))
    with pytest.raises(ConfigurationError, match=r"the console login cannot be renewed.*: run `aws login`$") as caught:
        await make().get_credentials()
    assert "hidden" not in str(caught.value)
    file_in(tmp_path).unlink()
    with pytest.raises(ConfigurationError, match="^the console login does not exist: run `aws login --profile p`$"):
        await make(login_command="aws login --profile p").get_credentials()


async def test_a_missing_permission_is_named(stand_in, make, tmp_path):
    """Logging in again would not help."""
    log_in(tmp_path, 0)
    stand_in.on(json_answer({"error": "INSUFFICIENT_PERMISSIONS"}, 403))
    with pytest.raises(ConfigurationError, match=r"needs the permission signin:CreateOAuth2Token$"):
        await make().get_credentials()


@pytest.mark.parametrize("trouble", ["down", "refused", "garbage", "no awscrt", "no key", "no refreshToken"])
async def test_credentials_that_cannot_be_renewed_are_used_until_they_end(
    stand_in, make, tmp_path, monkeypatch, trouble
):
    """Then the trouble is the caller's."""
    if trouble == "no awscrt":
        monkeypatch.setitem(sys.modules, "awscrt.crypto", None)
    change = {"no key": {"dpopKey": "hidden"}, "no refreshToken": {"refreshToken": None}}.get(trouble, {})
    answers = {"down": Answer(500), "refused": json_answer({}, 400), "garbage": json_answer({"expiresIn": 1})}
    stand_in.on(answers.get(trouble, Answer()))
    log_in(tmp_path, 4, **change)
    assert (await make().get_credentials()).access_key_id == "OLD"
    log_in(tmp_path, 0, **change)
    with pytest.raises(ResponseError if trouble == "down" else ConfigurationError) as caught:
        await make().get_credentials()
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "us-east-1.signin.aws.amazon.com"),
        ("cn-north-1", "cn-north-1.signin.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.signin.amazonaws-us-gov.com"),
        ("eusc-de-east-1", "eusc-de-east-1.signin.amazonaws-eusc.eu"),
    ],
)
def test_the_service_is_that_of_the_logins_region(region, host):
    """Else of the profile's; in each partition."""
    provider = LoginCredentials(SESSION, region="eu-west-1")
    assert provider._find_url({"signInRegion": region}) == f"https://{host}/v1/token"
    assert provider._find_url({}) == "https://eu-west-1.signin.aws.amazon.com/v1/token"
    with pytest.raises(ConfigurationError, match="signInRegion"):
        provider._find_url({"signInRegion": "evil.example.org/"})


@pytest.mark.parametrize("variable", [False, True])
def test_logins_are_looked_for_where_the_aws_cli_keeps_them(monkeypatch, tmp_path, variable):
    """Or where a variable says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    if variable:
        monkeypatch.setenv("AWS_LOGIN_CACHE_DIRECTORY", "~/elsewhere")
    place = tmp_path / "elsewhere" if variable else tmp_path / ".aws" / "login" / "cache"
    assert LoginCredentials(SESSION)._login._path == file_in(place)


async def test_a_profile_of_aws_login_is_used_alone_and_as_a_source(stand_in: StandIn, tmp_path, clock):
    """Before credential_process and keys of the config file, as in botocore."""
    (tmp_path / ".aws" / "login" / "cache").mkdir(parents=True)
    log_in(tmp_path / ".aws" / "login" / "cache")
    login = f"[profile l]\nlogin_session = {SESSION}\ncredential_process = false\naws_access_key_id = K\n"
    role = "[profile r]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = l2\n[profile l2]\nlogin_session = "
    config = f"{login}aws_secret_access_key = s\n{role}{SESSION}\n"
    context = make_places(tmp_path, config=config, profile="l", clock=clock)
    assert (await find_credentials(context).get_credentials()).access_key_id == "OLD"
    stand_in.on(sts(number=3))
    environ = {"AWS_ENDPOINT_URL_STS": stand_in.url}
    context = make_places(tmp_path, environ, config=config, profile="r", clock=clock)
    assert (await find_credentials(context).get_credentials()).access_key_id == "KEY3"
    assert "Credential=OLD/" in stand_in.asked[0].headers["authorization"]


async def test_a_login_that_another_program_renews_at_the_same_time_is_used(stand_in, make, tmp_path):
    """A refresh token may be good only once; then the file has another one by now."""
    log_in(tmp_path, 0)
    stand_in.on(SILENCE)
    fetching = asyncio.ensure_future(make().get_credentials())
    await stand_in.arrived.wait()
    log_in(tmp_path, 12, refreshToken="hidden-other")
    stand_in.on(json_answer({"error": "TOKEN_EXPIRED"}, 400))
    stand_in.end_silence()
    assert (await fetching).expires_at == NOW + timedelta(minutes=12)
