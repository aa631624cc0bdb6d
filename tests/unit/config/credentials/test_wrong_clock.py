"""Credentials that look expired only because this machine's clock is wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import timedelta

import pytest

from aios3._config.credentials.container import ContainerCredentials
from aios3._config.credentials.sso import SsoCredentials
from tests.support.credential_stand_in import NOW, json_answer, metadata

THEIRS = NOW - timedelta(hours=2)
END = THEIRS + timedelta(hours=1)


@pytest.mark.parametrize("source", ["container", "sso"])
async def test_credentials_that_look_expired_by_a_wrong_clock_are_used(stand_in, clock, tmp_path, source):
    """By the time of the response they last another hour."""
    if source == "container":
        provider, answer = ContainerCredentials(stand_in.url, clock=clock()), metadata(expires_at=END)
    else:
        login = {"accessToken": "t", "expiresAt": f"{NOW + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}
        (tmp_path / f"{hashlib.sha1(b'x').hexdigest()}.json").write_text(json.dumps(login))
        places = {"start_url": "x", "cache_directory": tmp_path, "endpoint_url": stand_in.url}
        provider = SsoCredentials("1", "r", region="eu-west-1", clock=clock(), **places)
        keys = {"accessKeyId": "K", "secretAccessKey": "s", "expiration": int(END.timestamp() * 1000)}
        answer = json_answer({"roleCredentials": keys})
    stand_in.on(dataclasses.replace(answer, headers=(("Date", f"{THEIRS:%a, %d %b %Y %H:%M:%S GMT}"),)))
    assert (await provider.get_credentials()).expires_at == NOW + timedelta(hours=1)
