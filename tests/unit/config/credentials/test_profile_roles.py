from __future__ import annotations

import pytest

from aios3._config.credentials.profile_roles import from_profile_role, from_profile_web_identity
from aios3._config.credentials.profile_sources import from_profile
from aios3.errors import ConfigurationError
from tests.support.credential_chain import make_places
from tests.support.credential_stand_in import metadata, sts

BASE = "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = hidden\n"


@pytest.fixture
def make_context(tmp_path, stand_in):
    """Make places of the text of a config file, whose STS is the stand-in; the profile is ``r``."""

    def make(config: str, profile: str = "r", **environ: str):
        environ = {"AWS_ENDPOINT_URL_STS": stand_in.url, **environ}
        return make_places(tmp_path, environ, config=BASE + config, profile=profile)

    return make


def signer(asked) -> str:
    return asked.headers["authorization"].split("Credential=")[1].split("/")[0]


async def test_a_role_is_assumed_with_another_profiles_keys(make_context, stand_in):
    stand_in.on(sts())
    found = from_profile_role(
        make_context(
            "[profile r]\nrole_arn = arn:r\nsource_profile = base\nexternal_id = x\nrole_session_name = me\n"
            "duration_seconds = 1800\n"
        ),
        from_profile,
    )
    assert (await found.get_credentials()).access_key_id == "KEY1"
    form = stand_in.asked[0].form
    assert [form[name] for name in ("RoleArn", "ExternalId", "RoleSessionName", "DurationSeconds")] == [
        "arn:r", "x", "me", "1800",
    ]  # fmt: skip
    assert signer(stand_in.asked[0]) == "BASE"
    assert "/eu-west-1/sts/" in stand_in.asked[0].headers["authorization"]


async def test_roles_are_chained(make_context, stand_in):
    stand_in.on(sts(number=1), sts(number=2), sts(number=3))
    config = "".join(
        f"[profile {a}]\nrole_arn = arn:{a}\nsource_profile = {b}\n" for a, b in ("rs", "st", ("t", "base"))
    )
    assert (await from_profile_role(make_context(config), from_profile).get_credentials()).access_key_id == "KEY3"
    assert [asked.form["RoleArn"] for asked in stand_in.asked] == ["arn:t", "arn:s", "arn:r"]
    assert [signer(asked) for asked in stand_in.asked] == ["BASE", "KEY1", "KEY2"]


@pytest.mark.parametrize(
    ("edges", "circle"), [(["rs", "sr"], "r -> s -> r"), (["rr"], "r -> r"), (["rs", "st", "ts"], "r -> s -> t -> s")]
)
def test_a_circle_is_an_error(make_context, edges, circle):
    config = "".join(f"[profile {a}]\nrole_arn = arn:{a}\nsource_profile = {b}\n" for a, b in edges)
    with pytest.raises(ConfigurationError, match=f"is in a circle of roles: {circle}$"):
        from_profile_role(make_context(config), from_profile)


@pytest.mark.parametrize(
    "config",
    [
        "[profile r]\nrole_arn = arn:r\nsource_profile = r\naws_access_key_id = OWN\naws_secret_access_key = hidden\n",
        "[profile r]\nrole_arn = arn:r\nsource_profile = s\n"
        "[profile s]\nrole_arn = arn:s\nsource_profile = r\naws_access_key_id = OWN\naws_secret_access_key = hidden\n",
    ],
)
async def test_a_sources_own_keys_come_first(make_context, stand_in, config):
    """Whatever else it says: so a profile may even name itself."""
    stand_in.on(sts())
    await from_profile_role(make_context(config), from_profile).get_credentials()
    assert [signer(asked) for asked in stand_in.asked] == ["OWN"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("", "has role_arn and neither of source_profile and credential_source"),
        ("source_profile = base\ncredential_source = Environment", "has role_arn and both of source_profile"),
        ("source_profile = nobody", "names the profile 'nobody', which does not exist"),
        ("source_profile = empty", "has the source_profile 'empty', which has no credentials"),
        ("credential_source = Nowhere", "unknown credential_source; known are Environment, EcsContainer, Ec2Instance"),
        ("source_profile = base\nmfa_serial = arn:mfa", "has mfa_serial, and aios3 cannot ask for a code"),
        ("source_profile = base\nduration_seconds = soon", "has a duration_seconds that is not a whole number"),
        ("source_profile = base\nduration_seconds = 60", "duration_seconds must be a whole number in 900..43200"),
    ],
)
def test_what_cannot_work_is_a_clear_error(make_context, settings, message):
    config = f"[profile empty]\nregion = x\n[profile r]\nrole_arn = arn:r\n{settings}\n"
    with pytest.raises(ConfigurationError, match=message):
        from_profile_role(make_context(config), from_profile)


@pytest.mark.parametrize(
    ("source", "variable", "answers", "key"),
    [
        ("Environment", None, [], "ENV"),
        ("EcsContainer", "AWS_CONTAINER_CREDENTIALS_FULL_URI", [metadata(7)], "KEY7"),
        ("Ec2InstanceMetadata", "AWS_EC2_METADATA_SERVICE_ENDPOINT", [metadata(8)] * 3, "KEY8"),
    ],
)
async def test_a_role_is_assumed_with_its_credential_source(make_context, stand_in, source, variable, answers, key):
    environ = {variable: stand_in.url} if variable else {"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "hidden"}
    config = f"[profile r]\nrole_arn = arn:r\ncredential_source = {source}\n"
    stand_in.on(*answers, sts())
    await from_profile_role(make_context(config, **environ), from_profile).get_credentials()
    assert signer(stand_in.asked[-1]) == key
    with pytest.raises(ConfigurationError, match=f"{source}, where there are no credentials"):
        from_profile_role(make_context(config, AWS_EC2_METADATA_DISABLED="true"), from_profile)


def test_a_profile_without_a_role_goes_another_way(make_context):
    assert from_profile_role(make_context("", "base"), from_profile) is None
    assert (
        from_profile_role(make_context("[profile r]\nrole_arn = a\nweb_identity_token_file = /t\n"), from_profile)
        is None
    )


async def test_a_web_identity_of_a_profile_is_exchanged(make_context, stand_in, tmp_path):
    (tmp_path / "token").write_text("jwt")
    stand_in.on(sts("AssumeRoleWithWebIdentity"))
    found = from_profile_web_identity(
        make_context(
            f"[profile r]\nrole_arn = arn:r\nweb_identity_token_file = {tmp_path}/token\nrole_session_name = me\n"
            "duration_seconds = 1800\n"
        )
    )
    assert (await found.get_credentials()).access_key_id == "KEY1"
    form = stand_in.asked[0].form
    assert [form[name] for name in ("RoleArn", "RoleSessionName", "DurationSeconds", "WebIdentityToken")] == [
        "arn:r", "me", "1800", "jwt",
    ]  # fmt: skip


@pytest.mark.parametrize("settings", ["role_arn = a", "web_identity_token_file = /t", "region = x"])
def test_half_a_web_identity_is_none(make_context, settings):
    assert from_profile_web_identity(make_context(f"[profile r]\n{settings}\n")) is None
