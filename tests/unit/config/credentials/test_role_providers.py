"""Roles: assumed with the credentials of a source, or with the token of a web identity."""

from __future__ import annotations

import pytest

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._config.credentials.role_providers import AssumeRoleCredentials, WebIdentityCredentials
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError, CredentialsError
from tests.support.credential_stand_in import NOW, sts, sts_error

ROLE = "arn:aws:iam::123456789012:role/uploader"
SIGNER = Credentials("SIGNER", "hidden-secret")


async def test_everything_about_the_role_is_asked_for(stand_in, clock):
    stand_in.on(sts())
    role = AssumeRoleCredentials(
        ROLE, SIGNER, region="eu-west-1", session_name="me", external_id="x", duration_seconds=900,
        endpoint_url=stand_in.url, clock=clock(),
    )  # fmt: skip
    assert (await role.get_credentials()).access_key_id == "KEY1"
    assert stand_in.asked[0].form == {
        "Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": ROLE, "RoleSessionName": "me", "ExternalId": "x",
        "DurationSeconds": "900",
    }  # fmt: skip
    assert "SIGNER/20260504/eu-west-1/sts" in stand_in.asked[0].headers["authorization"]


async def test_a_session_name_is_made_up(stand_in, clock):
    stand_in.on(sts())
    await AssumeRoleCredentials(ROLE, SIGNER, endpoint_url=stand_in.url, clock=clock()).get_credentials()
    form = stand_in.asked[0].form
    assert form["RoleSessionName"] == f"aios3-{NOW:%Y%m%dT%H%M%S}"
    assert set(form) == {"Action", "Version", "RoleArn", "RoleSessionName"}


async def test_credentials_of_a_role_are_renewed_with_the_newest_of_their_source(stand_in, clock):
    stand_in.on(sts(number=1), sts(number=2))
    keys = iter(["A", "B"])

    class Source:
        async def get_credentials(self):
            return Credentials(next(keys), "hidden-secret")

    role = AssumeRoleCredentials(ROLE, Source(), endpoint_url=stand_in.url, clock=clock())
    assert (await role.get_credentials()).access_key_id == "KEY1"
    clock.advance(46 * 60)
    stand_in.on(sts(number=2, expires_at=clock.moment.replace(hour=9)))
    assert (await role.get_credentials()).access_key_id == "KEY2"
    assert [asked.headers["authorization"].split("Credential=")[1][0] for asked in stand_in.asked] == ["A", "B"]


async def test_expired_sources_are_renewed_once(stand_in, clock):
    calls = []

    async def fetch():
        calls.append(1)
        return Credentials(f"SIGNER{len(calls)}", "hidden-secret")

    source = RefreshingCredentials(fetch, clock=clock())
    role = AssumeRoleCredentials(ROLE, source, endpoint_url=stand_in.url, clock=clock())
    stand_in.on(sts_error(403, "ExpiredToken"), sts())
    assert (await role.get_credentials()).access_key_id == "KEY1"
    assert "Credential=SIGNER2/" in stand_in.asked[1].headers["authorization"]
    role.invalidate(await role.get_credentials())
    stand_in.on(sts_error(403, "ExpiredToken"))
    with pytest.raises(CredentialsError):
        await role.get_credentials()
    assert len(stand_in.asked) == 4


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId"])
async def test_a_refusal_is_final_if_the_source_has_nothing_to_renew(stand_in, clock, code):
    stand_in.on(sts_error(403, code))
    role = AssumeRoleCredentials(ROLE, SIGNER, endpoint_url=stand_in.url, clock=clock())
    with pytest.raises(CredentialsError):
        await role.get_credentials()
    assert len(stand_in.asked) == 1


async def test_roles_can_be_chained(stand_in, clock):
    stand_in.on(sts(number=1), sts(number=2))
    first = AssumeRoleCredentials(f"{ROLE}-1", SIGNER, endpoint_url=stand_in.url, clock=clock())
    second = AssumeRoleCredentials(f"{ROLE}-2", first, endpoint_url=stand_in.url, clock=clock())
    assert (await second.get_credentials()).access_key_id == "KEY2"
    assert [asked.form["RoleArn"][-1] for asked in stand_in.asked] == ["1", "2"]
    assert "Credential=KEY1/" in stand_in.asked[1].headers["authorization"]


@pytest.mark.parametrize("option", [{"region": "a b"}, {"duration_seconds": 60}], ids=str)
@pytest.mark.parametrize(("kind", "more"), [(AssumeRoleCredentials, SIGNER), (WebIdentityCredentials, "/token")])
def test_an_invalid_region_or_duration_is_refused_when_the_source_is_made(kind, more, option):
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        kind(ROLE, more, **option)


async def test_the_repr_of_a_role_shows_no_secret(stand_in, clock):
    stand_in.on(sts())
    role = AssumeRoleCredentials(ROLE, SIGNER, endpoint_url=stand_in.url, clock=clock())
    await role.get_credentials()
    assert repr(role) == f"<AssumeRoleCredentials: credentials of role {ROLE}>"
    assert "hidden" not in f"{vars(role)!r}"


POD_ROLE = "arn:aws:iam::123456789012:role/pod"
ACTION = "AssumeRoleWithWebIdentity"


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("hidden.jwt.1\n")
    return path


async def test_the_token_is_exchanged_unsigned(stand_in, clock, token_file):
    stand_in.on(sts(ACTION))
    identity = WebIdentityCredentials(
        POD_ROLE, str(token_file), session_name="me", duration_seconds=1000, endpoint_url=stand_in.url, clock=clock()
    )
    assert (await identity.get_credentials()).access_key_id == "KEY1"
    (asked,) = stand_in.asked
    assert asked.form == {
        "Action": ACTION, "Version": "2011-06-15", "RoleArn": POD_ROLE, "RoleSessionName": "me",
        "DurationSeconds": "1000",
        "WebIdentityToken": "hidden.jwt.1",
    }  # fmt: skip
    assert "authorization" not in asked.headers


async def test_the_file_is_read_anew_at_each_renewal(stand_in, clock, token_file):
    """The cluster replaces the token while the program runs."""
    identity = WebIdentityCredentials(POD_ROLE, token_file, endpoint_url=stand_in.url, clock=clock())
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
    with pytest.raises(CredentialsError, match=f"{ACTION} got response 400 .*Token expired") as caught:
        await WebIdentityCredentials(POD_ROLE, token_file, endpoint_url=stand_in.url, clock=clock()).get_credentials()
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(("content", "message"), [(b"\xff", "is not ASCII text"), (b"", "is empty")])
async def test_a_file_that_holds_no_token_is_an_error(stand_in, clock, token_file, content, message):
    token_file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"the web identity token.*token {message}"):
        await WebIdentityCredentials(POD_ROLE, token_file, endpoint_url=stand_in.url, clock=clock()).get_credentials()
    assert stand_in.asked == []
