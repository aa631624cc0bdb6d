from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from aios3._config.credentials import container
from aios3._config.credentials.container import ContainerCredentials
from aios3.errors import ConfigurationError, CredentialsError, ResponseError
from tests.support.credential_stand_in import NOW, Answer, json_answer, metadata


async def test_a_path_is_asked_of_the_usual_host(stand_in, clock, monkeypatch):
    assert container._HOST == "http://169.254.170.2"
    monkeypatch.setattr(container, "_HOST", stand_in.url)
    stand_in.on(metadata())
    credentials = await ContainerCredentials("/v2/credentials/x?y=z", clock=clock()).get_credentials()
    assert (credentials.access_key_id, credentials.session_token) == ("KEY1", "hidden-token")
    assert credentials.expires_at == NOW + timedelta(hours=6)
    (asked,) = stand_in.asked
    assert (asked.method, asked.target) == ("GET", "/v2/credentials/x?y=z")
    assert "authorization" not in asked.headers


async def test_a_whole_url_is_asked_with_the_token(stand_in, clock):
    stand_in.on(metadata())
    await ContainerCredentials(f"{stand_in.url}/v1/credentials", token="hidden jwt", clock=clock()).get_credentials()
    assert stand_in.asked[0].headers["authorization"] == "hidden jwt"


async def test_the_token_file_is_read_anew_and_comes_first(stand_in, clock, tmp_path):
    path = tmp_path / "token"
    path.write_text("first")
    provider = ContainerCredentials(stand_in.url, token="other", token_file=path, clock=clock())
    stand_in.on(metadata())
    credentials = await provider.get_credentials()
    path.write_text("second")
    provider.invalidate(credentials)
    await provider.get_credentials()
    assert [asked.headers["authorization"] for asked in stand_in.asked] == ["first", "second"]


@pytest.mark.parametrize("token", ["hidden\r\nx-other: 1", "hidden\n", "hidden\r"])
async def test_a_token_with_a_line_break_is_refused(stand_in, clock, tmp_path, token):
    """From a file or not: it could bring a header of its own. It is not shown."""
    (tmp_path / "token").write_bytes(token.encode())
    for options in ({"token": token}, {"token_file": tmp_path / "token"}):
        with pytest.raises(ConfigurationError, match="line break") as caught:
            await ContainerCredentials(stand_in.url, **options, clock=clock()).get_credentials()
        assert "hidden" not in str(caught.value)
    assert stand_in.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://credentials.example/x",
        "http://localhost:1338/x",
        "http://127.0.0.1/x",
        "http://127.9.8.7:80/x",
        "http://[::1]:99/x",
        "http://169.254.170.2/x",
        "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1/credentials",
    ],
)
def test_hosts_within_the_machine_and_https_are_allowed(url):
    assert ContainerCredentials(url)._url == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://credentials.example/hidden", "must be https, or a loopback address"),
        ("http://169.254.169.254/hidden", "must be https, or a loopback address"),
        ("http://10.0.0.1/hidden", "must be https, or a loopback address"),
        ("http://localhost.example/hidden", "must be https, or a loopback address"),
        ("http://127.0.0.1.example/hidden", "must be https, or a loopback address"),
        ("http://127.0.0.1@example.org/hidden", "must be https, or a loopback address"),
        ("ftp://localhost/hidden", "must be https, or a loopback address"),
        ("hidden", "must be https, or a loopback address"),
        ("", "must be https, or a loopback address"),
        ("http://[::1/x", "is not a URL"),
    ],
)
def test_other_hosts_are_refused(url, words):
    """Over plain http the credentials could be read; the path is not shown."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        ContainerCredentials(url)
    assert "hidden" not in str(caught.value).replace("('hidden')", "")


@pytest.mark.parametrize(
    ("answer", "error", "count"),
    [(json_answer({"code": "x"}, 404), CredentialsError, 1), (Answer(500), ResponseError, 3)],
)
async def test_a_refusal_is_an_error_after_three_attempts_if_it_may_pass(stand_in, clock, answer, error, count):
    provider = ContainerCredentials(stand_in.url, clock=clock())
    stand_in.on(answer)
    with pytest.raises(error, match=f"GetContainerCredentials got response {answer.status}"):
        await provider.get_credentials()
    assert len(stand_in.asked) == count
    stand_in.on(Answer(500), Answer(503), metadata())
    assert (await provider.get_credentials()).access_key_id == "KEY1"


@pytest.mark.parametrize("answer", [Answer(body=b"hidden"), json_answer({"AccessKeyId": "hidden"})])
async def test_an_answer_without_credentials_is_an_error(stand_in, clock, answer):
    stand_in.on(dataclasses.replace(answer))
    with pytest.raises(ConfigurationError, match="the response of the container's credentials endpoint") as caught:
        await ContainerCredentials(stand_in.url, clock=clock()).get_credentials()
    assert "hidden" not in str(caught.value)
