from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from aios3._config.credentials.sts import StsClient, check_duration
from aios3.credentials import Credentials
from aios3.errors import AccessDeniedError, ConfigurationError, CredentialsError
from tests.support.credential_stand_in import NOW, Answer, sts, sts_error

SIGNER = Credentials("SIGNER", "hidden-secret", "hidden-signer-token")


@pytest.fixture
async def client(stand_in, clock):
    return StsClient(region="eu-west-1", endpoint_url=f"{stand_in.url}/base", ca_bundle=None, clock=clock())


async def test_a_signed_request_gives_credentials(stand_in, client):
    """It is a form, signed for STS in its region, with the signer's token."""
    stand_in.on(sts())
    credentials = await client.ask("AssumeRole", {"RoleArn": "arn:a/b c", "ExternalId": None}, SIGNER)
    assert (credentials.access_key_id, credentials.secret_access_key) == ("KEY1", "hidden-secret")
    assert credentials.session_token == "hidden-token"
    assert (credentials.expires_at - NOW).total_seconds() == 3600
    (asked,) = stand_in.asked
    assert (asked.method, asked.target) == ("POST", "/base")
    assert asked.form == {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": "arn:a/b c"}
    assert b"arn%3Aa%2Fb%20c" in asked.body
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded; charset=utf-8"
    assert "Credential=SIGNER/20260504/eu-west-1/sts/aws4_request" in asked.headers["authorization"]
    assert asked.headers["x-amz-security-token"] == "hidden-signer-token"


async def test_an_unsigned_request_has_no_signature(stand_in, client):
    stand_in.on(sts("AssumeRoleWithWebIdentity"))
    await client.ask("AssumeRoleWithWebIdentity", {}, None)
    assert "authorization" not in stand_in.asked[0].headers


@pytest.mark.parametrize(
    ("status", "code", "error_class"),
    [
        (403, "AccessDenied", AccessDeniedError),
        (403, "ExpiredToken", CredentialsError),
        (400, "InvalidIdentityToken", CredentialsError),
        (400, "ValidationError", CredentialsError),
    ],
)
async def test_a_refusal_has_its_words(stand_in, client, status, code, error_class):
    stand_in.on(sts_error(status, code, "because"))
    with pytest.raises(error_class, match="AssumeRole got response .*because") as caught:
        await client.ask("AssumeRole", {}, SIGNER)
    assert (caught.value.code, caught.value.request_id) == (code, "the-request")


async def test_a_wrong_signature_does_not_show_the_token(stand_in, client):
    words = "The Canonical String should have been x-amz-security-token:hidden-signer-token"
    stand_in.on(sts_error(403, "SignatureDoesNotMatch", words))
    with pytest.raises(CredentialsError) as caught:
        await client.ask("AssumeRole", {}, SIGNER)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "cannot be read"),
        (b"<a/>", "has no AccessKeyId"),
        (b"<R><AssumeRoleResult/></R>", "has no AccessKeyId"),
        (b"<R><AssumeRoleResult><Credentials/></AssumeRoleResult></R>", "has no AccessKeyId"),
        (b"<!DOCTYPE a><a/>", "cannot be read: .*document type"),
        (sts().body.replace(b"hidden-secret", b""), "has no SecretAccessKey"),
        (re.sub(rb"(?<=<Expiration>).*?(?=<)", b"soon", sts().body), "Expiration is not a time"),
    ],
)
async def test_what_is_not_the_answer_of_sts_is_an_error(stand_in, client, body, message):
    """A proxy's page, or another service behind the URL."""
    stand_in.on(Answer(body=body))
    with pytest.raises(ConfigurationError, match=f"the response of STS to AssumeRole:? {message}"):
        await client.ask("AssumeRole", {}, SIGNER)


@pytest.mark.parametrize(
    ("region", "host"),
    [("eu-west-1", "sts.eu-west-1.amazonaws.com"), ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn")],
)
async def test_without_an_endpoint_it_is_the_regions(clock, monkeypatch, region, host):
    """Over https."""
    client = StsClient(region=region, endpoint_url=None, ca_bundle=None, clock=clock())
    sent = []

    async def send(request):
        sent.append(request)
        raise ConfigurationError("far enough")

    monkeypatch.setattr(client._requests, "send", send)
    with pytest.raises(ConfigurationError, match="far enough"):
        await client.ask("AssumeRole", {}, SIGNER)
    assert (sent[0].scheme, sent[0].host, sent[0].path) == ("https", host, "/")


def test_a_region_that_cannot_be_one_is_refused(clock):
    """It would become part of the host name."""
    with pytest.raises(ConfigurationError, match="for STS"):
        StsClient(region="a/b", endpoint_url=None, ca_bundle=None, clock=clock())


@pytest.mark.parametrize(("seconds", "text"), [(None, None), (900, "900"), (43200, "43200")])
def test_durations_are_within_bounds(seconds, text):
    assert check_duration(seconds) == text


@pytest.mark.parametrize("seconds", [899, 43201, 3600.0, "3600", True])
def test_other_durations_are_refused(seconds):
    with pytest.raises(ConfigurationError, match="duration_seconds must be a whole number in 900..43200"):
        check_duration(seconds)


EARLY = "Signature not yet current: 20260504T030201Z is still later than 20260504T012201Z (20260504T010701Z + 15 min.)"
LATE = "Signature expired: 20260504T030201Z is now earlier than 20260504T044701Z (20260504T050201Z - 15 min.)"


def at(answer: Answer, moment: datetime) -> Answer:
    """Return the response as of `moment` by the clock of STS."""
    return replace(answer, headers=(("Date", f"{moment:%a, %d %b %Y %H:%M:%S GMT}"),))


@pytest.mark.parametrize(
    ("hours", "code", "words"),
    [
        (2, "SignatureDoesNotMatch", LATE),
        (-2, "SignatureDoesNotMatch", EARLY),
        (2, "RequestExpired", "Request has expired"),
        (2, "InvalidSignatureException", LATE),
    ],
)
async def test_a_wrong_clock_is_corrected_by_that_of_sts(stand_in, client, hours, code, words):
    """The request is signed once more, and so are later ones."""
    theirs = NOW + timedelta(hours=hours)
    refused, granted = at(sts_error(403, code, words), theirs), at(sts(expires_at=theirs + timedelta(hours=1)), theirs)
    stand_in.on(refused, granted, granted)
    for _ in range(2):
        assert (await client.ask("AssumeRole", {}, SIGNER)).access_key_id == "KEY1"
    right = f"{theirs:%Y%m%dT%H%M%SZ}"
    assert [asked.headers["x-amz-date"] for asked in stand_in.asked] == ["20260504T030201Z", right, right]


@pytest.mark.parametrize("words", [EARLY, LATE])
async def test_a_refused_time_reaches_the_user_in_the_words_of_sts(stand_in, client, words):
    """If the response has no time to correct ours by, or the corrected time is refused too."""
    stand_in.on(at(sts_error(403, "SignatureDoesNotMatch", words), NOW))
    with pytest.raises(CredentialsError) as caught:
        await client.ask("AssumeRole", {}, SIGNER)
    assert f"{words}; is this machine's clock right?" in str(caught.value)
    assert len(stand_in.asked) == 2


@pytest.mark.parametrize("signer", [SIGNER, None])
async def test_credentials_that_look_expired_by_a_wrong_clock_are_good(stand_in, client, signer):
    """Ours is two hours ahead: their life of an hour begins now."""
    theirs = NOW - timedelta(hours=2)
    stand_in.on(at(sts(expires_at=theirs + timedelta(hours=1)), theirs))
    assert (await client.ask("AssumeRole", {}, signer)).expires_at == NOW + timedelta(hours=1)
    stand_in.on(at(sts(expires_at=theirs), theirs))
    assert (await client.ask("AssumeRole", {}, signer)).expires_at == theirs
