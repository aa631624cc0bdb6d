from __future__ import annotations

import pytest

from aios3._config.credentials.role_providers import WebIdentityCredentials
from aios3.errors import ConfigurationError, CredentialsError
from tests.support.credential_stand_in import NOW, sts, sts_error

ROLE = "arn:aws:iam::123456789012:role/pod"
ACTION = "AssumeRoleWithWebIdentity"


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("hidden.jwt.1\n")
    return path


async def test_the_token_is_exchanged_unsigned(stand_in, clock, token_file):
    stand_in.on(sts(ACTION))
    identity = WebIdentityCredentials(
        ROLE, str(token_file), session_name="me", duration_seconds=1000, endpoint_url=stand_in.url, clock=clock()
    )
    assert (await identity.get_credentials()).access_key_id == "KEY1"
    (asked,) = stand_in.asked
    assert asked.form == {
        "Action": ACTION, "Version": "2011-06-15", "RoleArn": ROLE, "RoleSessionName": "me", "DurationSeconds": "1000",
        "WebIdentityToken": "hidden.jwt.1",
    }  # fmt: skip
    assert "authorization" not in asked.headers


async def test_the_file_is_read_anew_at_each_renewal(stand_in, clock, token_file):
    """The cluster replaces the token while the program runs."""
    identity = WebIdentityCredentials(ROLE, token_file, endpoint_url=stand_in.url, clock=clock())
    stand_in.on(sts(ACTION))
    await identity.get_credentials()
    token_file.write_text("hidden.jwt.2")
    clock.advance(46 * 60)
    stand_in.on(sts(ACTION, 2, expires_at=clock.moment.replace(hour=9)))
    assert (await identity.get_credentials()).access_key_id == "KEY2"
    assert [asked.form["WebIdentityToken"] for asked in stand_in.asked] == ["hidden.jwt.1", "hidden.jwt.2"]
    assert stand_in.asked[0].form["RoleSessionName"] == f"aios3-{NOW:%Y%m%dT%H%M%S}"


async def test_a_refused_token_is_a_clear_error(stand_in, clock, token_file):
    stand_in.on(sts_error(400, "ExpiredTokenException", "Token expired: current date must be before"))
    with pytest.raises(CredentialsError, match=f"{ACTION} was answered 400 .*Token expired") as caught:
        await WebIdentityCredentials(ROLE, token_file, endpoint_url=stand_in.url, clock=clock()).get_credentials()
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(("content", "message"), [(b"\xff", "is not ASCII text"), (b"", "is empty")])
async def test_a_file_that_holds_no_token_is_an_error(stand_in, clock, token_file, content, message):
    token_file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"the web identity token.*token {message}"):
        await WebIdentityCredentials(ROLE, token_file, endpoint_url=stand_in.url, clock=clock()).get_credentials()
    assert stand_in.asked == []


@pytest.mark.parametrize("option", [{"region": ""}, {"duration_seconds": 60}], ids=str)
def test_an_invalid_region_or_duration_is_refused_when_the_source_is_made(token_file, option):
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        WebIdentityCredentials(ROLE, token_file, **option)
