from __future__ import annotations

from pathlib import Path

import pytest

from aios3._config.aws_files.environment import Environment
from aios3._config.aws_files.profiles import Section
from aios3._config.aws_files.shared_files import Profile, load_profile
from aios3.errors import ConfigurationError


def write(home: Path, name: str, text: str | bytes) -> None:
    (home / ".aws").mkdir(exist_ok=True)
    (home / ".aws" / name).write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize("is_file", [False, True])
def test_missing_files_are_empty(tmp_path, is_file):
    if is_file:
        (tmp_path / ".aws").write_text("")
    paths = (tmp_path / ".aws" / "config", tmp_path / ".aws" / "credentials")
    assert load_profile(Environment(), tmp_path) == Profile(paths=paths)


def test_both_files_are_read(tmp_path):
    write(tmp_path, "config", "[default]\nregion = a")
    write(tmp_path, "credentials", "[default]\naws_access_key_id = K")
    profile = load_profile(Environment(), tmp_path)
    assert profile.settings.values == {"region": "a", "aws_access_key_id": "K"}
    assert not profile.is_named


def test_a_profile_is_chosen_by_name(tmp_path):
    write(tmp_path, "config", "[default]\nregion = a\n[profile x]\nregion = b")
    write(tmp_path, "credentials", "[y]\nregion = c")
    x, y = (load_profile(Environment(profile=name), tmp_path) for name in "xy")
    assert (x.name, x.is_named, x.settings.get("region")) == ("x", True, "b")
    assert (y.name, y.is_named, y.settings.get("region")) == ("y", True, "c")


@pytest.mark.parametrize("name", ["nobody", "default"])
def test_a_named_profile_must_exist(tmp_path, name):
    with pytest.raises(
        ConfigurationError, match=rf"'{name}'.*\[profile {name}\] in .*config.*\[{name}\] in .*credentials"
    ):
        load_profile(Environment(profile=name), tmp_path)


def test_files_are_found_where_the_environment_says(tmp_path):
    """AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE replace the usual context, with ~ for the home directory."""
    (tmp_path / "c").write_text("[default]\nregion = a")
    (tmp_path / "s").write_text("[default]\naws_access_key_id = K")
    write(tmp_path, "config", "[broken")
    profile = load_profile(Environment(config_file="~/c", credentials_file=str(tmp_path / "s")), tmp_path)
    assert profile.settings.values == {"region": "a", "aws_access_key_id": "K"}


@pytest.mark.parametrize("name", ["config", "credentials"])
def test_a_malformed_file_is_named(tmp_path, name):
    write(tmp_path, name, "[default]\nregion")
    with pytest.raises(ConfigurationError, match=rf"{name}, line 2: "):
        load_profile(Environment(), tmp_path)


def test_a_file_that_is_not_text_is_an_error(tmp_path):
    write(tmp_path, "credentials", "[default]\naws_secret_access_key = hidden".encode("utf-16"))
    with pytest.raises(ConfigurationError, match=r"credentials is not UTF-8 text") as caught:
        load_profile(Environment(), tmp_path)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("path", [".", "a\0b"], ids=["directory", "impossible"])
def test_an_unreadable_file_is_an_error(tmp_path, path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_profile(Environment(config_file=str(tmp_path / path)), tmp_path)


def test_the_services_section_wins_over_the_profile():
    """endpoint_url below s3 in the services section that the profile names, else the profile's own."""
    services = {"local": Section(nested={"s3": {"endpoint_url": "http://s"}}), "other": Section()}
    settings = {"endpoint_url": "http://p"}
    assert Profile(settings=Section(settings), services=services).find_endpoint_url() == "http://p"
    for name, expected in (("local", "http://s"), ("other", "http://p")):
        profile = Profile(settings=Section({**settings, "services": name}), services=services)
        assert profile.find_endpoint_url() == expected


def test_a_services_section_that_is_named_must_exist():
    with pytest.raises(ConfigurationError, match=r"'p' names the services section 'gone'"):
        Profile("p", settings=Section({"services": "gone"})).find_endpoint_url()
