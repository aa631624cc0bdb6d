"""Logins of an ``sso-session``, which are renewed."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest

from aios3._config.credentials.sso import SsoCredentials
from aios3._config.credentials.sso_token import SsoToken
from aios3.errors import ConfigurationError, ResponseError
from tests.support.credential_stand_in import NOW, SILENCE, Answer, json_answer

START = "https://my.awsapps.com/start"

RENEWABLE = {
    "startUrl": START,
    "region": "eu-west-1",
    "refreshToken": "hidden-refresh",
    "clientId": "client",
    "clientSecret": "hidden-client-secret",
    "registrationExpiresAt": f"{NOW + timedelta(days=9):%Y-%m-%dT%H:%M:%SUTC}",
}
ENDED = NOW.isoformat()
RENEWED = {"accessToken": "hidden-new", "expiresIn": 28800, "refreshToken": "hidden-next", "tokenType": "Bearer"}
KEYS = json_answer({"roleCredentials": {"accessKeyId": "K", "secretAccessKey": "s"}})


@pytest.fixture
def make_session(stand_in, clock, tmp_path):
    def make(session_name: str | None = "corp") -> SsoCredentials:
        places = {"start_url": START, "cache_directory": tmp_path}
        urls = {"endpoint_url": stand_in.url, "oidc_url": stand_in.url}
        return SsoCredentials("1", "r", region="eu-west-1", session_name=session_name, clock=clock(), **places, **urls)

    return make


def log_in(directory: Path, name: str, **change: object) -> None:
    """Leave behind what a login leaves behind."""
    login = {"accessToken": "hidden-token", "expiresAt": f"{NOW + timedelta(hours=8):%Y-%m-%dT%H:%M:%SZ}", **change}
    (directory / f"{hashlib.sha1(name.encode()).hexdigest()}.json").write_text(json.dumps(login))


def login_of(directory) -> dict[str, object]:
    return json.loads((directory / f"{hashlib.sha1(b'corp').hexdigest()}.json").read_text())


@pytest.mark.parametrize("minutes", [-60, 0, 14])
async def test_a_login_of_a_session_is_renewed_and_written_back(stand_in, make_session, tmp_path, minutes):
    """From a quarter of an hour before its end, as the AWS CLI does. The file stays private to the user."""
    log_in(tmp_path, "corp", **RENEWABLE, expiresAt=(NOW + timedelta(minutes=minutes)).isoformat(), other="kept")
    stand_in.on(json_answer(RENEWED), KEYS)
    assert (await make_session().get_credentials()).access_key_id == "K"
    renewal, exchange = stand_in.asked
    assert (renewal.method, renewal.target) == ("POST", "/token")
    names = ("clientId", "clientSecret", "refreshToken")
    assert json.loads(renewal.body) == {"grantType": "refresh_token", **{name: RENEWABLE[name] for name in names}}
    assert exchange.headers["x-amz-sso_bearer_token"] == "hidden-new"
    changed = {"accessToken": "hidden-new", "refreshToken": "hidden-next", "expiresAt": "2026-05-04T11:02:01Z"}
    assert login_of(tmp_path) == {**RENEWABLE, "other": "kept", **changed}
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0


async def test_a_fresh_login_is_not_renewed(stand_in, make_session, tmp_path):
    """More than a quarter of an hour is left."""
    log_in(tmp_path, "corp", **RENEWABLE, expiresAt=(NOW + timedelta(minutes=16)).isoformat())
    stand_in.on(KEYS)
    assert (await make_session().get_credentials()).access_key_id == "K"
    assert login_of(tmp_path)["refreshToken"] == "hidden-refresh"


@pytest.mark.parametrize(
    "change", [{"refreshToken": None}, {"clientId": None}, {"clientSecret": 1}, {"registrationExpiresAt": ENDED}]
)
async def test_a_login_without_a_good_registration_is_not_renewed(stand_in, make_session, tmp_path, change):
    """The user must log in again."""
    log_in(tmp_path, "corp", **{**RENEWABLE, **change}, expiresAt=ENDED)
    with pytest.raises(ConfigurationError, match="the SSO login ended at .*: run `aws sso login --sso-session corp`"):
        await make_session().get_credentials()
    assert stand_in.asked == []


async def test_the_older_form_of_a_login_is_never_renewed(stand_in, make_session, tmp_path):
    """As in the AWS CLI."""
    log_in(tmp_path, START, **RENEWABLE, expiresAt=ENDED)
    with pytest.raises(ConfigurationError, match="ended at"):
        await make_session(None).get_credentials()
    assert stand_in.asked == []


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_refused_renewal_says_how_to_log_in(stand_in, make_session, tmp_path, status):
    """With the service's code, and without its words or the tokens."""
    log_in(tmp_path, "corp", **RENEWABLE, expiresAt=ENDED)
    stand_in.on(json_answer({"error": "invalid_grant", "error_description": "hidden"}, status))
    with pytest.raises(ConfigurationError, match=r"login cannot be renewed \(invalid_grant\): run `aws sso") as caught:
        await make_session().get_credentials()
    assert "hidden" not in str(caught.value)


async def test_trouble_of_the_renewal_is_no_reason_to_log_in(stand_in, make_session, tmp_path):
    """The service is down: the error is its own. A token that is still good is used."""
    log_in(tmp_path, "corp", **RENEWABLE, expiresAt=ENDED)
    stand_in.on(Answer(500))
    with pytest.raises(ResponseError, match="CreateToken got response 500"):
        await make_session().get_credentials()
    log_in(tmp_path, "corp", **RENEWABLE, expiresAt=(NOW + timedelta(minutes=1)).isoformat())
    for answer in (Answer(500), json_answer({"error": "invalid_grant"}, 400), json_answer({}), Answer(body=b"x")):
        stand_in.on(*[answer] * (3 if answer.status == 500 else 1), KEYS)
        assert (await make_session().get_credentials()).access_key_id == "K"
        assert stand_in.asked[-1].headers["x-amz-sso_bearer_token"] == "hidden-token"


async def test_a_login_that_another_program_renews_at_the_same_time_is_used(stand_in, make_session, tmp_path):
    """A refresh token may be good once only; then the file has another token by now."""
    log_in(tmp_path, "corp", **RENEWABLE, expiresAt=ENDED)
    stand_in.on(SILENCE)
    fetching = asyncio.ensure_future(make_session().get_credentials())
    await stand_in.arrived.wait()
    log_in(tmp_path, "corp", accessToken="hidden-other")
    stand_in.on(json_answer({"error": "invalid_grant"}, 400), KEYS)
    stand_in.end_silence()
    assert (await fetching).access_key_id == "K"
    assert stand_in.asked[-1].headers["x-amz-sso_bearer_token"] == "hidden-other"


async def test_a_login_that_cannot_be_written_is_used_all_the_same(
    stand_in, make_session, tmp_path, caplog, monkeypatch
):
    """A warning names the file."""
    log_in(tmp_path, "corp", **RENEWABLE, expiresAt=ENDED)

    def refuse(*_args: object, **_options: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr("os.replace", refuse)
    stand_in.on(json_answer(RENEWED), KEYS)
    assert (await make_session().get_credentials()).access_key_id == "K"
    assert "cannot be renewed: read-only" in caplog.text
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]


def test_the_token_service_is_that_of_the_region():
    """In each partition."""
    provider = SsoCredentials("1", "r", region="cn-north-1", start_url=START, session_name="corp")
    assert isinstance(provider._token, SsoToken)
    assert provider._token._url == "https://oidc.cn-north-1.amazonaws.com.cn/token"
