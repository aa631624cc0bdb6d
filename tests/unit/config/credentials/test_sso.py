from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import timedelta

import pytest

from aios3._config.credentials.sso import SsoCredentials
from aios3.errors import AccessDeniedError, ConfigurationError, CredentialsError, ResponseError
from tests.support.credential_stand_in import NOW, SILENCE, Answer, json_answer

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
    """UTC in place of Z."""
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
    """Nothing is sent."""
    provider = make(**options)
    with pytest.raises(ConfigurationError, match=f"^the SSO login does not exist: run `{command}`$"):
        await provider.get_credentials()
    log_in(tmp_path, options.get("session_name", START), expiresAt=NOW.isoformat())
    with pytest.raises(ConfigurationError, match=f"^the SSO login ended at 2026-05-04T03:02:01Z: run `{command}`$"):
        await provider.get_credentials()
    assert stand_in.asked == []


async def test_a_login_that_is_refused_says_how_to_log_in(stand_in, make, tmp_path):
    """It was ended elsewhere."""
    log_in(tmp_path, START)
    stand_in.on(json_answer({"message": "Session token not found or invalid"}, 401))
    with pytest.raises(ConfigurationError, match="the SSO login was refused: run `aws sso login`"):
        await make().get_credentials()


async def test_who_logs_in_again_goes_on(stand_in, make, tmp_path):
    """The file is read anew."""
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
    """It is named and not shown."""
    log_in(tmp_path, START, **change)
    with pytest.raises(ConfigurationError, match=r"the SSO login in .*json has no accessToken") as caught:
        await make().get_credentials()
    assert "hidden" not in str(caught.value)


async def test_a_login_file_that_cannot_be_used_is_an_error(make, tmp_path):
    """A directory, or no JSON."""
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
        (Answer(403), AccessDeniedError, "GetRoleCredentials was answered 403"),
        (json_answer({}, 404), CredentialsError, "GetRoleCredentials was answered 404"),
        (json_answer({}), ConfigurationError, "the response of the SSO portal has no accessKeyId"),
        (json_answer({"roleCredentials": []}), ConfigurationError, "the response of the SSO portal has no accessKeyId"),
        (Answer(body=b"hidden"), ConfigurationError, "the response of the SSO portal is not a JSON object"),
    ],
)
async def test_other_answers_are_errors(stand_in, make, tmp_path, answer, error_class, message):
    """Of the role, or of something else behind the URL."""
    log_in(tmp_path, START)
    stand_in.on(answer)
    with pytest.raises(error_class, match=message) as caught:
        await make().get_credentials()
    assert "hidden" not in str(caught.value)


def test_the_portal_is_the_regions(monkeypatch, tmp_path):
    """And logins are looked for in the user's home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    provider = SsoCredentials("1", "r", region="cn-north-1", start_url=START)
    assert provider._url.startswith("https://portal.sso.cn-north-1.amazonaws.com.cn/federation/credentials?")
    assert provider._login_file.parent == tmp_path / ".aws" / "sso" / "cache"


def test_a_region_that_cannot_be_one_is_refused():
    """It would become part of the host name."""
    with pytest.raises(ConfigurationError, match="sso_region"):
        SsoCredentials("1", "r", region="a/b", start_url=START)


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
KEYS = json_answer({"roleCredentials": ROLE_CREDENTIALS})


@pytest.fixture
def make_session(make, stand_in):
    return lambda **options: make(session_name="corp", oidc_url=stand_in.url, **options)


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


async def test_the_older_form_of_a_login_is_never_renewed(stand_in, make, tmp_path):
    """As in the AWS CLI."""
    log_in(tmp_path, START, **RENEWABLE, expiresAt=ENDED)
    with pytest.raises(ConfigurationError, match="ended at"):
        await make(oidc_url=stand_in.url).get_credentials()
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
    with pytest.raises(ResponseError, match="CreateToken was answered 500"):
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
