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


@pytest.mark.parametrize(
    ("more", "token"),
    [
        ({}, None),
        ({"aws_session_token": "tok"}, "tok"),
        ({"aws_security_token": "tok"}, "tok"),
        ({"aws_security_token": "old", "aws_session_token": "new"}, "new"),
    ],
)
def test_keys_are_read_with_a_token_under_either_name(more, token):
    assert read(**KEYS, **more) == Credentials("FILE", "hidden", token)
    assert read(region="x") is None


@pytest.mark.parametrize("missing", sorted(KEYS))
def test_half_a_pair_is_an_error(missing):
    with pytest.raises(ConfigurationError, match=f"profile 'p': .*{missing} is not") as caught:
        read(**{name: value for name, value in KEYS.items() if name != missing})
    assert "hidden" not in str(caught.value)
