from __future__ import annotations

import pytest

from aios3._config.aws_files.profiles import Section
from aios3._config.aws_files.shared_files import Profile
from aios3._config.credentials.static_keys import read_profile_keys
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

KEYS = {"aws_access_key_id": "FILE", "aws_secret_access_key": "hidden"}


def read(**values: str) -> Credentials | None:
    return read_profile_keys(Profile("p", settings=Section(values)))


def test_keys_are_read():
    """With or without a token, or not at all."""
    assert read(**KEYS) == Credentials("FILE", "hidden")
    assert read(region="x") is None


@pytest.mark.parametrize("name", ["aws_session_token", "aws_security_token"])
def test_a_token_has_two_names(name):
    """Its new and its old one."""
    assert read(**KEYS, **{name: "tok"}) == Credentials("FILE", "hidden", "tok")


def test_the_new_name_of_the_token_wins():
    """aws_session_token comes before aws_security_token."""
    found = read(**KEYS, aws_security_token="old", aws_session_token="new")
    assert found == Credentials("FILE", "hidden", "new")


@pytest.mark.parametrize("missing", sorted(KEYS))
def test_half_a_pair_is_an_error(missing):
    """It names the profile and the key, and shows no value."""
    with pytest.raises(ConfigurationError, match=f"profile 'p': .*{missing} is not") as caught:
        read(**{name: value for name, value in KEYS.items() if name != missing})
    assert "hidden" not in str(caught.value)
