from __future__ import annotations

import asyncio

import pytest

from aios3._config.credentials.chain import LookupContext, find_credentials
from aios3._config.credentials.container import ContainerCredentials
from aios3._config.credentials.role_providers import WebIdentityCredentials
from aios3.credentials import Credentials
from aios3.errors import AccessDeniedError, ConfigurationError, TransportError
from tests.support.credential_chain import make_places
from tests.support.credential_stand_in import SILENCE, Answer, StandIn, metadata

KEYS = {"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "hidden"}
IDENTITY = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "arn:env"}
CONTAINER = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"}
OFF = {"AWS_EC2_METADATA_DISABLED": "true"}
FILE_KEYS = "aws_access_key_id = FILE\naws_secret_access_key = hidden\n"


@pytest.fixture
def make_context(tmp_path, clock):
    """Make places with one profile, the default one or one that is named."""

    def make(environ: dict[str, str], settings: str = "", *, named: bool = False) -> LookupContext:
        config = f"[{'profile p' if named else 'default'}]\n{settings}\n[profile base]\n{FILE_KEYS}"
        return make_places(tmp_path, environ, config=config, profile="p" if named else None, clock=clock)

    return make


async def found(where: LookupContext) -> Credentials:
    return await find_credentials(where).get_credentials()


@pytest.mark.parametrize("named", [False, True])
async def test_environment_keys_win_over_any_profile(make_context, named, caplog):
    """As in boto3, whatever the profile has: MFA tools export keys beside AWS_PROFILE. A debug line says so."""
    caplog.set_level("DEBUG", "aios3")
    mfa = "role_arn = a\nsource_profile = base\nmfa_serial = m"
    for settings in (FILE_KEYS, mfa, "sso_account_id = half", "source_profile = base"):
        environ = {**KEYS, **IDENTITY, **CONTAINER, "AWS_SESSION_TOKEN": "hidden-token"}
        credentials = await found(make_context(environ, settings, named=named))
        assert (credentials.access_key_id, credentials.session_token) == ("ENV", "hidden-token")
    assert caplog.messages[-1].endswith("environment>" + ", before profile 'p' of AWS_PROFILE" * named)
    assert "hidden" not in caplog.text


async def test_a_named_profile_without_credentials_leaves_them_to_the_environment(make_context):
    assert (await found(make_context(KEYS, "region = a", named=True))).access_key_id == "ENV"
    assert isinstance(find_credentials(make_context(IDENTITY, named=True)), WebIdentityCredentials)
    assert isinstance(find_credentials(make_context(CONTAINER, named=True)), ContainerCredentials)


def test_half_a_named_profile_is_an_error(make_context):
    with pytest.raises(ConfigurationError, match="profile 'p' has source_profile, but no role_arn"):
        find_credentials(make_context(CONTAINER, "source_profile = base", named=True))


def test_half_a_pair_in_the_environment_is_an_error(make_context):
    with pytest.raises(ConfigurationError, match="AWS_SECRET_ACCESS_KEY is not"):
        find_credentials(make_context({"AWS_ACCESS_KEY_ID": "ENV"}, FILE_KEYS))


@pytest.mark.parametrize(
    ("environ", "settings", "name"),
    [
        ({**IDENTITY, **CONTAINER}, "role_arn = arn:p\nsource_profile = base", "role arn:p"),
        ({**IDENTITY, **CONTAINER}, "role_arn = arn:p\nweb_identity_token_file = /t", "web identity .* role arn:env"),
        (CONTAINER, "role_arn = arn:p\nweb_identity_token_file = /t", "web identity .* role arn:p"),
        ({**IDENTITY, **CONTAINER}, FILE_KEYS, "web identity .* role arn:env"),
        (CONTAINER, "credential_process = /bin/true", "credential_process"),
        (CONTAINER, "", "container credentials"),
        ({}, "", "instance metadata credentials"),
    ],
)
def test_the_default_profile_is_in_the_order_of_the_sdks(make_context, environ, settings, name):
    """Role, web identity of the environment, of the profile, the rest of the profile, container, machine."""
    import re

    assert re.search(name, repr(find_credentials(make_context(environ, settings))))


HINTS = (
    "no credentials were found",
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "profile 'default' in",
    ".aws/config and",
    ".aws/credentials",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "credentials=Credentials(...)",
    "For a public bucket pass credentials=ANONYMOUS, or --anonymous to the command",
)


def test_nothing_found_says_what_to_do(make_context):
    with pytest.raises(ConfigurationError) as caught:
        find_credentials(make_context(OFF))
    for hint in (*HINTS, "the instance metadata service is not asked (AWS_EC2_METADATA_DISABLED)"):
        assert hint in str(caught.value)


async def test_a_silent_metadata_service_means_that_nothing_was_found(make_context, stand_in, loop_clock):
    """After a second and one try of each version; the error says so."""
    loop_clock.stop()
    stand_in.on(SILENCE)
    provider = find_credentials(make_context({"AWS_EC2_METADATA_SERVICE_ENDPOINT": stand_in.url}))
    fetching = asyncio.ensure_future(provider.get_credentials())
    for _ in range(2):
        await stand_in.arrived.wait()
        stand_in.arrived.clear()
        await loop_clock.advance(1)
    with pytest.raises(ConfigurationError) as caught:
        await fetching
    for hint in (*HINTS, f"the instance metadata service at {stand_in.url} (", "no response within 1 s"):
        assert hint in str(caught.value)
    assert len(stand_in.asked) == 2


@pytest.mark.parametrize("earlier", [(), (Answer(body=b"t"),), (Answer(body=b"t"), Answer(body=b"r"))])
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(400), "got response 400"),
        (Answer(403, b"<html>not here</html>"), "403"),
        (Answer(404), "no role|got response 404"),
        (Answer(429), "got response 429"),
        (Answer(500), "got response 500"),
        (Answer(503, b"SlowDown"), "got response 503"),
        (Answer(302, headers=(("Location", "http://169.254.169.254/elsewhere"),)), "got response 302"),
        (Answer(200, b"a\nb"), "holds a line break|got response|is not a JSON object"),
        (Answer(200, b'{"Code": "Failed"}'), "has the code 'Failed'|no role"),
        (Answer(200, b"\xff" * 9 * 1024 * 1024), "is longer than"),
    ],
)
async def test_a_metadata_service_without_credentials_means_that_nothing_was_found(
    make_context, stand_in, earlier, answer, told
):
    """It was only a guess, so what it answers hides neither that nothing was found, nor what to do."""
    stand_in.on(*earlier, answer)
    provider = find_credentials(make_context({"AWS_EC2_METADATA_SERVICE_ENDPOINT": stand_in.url}))
    with pytest.raises(ConfigurationError, match=told) as caught:
        await provider.get_credentials()
    for hint in (*HINTS, f"the instance metadata service at {stand_in.url} ("):
        assert hint in str(caught.value)


async def test_a_stranger_in_place_of_the_metadata_service_means_that_nothing_was_found(make_context):
    """It does not speak HTTP, or nothing is there at all."""

    async def babble(reader, writer):
        writer.write(b"220 mail\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as service:
        url = f"http://127.0.0.1:{service.sockets[0].getsockname()[1]}"
        with pytest.raises(ConfigurationError, match=f"no credentials were found.*at {url} .*does not speak HTTP"):
            await found(make_context({"AWS_EC2_METADATA_SERVICE_ENDPOINT": url}))
    with pytest.raises(ConfigurationError, match=f"no credentials were found.*at {url} .*cannot connect"):
        await found(make_context({"AWS_EC2_METADATA_SERVICE_ENDPOINT": url}))


async def test_a_refusal_of_a_metadata_service_that_the_profile_names_is_raised(make_context, stand_in):
    settings = "role_arn = arn:p\ncredential_source = Ec2InstanceMetadata"
    stand_in.on(Answer(403))
    with pytest.raises(AccessDeniedError, match="got response 403"):
        await found(make_context({"AWS_EC2_METADATA_SERVICE_ENDPOINT": stand_in.url}, settings))


async def test_trouble_of_a_metadata_service_that_has_given_credentials_is_raised(make_context):
    """Its trouble later is trouble that passes, not an absence."""
    async with StandIn() as stand_in:
        stand_in.on(Answer(body=b"t"), Answer(body=b"r"), metadata())
        provider = find_credentials(make_context({"AWS_EC2_METADATA_SERVICE_ENDPOINT": stand_in.url}))
        provider.invalidate(await provider.get_credentials())
    with pytest.raises(TransportError, match="GetInstanceMetadataToken"):
        await provider.get_credentials()
