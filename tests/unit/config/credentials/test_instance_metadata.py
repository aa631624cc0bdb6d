from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from aios3._config.credentials.instance_metadata import InstanceMetadataCredentials
from aios3.errors import ConfigurationError, CredentialsError, ResponseError, TransportTimeoutError
from tests.support.credential_stand_in import NOW, SILENCE, Answer, json_answer, metadata

TOKEN = Answer(body=b"hidden-v2-token")
ROLE = Answer(body=b"my role/x\n")
ROLES = "/latest/meta-data/iam/security-credentials/"


@pytest.fixture(autouse=True)
async def _stopped_clock(loop_clock):
    """The provider's limit is a second, which a busy machine may need for three requests."""
    loop_clock.stop()


@pytest.fixture
async def provider(stand_in, clock):
    return InstanceMetadataCredentials(endpoint_url=f"{stand_in.url}/", clock=clock())


async def test_three_requests_give_credentials(stand_in, provider):
    stand_in.on(TOKEN, ROLE, metadata(Code="Success", Type="AWS-HMAC"))
    credentials = await provider.get_credentials()
    assert (credentials.access_key_id, credentials.expires_at) == ("KEY1", NOW + timedelta(hours=6))
    assert [(asked.method, asked.target) for asked in stand_in.asked] == [
        ("PUT", "/latest/api/token"),
        ("GET", ROLES),
        ("GET", f"{ROLES}my"),
    ]
    assert stand_in.asked[0].headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600"
    assert {asked.headers["x-aws-ec2-metadata-token"] for asked in stand_in.asked[1:]} == {"hidden-v2-token"}


async def test_the_roles_name_is_encoded(stand_in, provider):
    """It cannot lead to another path."""
    stand_in.on(TOKEN, Answer(body=b"a/../b"), metadata())
    await provider.get_credentials()
    assert stand_in.asked[2].target == f"{ROLES}a%2F..%2Fb"


@pytest.mark.parametrize("status", [403, 404, 405])
async def test_a_service_of_the_first_version_needs_no_token(stand_in, provider, status):
    stand_in.on(Answer(status), ROLE, metadata())
    assert (await provider.get_credentials()).access_key_id == "KEY1"
    assert not any("x-aws-ec2-metadata-token" in asked.headers for asked in stand_in.asked[1:])


@pytest.mark.parametrize("status", [400, 401, 500, 404])
async def test_another_refusal_of_the_token_is_final(stand_in, clock, status):
    provider = InstanceMetadataCredentials(endpoint_url=stand_in.url, allows_v1=status != 404, clock=clock())
    stand_in.on(Answer(status), ROLE, metadata())
    with pytest.raises(ResponseError, match=f"GetInstanceMetadataToken got response {status}"):
        await provider.get_credentials()
    assert len(stand_in.asked) == 1


@pytest.mark.parametrize("answer", [Answer(404), Answer(200), Answer(200, b" \n")])
async def test_a_machine_without_a_role_is_a_clear_error(stand_in, provider, answer):
    stand_in.on(TOKEN, answer)
    with pytest.raises(ConfigurationError, match="has no role: attach one"):
        await provider.get_credentials()


OF_SERVICE = "the response of the instance metadata service"


@pytest.mark.parametrize(
    ("answers", "error", "words"),
    [
        ([Answer(401)], ResponseError, "ListInstanceRoles got response 401"),
        ([ROLE, Answer(404)], CredentialsError, "GetInstanceCredentials got response 404"),
        ([ROLE, json_answer({"Code": "Failed"})], ConfigurationError, f"{OF_SERVICE} has the code 'Failed'"),
        ([ROLE, json_answer({"Code": "Success"})], ConfigurationError, f"{OF_SERVICE} has no AccessKeyId"),
        ([ROLE, Answer(body=b"hidden")], ConfigurationError, f"{OF_SERVICE} is not a JSON object"),
    ],
)
async def test_a_response_without_roles_or_credentials_is_an_error(stand_in, provider, answers, error, words):
    stand_in.on(TOKEN, *answers)
    with pytest.raises(error, match=words):
        await provider.get_credentials()


@pytest.mark.parametrize(("random", "minutes"), [(0.0, 10), (1.0, 15)])
async def test_expired_ones_are_extended(stand_in, clock, random, minutes):
    """By 10 to 15 minutes: the service has trouble, and S3 may still take them. Then it is asked again."""
    clock.random = random
    provider = InstanceMetadataCredentials(endpoint_url=stand_in.url, clock=clock())
    stand_in.on(TOKEN, ROLE, metadata(expires_at=NOW - timedelta(seconds=1)))
    assert (await provider.get_credentials()).expires_at == NOW + timedelta(minutes=minutes)
    clock.advance(minutes * 60)
    stand_in.on(TOKEN, ROLE, metadata(2))
    assert (await provider.get_credentials()).access_key_id == "KEY2"


async def test_without_a_time_they_are_kept(stand_in, provider):
    stand_in.on(TOKEN, ROLE, json_answer({"AccessKeyId": "K", "SecretAccessKey": "s"}))
    assert (await provider.get_credentials()).expires_at is None


@pytest.mark.parametrize("allows_v1", [True, False])
async def test_silence_ends_after_a_second(stand_in, clock, loop_clock, allows_v1):
    """One try of each version: where this is not EC2, nothing answers."""
    provider = InstanceMetadataCredentials(endpoint_url=stand_in.url, allows_v1=allows_v1, clock=clock())
    stand_in.on(SILENCE)
    fetching = asyncio.ensure_future(provider.get_credentials())
    for _ in range(1 + allows_v1):
        await stand_in.arrived.wait()
        stand_in.arrived.clear()
        await loop_clock.advance(1)
    with pytest.raises(TransportTimeoutError, match="within 1 s"):
        await fetching
    assert [asked.method for asked in stand_in.asked] == ["PUT", "GET"][: 1 + allows_v1]


async def test_a_token_that_does_not_come_in_time_is_not_needed(stand_in, provider, loop_clock):
    """Inside a container the response with it may be dropped on its way, and the first version responds."""
    stand_in.on(SILENCE, ROLE, metadata())
    fetching = asyncio.ensure_future(provider.get_credentials())
    await stand_in.arrived.wait()
    await loop_clock.advance(1)
    assert (await fetching).access_key_id == "KEY1"
    assert not any("x-aws-ec2-metadata-token" in asked.headers for asked in stand_in.asked[1:])


async def test_more_patience_can_be_asked_for(stand_in, clock):
    provider = InstanceMetadataCredentials(endpoint_url=stand_in.url, seconds=5, attempts=2, clock=clock())
    stand_in.on(Answer(503), TOKEN, ROLE, metadata())
    assert (await provider.get_credentials()).access_key_id == "KEY1"


def test_the_usual_place_is_the_default():
    assert InstanceMetadataCredentials()._url == "http://169.254.169.254"
