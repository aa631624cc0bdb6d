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


@pytest.mark.parametrize("in_the_way", ["config", "credentials"])
def test_a_file_that_cannot_be_read_counts_as_empty_and_is_remembered(tmp_path, in_the_way):
    """The other file is read; nothing needed the first one yet."""
    write(tmp_path, {"config": "credentials", "credentials": "config"}[in_the_way], "[default]\nregion = a")
    (tmp_path / ".aws" / in_the_way).mkdir()
    profile = load_profile(Environment(), tmp_path)
    assert profile.settings.get("region") == "a"
    assert [f"{in_the_way} cannot be read: " in why for why in profile.unread] == [True]
    assert not profile.needs_files


@pytest.mark.parametrize("path", [".", "a\0b"])
def test_a_file_that_a_variable_names_is_needed(tmp_path, path, monkeypatch):
    """Also if no file can have that path."""
    monkeypatch.chdir(tmp_path)
    assert load_profile(Environment(config_file=path), tmp_path).needs_files
    assert load_profile(Environment(credentials_file=path), tmp_path).needs_files


def test_a_named_profile_needs_both_files(tmp_path):
    """If it is in neither, the error says which one could not be read."""
    write(tmp_path, "config", "[profile x]\nregion = a\nrole_arn = r\nsource_profile = gone")
    (tmp_path / ".aws" / "credentials").mkdir()
    profile = load_profile(Environment(profile="x"), tmp_path)
    assert profile.needs_files
    with pytest.raises(ConfigurationError, match=r"'gone', which does not exist; .*credentials cannot be read"):
        profile.sibling("gone")
    with pytest.raises(ConfigurationError, match=r"'missing'.*does not exist.*credentials cannot be read"):
        load_profile(Environment(profile="missing"), tmp_path)


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
