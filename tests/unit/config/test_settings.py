from __future__ import annotations

import asyncio
import dataclasses
import threading
from pathlib import Path

import pytest

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._config import settings as settings_module
from aios3._config.endpoints.variants import VariantSwitches
from aios3._config.settings import Settings, load_settings
from aios3._protocol.wire.uri import Endpoint
from aios3.credentials import ANONYMOUS, Credentials
from aios3.errors import ConfigurationError
from aios3.providers import PROVIDERS, Provider, find_provider
from tests.support.credential_chain import attribute

AWS = find_provider("aws")
KEYS = Credentials("ARGUMENT", "hidden")
ENVIRON = {"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "hidden"}


@pytest.fixture
def home(tmp_path):
    """A home directory with a default profile and one called x."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(
        "[default]\nregion = eu-central-1\n[profile x]\nregion = eu-north-1\nendpoint_url = http://x\n"
    )
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = hidden\n"
        "[x]\naws_access_key_id = X\naws_secret_access_key = hidden\n"
    )
    return tmp_path


async def load(home, environ=None, *, provider=AWS, endpoint_url=None, region=None, credentials=None) -> Settings:
    return await load_settings(
        provider, endpoint_url=endpoint_url, region=region, credentials=credentials, environ=environ or {}, home=home
    )


async def key_id(settings: Settings) -> str:
    assert settings.credentials is not None
    return (await settings.credentials.get_credentials()).access_key_id


async def test_the_default_profile_is_enough(home):
    settings = await load(home)
    assert settings.endpoint == Endpoint("https", "s3.eu-central-1.amazonaws.com", addressing="virtual")
    assert settings.region == "eu-central-1"
    assert settings.ca_bundle is None
    assert await key_id(settings) == "DEFAULT"


async def test_a_named_profile_is_used_for_everything_and_an_argument_before_it(home):
    environ = {"AWS_PROFILE": "x"}
    settings = await load(home, environ)
    assert (settings.region, settings.endpoint.host, await key_id(settings)) == ("eu-north-1", "x", "X")
    assert await key_id(await load(home, environ, credentials=KEYS)) == "ARGUMENT"
    assert await key_id(await load(home, ENVIRON)) == "ENV"


async def test_the_region_is_looked_up_in_order(home, tmp_path):
    """Argument, AWS_REGION, AWS_DEFAULT_REGION, profile, provider."""
    environ = {"AWS_REGION": "two", "AWS_DEFAULT_REGION": "three"}
    assert (await load(home, environ, region="one")).region == "one"
    assert (await load(home, environ)).region == "two"
    assert (await load(home, {**environ, "AWS_REGION": ""})).region == "three"
    assert (await load(home)).region == "eu-central-1"
    assert (await load(tmp_path / "nobody", ENVIRON)).region == "us-east-1"


@pytest.mark.parametrize(
    ("environ", "options", "origin"),
    [
        ({}, {"region": "eu west"}, "region=.*1 to 63 letters, digits and hyphens"),
        ({"AWS_REGION": "a b"}, {}, "AWS_REGION"),
        ({"AWS_PROFILE": "bad"}, {}, "profile 'bad'"),
        (ENVIRON, {"provider": Provider("mine", endpoint="http://h", default_region="a b")}, "provider 'mine'"),
    ],
)
async def test_an_invalid_region_is_named_by_its_origin(home, environ, options, origin):
    region = "" if "provider" in options else "region = a_b"
    (home / ".aws" / "config").write_text(f"[default]\n[profile bad]\n{region}\n")
    with pytest.raises(ConfigurationError, match=origin):
        await load(home, environ, **options)


async def test_anonymous_is_no_credentials_and_a_provider_is_used_as_it_is(home):
    assert (await load(home, ENVIRON, credentials=ANONYMOUS)).credentials is None
    mine = Uninstantiated()
    assert (await load(home, credentials=mine)).credentials is mine


class Uninstantiated:
    async def get_credentials(self):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("credentials", "kind"),
    [(("ID", "hidden"), "tuple"), ("hidden", "str"), (Uninstantiated, "Uninstantiated"), (0, "int")],
)
async def test_other_credentials_are_a_type_error(home, credentials, kind):
    with pytest.raises(TypeError, match=f"ANONYMOUS, not {kind}$") as caught:
        await load(home, credentials=credentials)
    assert "hidden" not in str(caught.value)


async def test_no_credentials_at_all_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError, match="no credentials were found"):
        await load(tmp_path, {"AWS_EC2_METADATA_DISABLED": "true"})


@pytest.mark.parametrize("credentials", [KEYS, ANONYMOUS])
async def test_files_are_read_only_if_endpoint_region_or_credentials_are_missing(home, credentials):
    (home / ".aws" / "config").write_text("[broken")
    environ = {"AWS_PROFILE": "nobody", "AWS_ACCESS_KEY_ID": "alone", "AWS_CA_BUNDLE": "/ca.pem"}
    given = {"endpoint_url": "http://h:9000", "region": "r", "credentials": credentials}
    settings = await load(home, environ, **given)
    assert settings.endpoint == Endpoint("http", "h:9000")
    assert (settings.region, settings.ca_bundle) == ("r", "/ca.pem")
    for missing in given:
        with pytest.raises(ConfigurationError, match="config, line 1"):
            await load(home, ENVIRON, **{name: value for name, value in given.items() if name != missing})


async def test_files_are_read_off_the_loop(home, monkeypatch):
    threads = []
    read_bytes = Path.read_bytes

    def recording(self):
        threads.append(threading.get_ident())
        return read_bytes(self)

    monkeypatch.setattr(Path, "read_bytes", recording)
    await load(home)
    assert len(threads) == 2
    assert threading.get_ident() not in threads


async def test_the_home_directory_is_the_users_unless_given(home, monkeypatch):
    monkeypatch.setattr(settings_module.os.path, "expanduser", {"~": str(home)}.__getitem__)
    assert (await load(None)).region == "eu-central-1"


async def test_secrets_do_not_show_in_repr(home):
    class Careless:
        async def get_credentials(self):
            return KEYS

        def __repr__(self):
            return "Careless(hidden)"

    for credentials in (None, KEYS, Careless()):
        assert "hidden" not in repr(await load(home, credentials=credentials))


async def test_the_region_of_sts_is_one_of_aws(tmp_path):
    """AWS_REGION, the profile's, the store's if it looks like one; else the oldest."""
    (tmp_path / ".aws").mkdir()
    config = tmp_path / ".aws" / "config"
    role = "[default]\nrole_arn = a\nweb_identity_token_file = /t\n"

    async def sts_region(region: str, environ: dict[str, str] | None = None) -> str:
        settings = await load(tmp_path, environ, endpoint_url="http://h", region=region)
        return vars(vars(settings.credentials)["_sts"])["_region"]

    config.write_text(role)
    assert await sts_region("auto") == "us-east-1"
    assert await sts_region("eu-west-1") == "eu-west-1"
    config.write_text(f"{role}region = eu-north-1\n")
    assert await sts_region("eu-west-1") == "eu-north-1"
    assert await sts_region("eu-west-1", {"AWS_REGION": "eu-south-1"}) == "eu-south-1"


async def test_closing_ends_what_was_made_here(home):
    """A source of the caller's own is not touched, and static keys have nothing to close."""

    async def fetch():
        started.set()
        await asyncio.Event().wait()

    def is_left() -> bool:
        return any("refresh" in task.get_name() for task in asyncio.all_tasks())

    for is_owned in (False, True):
        started = asyncio.Event()
        mine = RefreshingCredentials(fetch)
        settings = dataclasses.replace(await load(home, credentials=mine), owns_credentials=is_owned)
        waiter = asyncio.ensure_future(mine.get_credentials())
        await started.wait()
        await settings.aclose()
        await settings.aclose()
        assert is_left() is not is_owned
        waiter.cancel()
        await asyncio.wait({waiter})
        assert not is_left()
    assert not (await load(home, credentials=mine)).owns_credentials
    found = await load(home)
    assert found.owns_credentials
    await found.aclose()


async def _load(provider: Provider, **arguments: object) -> Settings:
    options = {"endpoint_url": None, "region": None, "credentials": ANONYMOUS, "environ": {}, **arguments}
    return await load_settings(provider, home=Path("/nonexistent"), **options)  # type: ignore[arg-type]


async def test_the_facts_of_a_provider_decide_about_region_and_scheme():
    """A host that does not exist would end in a DNS error after many attempts."""
    regional = dataclasses.replace(PROVIDERS["aws"], region_required=True)
    with pytest.raises(ConfigurationError, match="pass region=, or set AWS_REGION"):
        await _load(regional)
    assert (await _load(regional, region="eu-west-1")).region == "eu-west-1"
    assert (await _load(regional, endpoint_url="http://localhost:1")).region == "us-east-1"
    careful = dataclasses.replace(PROVIDERS["generic"], https_only=True)
    with pytest.raises(ConfigurationError, match="by https only"):
        await _load(careful, endpoint_url="http://localhost:1")
    assert (await _load(careful, endpoint_url="https://localhost:1")).endpoint.scheme == "https"


B2 = "https://s3.us-west-004.backblazeb2.com"


@pytest.mark.parametrize(
    ("arguments", "region"),
    [
        ({"endpoint_url": B2}, "us-west-004"),
        ({"endpoint_url": B2, "environ": {"AWS_REGION": "eu-west-1"}}, "us-west-004"),
        ({"endpoint_url": B2, "region": "eu-central-003"}, "eu-central-003"),
        ({"endpoint_url": "https://gate.example.org", "environ": {"AWS_REGION": "eu-west-1"}}, "eu-west-1"),
        ({"endpoint_url": "https://gate.example.org"}, "us-east-1"),
        ({"environ": {"AWS_ENDPOINT_URL": B2}}, "us-west-004"),
        ({"environ": {"AWS_ENDPOINT_URL": B2, "AWS_REGION": "eu-central-003"}}, "eu-central-003"),
    ],
)
async def test_the_region_can_be_read_from_the_host(arguments, region):
    """Of the argument, before the environment; of a configured endpoint, after it. The region of the call wins."""
    settings = await _load(find_provider("backblaze"), **arguments)
    assert settings.region == region
    named = arguments.get("endpoint_url") or arguments["environ"]["AWS_ENDPOINT_URL"]
    assert settings.endpoint.host == named.removeprefix("https://")


async def test_variants_are_chosen_by_argument_environment_and_profile(home):
    with (home / ".aws" / "config").open("a") as config:
        config.write("[profile fast]\nregion = eu-west-3\ns3 =\n  use_accelerate_endpoint = true\n")
    settings = await load(home, {"AWS_USE_FIPS_ENDPOINT": "true"})
    assert settings.endpoint.host == "s3-fips.eu-central-1.amazonaws.com"
    assert settings.own_endpoints is not None
    assert settings.own_endpoints.of_region("us-east-2").host == "s3-fips.us-east-2.amazonaws.com"
    assert settings.bucket_endpoint is not None
    assert settings.bucket_endpoint("b", "eu-west-3") is None
    settings = await load(home, {"AWS_PROFILE": "fast"}, credentials=KEYS)
    assert settings.endpoint.host == "s3.eu-west-3.amazonaws.com"
    assert settings.bucket_endpoint is not None
    fast = settings.bucket_endpoint("b", "eu-west-3")
    assert fast is not None
    assert fast.host == "s3-accelerate.amazonaws.com"
    settings = await _load(AWS, environ={"AWS_USE_FIPS_ENDPOINT": "true"}, variants=VariantSwitches(fips=False))
    assert settings.endpoint.host == "s3.us-east-1.amazonaws.com"
    settings = await load(home, {"AWS_USE_FIPS_ENDPOINT": "true"}, endpoint_url="http://localhost:1")
    assert settings.endpoint.host == "localhost:1"
    assert settings.own_endpoints is None


@pytest.mark.parametrize(
    ("environ", "fips", "url"),
    [
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, None, "https://sts-fips.eu-west-1.amazonaws.com"),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, False, "https://sts.eu-west-1.amazonaws.com"),
        ({}, None, "https://sts.eu-west-1.amazonaws.com"),
    ],
)
async def test_sts_keeps_fips_where_s3_would(tmp_path, environ, fips, url):
    """Also beside an endpoint of S3 that was written down: STS is AWS's all the same."""
    environ = {**environ, "AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "a"}
    settings = await load_settings(
        AWS,
        endpoint_url="http://h",
        region="eu-west-1",
        credentials=None,
        variants=VariantSwitches(fips=fips),
        environ=environ,
        home=tmp_path,
    )
    assert vars(vars(settings.credentials)["_sts"])["_url"] == url


@pytest.fixture
def locked_home(tmp_path):
    """A home whose files cannot be read, even by root."""
    for name in ("config", "credentials"):
        (tmp_path / ".aws" / name).mkdir(parents=True)
    return tmp_path


async def test_a_home_that_cannot_be_read_does_not_matter_if_nothing_is_needed_from_it(locked_home):
    """Keys of the environment or of the container, and the provider's own endpoint."""
    assert await key_id(await load(locked_home, ENVIRON)) == "ENV"
    settings = await load(locked_home, {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x", "AWS_REGION": "eu-west-3"})
    assert "container" in repr(settings.credentials)
    assert settings.endpoint.host == "s3.eu-west-3.amazonaws.com"


async def test_a_home_that_cannot_be_read_is_named_if_keys_are_missing(locked_home):
    """At once, or by the request that asks the machine in vain."""
    with pytest.raises(
        ConfigurationError, match=r"no credentials were found.*config cannot be read.*credentials cannot"
    ):
        await load(locked_home, {"AWS_EC2_METADATA_DISABLED": "true"})
    with pytest.raises(ConfigurationError, match=r"'p' \(AWS_PROFILE\) does not exist.*config cannot be read"):
        await load(locked_home, {"AWS_PROFILE": "p"})


@pytest.mark.parametrize("name", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
async def test_a_named_file_that_cannot_be_read_is_never_replaced_by_another_identity(locked_home, name):
    """The container's role is not that of the file."""
    environ = {name: str(locked_home), "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"}
    with pytest.raises(ConfigurationError, match="cannot be read"):
        await load(locked_home / "nobody", environ)
    assert await key_id(await load(locked_home / "nobody", {**environ, **ENVIRON})) == "ENV"


async def test_the_profiles_ca_bundle_is_trusted(home):
    """After AWS_CA_BUNDLE, as in boto3; for requests for credentials too, also below a role."""
    with (home / ".aws" / "config").open("a") as config:
        config.write("[profile c]\nca_bundle: /c.pem\nrole_arn = r\nsource_profile = i\n")
        config.write("[profile i]\nrole_arn = q\nsource_profile = x\n")
    settings = await load(home, {"AWS_PROFILE": "c"})
    assert settings.ca_bundle == "/c.pem"
    role = settings.credentials
    for _ in range(2):
        assert attribute(attribute(attribute(role, "sts"), "requests"), "ca_bundle") == "/c.pem"
        role = attribute(role, "source")
    settings = await load(home, {"AWS_PROFILE": "c", "AWS_CA_BUNDLE": "/e.pem"})
    assert settings.ca_bundle == "/e.pem"
    given = {"endpoint_url": "https://h", "region": "r", "credentials": KEYS}
    assert (await load(home, {"AWS_PROFILE": "c"}, **given)).ca_bundle == "/c.pem"
    for profile in ("gone", "malformed"):
        (home / ".aws" / "config").write_text("[broken")
        assert (await load(home, {"AWS_PROFILE": profile}, **given)).ca_bundle is None
