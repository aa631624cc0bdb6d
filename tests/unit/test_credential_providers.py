"""The sources of credentials that users make themselves: all of them, documented, and fit to be passed to a driver."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from datetime import timedelta

import pytest

import aios3._config
from aios3 import Credentials, CredentialsProvider, RefreshableCredentials, S3StorageDriver, credential_providers
from aios3._concurrency.clock import Clock
from aios3.credential_providers import (
    AssumeRoleCredentials,
    BotocoreCredentials,
    ContainerCredentials,
    InstanceMetadataCredentials,
    LoginCredentials,
    ProcessCredentials,
    RefreshingCredentials,
    SsoCredentials,
    WebIdentityCredentials,
)
from aios3.testing import S3Server

KEYS = Credentials("AKIDEXAMPLE", "secret")


async def _fetch() -> Credentials:
    return KEYS


MADE = {
    "AssumeRoleCredentials": lambda: AssumeRoleCredentials("arn:aws:iam::1:role/uploader", KEYS),
    "BotocoreCredentials": lambda: BotocoreCredentials(object()),
    "ContainerCredentials": lambda: ContainerCredentials("/v2/credentials"),
    "InstanceMetadataCredentials": lambda: InstanceMetadataCredentials(),
    "LoginCredentials": lambda: LoginCredentials("arn:aws:iam::1:user/me"),
    "ProcessCredentials": lambda: ProcessCredentials("a-program --json"),
    "RefreshingCredentials": lambda: RefreshingCredentials(_fetch),
    "SsoCredentials": lambda: SsoCredentials("1", "uploader", region="eu-west-1", start_url="https://sso.example.org"),
    "WebIdentityCredentials": lambda: WebIdentityCredentials("arn:aws:iam::1:role/uploader", "token"),
}


def test_every_source_of_the_default_chain_can_be_made_by_users() -> None:
    modules = [
        importlib.import_module(found.name) for found in pkgutil.walk_packages(aios3._config.__path__, "aios3._config.")
    ]
    sources = {
        name
        for module in modules
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, RefreshingCredentials) and not name.startswith("_")
    }
    sources.remove("RereadKeys")  # it reads places, of which `Credentials` hold the keys
    assert sources == set(MADE)
    assert set(credential_providers.__all__) == sources | {"RefreshableCredentials"}


@pytest.mark.parametrize("name", sorted(MADE))
def test_every_source_is_documented_and_refreshable(name: str) -> None:
    """Making one does no I/O and needs no loop; its repr tells nothing secret."""
    source = MADE[name]()
    assert isinstance(source, CredentialsProvider)
    assert isinstance(source, RefreshableCredentials)
    assert "Args:" in (type(source).__doc__ or "")
    assert "secret" not in repr(source)


async def test_a_driver_signs_with_a_source_and_leaves_it_open() -> None:
    """It is asked for credentials once while they last, and serves the next driver too."""
    fetched = 0
    async with S3Server(buckets=["videos"]) as server:

        async def fetch() -> Credentials:
            nonlocal fetched
            fetched += 1
            keys = server.credentials
            return Credentials(keys.access_key_id, keys.secret_access_key, None, Clock().now() + timedelta(hours=1))

        source = RefreshingCredentials(fetch)
        for key in ("one", "two"):
            async with S3StorageDriver(
                endpoint_url=server.endpoint_url, region=server.region, credentials=source
            ) as driver:
                await driver.upload_object_via_stream(b"x", "videos", key)
        assert set(server.objects) == {("videos", "one"), ("videos", "two")}
    assert fetched == 1
    await source.aclose()
