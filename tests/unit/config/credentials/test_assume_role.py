from __future__ import annotations

import pytest

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._config.credentials.role_providers import AssumeRoleCredentials
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError, CredentialsError
from tests.support.credential_stand_in import NOW, sts, sts_error

ROLE = "arn:aws:iam::123456789012:role/uploader"
SIGNER = Credentials("SIGNER", "hidden-secret")


async def test_everything_about_the_role_is_asked_for(stand_in, clock):
    """Its name, the session's, what was agreed with its owner, and how long."""
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
    """And nothing else that was not asked for."""
    stand_in.on(sts())
    await AssumeRoleCredentials(ROLE, SIGNER, endpoint_url=stand_in.url, clock=clock()).get_credentials()
    form = stand_in.asked[0].form
    assert form["RoleSessionName"] == f"aios3-{NOW:%Y%m%dT%H%M%S}"
    assert set(form) == {"Action", "Version", "RoleArn", "RoleSessionName"}


async def test_they_are_renewed_in_time_with_the_sources_newest(stand_in, clock):
    """The source is asked anew at each renewal."""
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
    """STS says ExpiredToken of what signed: then fresh ones of a source that has them are tried."""
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
async def test_static_sources_and_other_refusals_are_final(stand_in, clock, code):
    """There is nothing to renew."""
    stand_in.on(sts_error(403, code))
    role = AssumeRoleCredentials(ROLE, SIGNER, endpoint_url=stand_in.url, clock=clock())
    with pytest.raises(CredentialsError):
        await role.get_credentials()
    assert len(stand_in.asked) == 1


async def test_roles_can_be_chained(stand_in, clock):
    """The credentials of one assume the next."""
    stand_in.on(sts(number=1), sts(number=2))
    first = AssumeRoleCredentials(f"{ROLE}-1", SIGNER, endpoint_url=stand_in.url, clock=clock())
    second = AssumeRoleCredentials(f"{ROLE}-2", first, endpoint_url=stand_in.url, clock=clock())
    assert (await second.get_credentials()).access_key_id == "KEY2"
    assert [asked.form["RoleArn"][-1] for asked in stand_in.asked] == ["1", "2"]
    assert "Credential=KEY1/" in stand_in.asked[1].headers["authorization"]


def test_what_cannot_work_is_refused_when_it_is_made():
    """A region or a duration."""
    with pytest.raises(ConfigurationError, match="region"):
        AssumeRoleCredentials(ROLE, SIGNER, region="a b")
    with pytest.raises(ConfigurationError, match="duration_seconds"):
        AssumeRoleCredentials(ROLE, SIGNER, duration_seconds=60)


async def test_no_secret_shows(stand_in, clock):
    """In no repr of what it has."""
    stand_in.on(sts())
    role = AssumeRoleCredentials(ROLE, SIGNER, endpoint_url=stand_in.url, clock=clock())
    await role.get_credentials()
    assert repr(role) == f"<AssumeRoleCredentials: credentials of role {ROLE}>"
    assert "hidden" not in f"{vars(role)!r}"
