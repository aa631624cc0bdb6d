from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aios3._config.credentials.static_keys import pair_keys
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

NAMES = ("the_id", "the_secret")


def test_both_keys_make_credentials():
    expires = datetime(2030, 1, 1, tzinfo=UTC)
    assert pair_keys("x", NAMES, ("ID", "hidden"), "tok", expires) == Credentials("ID", "hidden", "tok", expires)


def test_no_key_is_no_credentials():
    assert pair_keys("x", NAMES, (None, None), "tok") is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("ID", None), "profile 'p': the_id is set but the_secret is not"),
        ((None, "hidden"), "profile 'p': the_secret is set but the_id is not"),
    ],
)
def test_half_a_pair_is_an_error(values, message):
    """One without the other is never passed over; the error names both and shows neither."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        pair_keys("profile 'p'", NAMES, values, None)
    assert "hidden" not in str(caught.value)


def test_unusable_values_are_named_by_origin():
    with pytest.raises(ConfigurationError, match=r"^the environment: .*line break") as caught:
        pair_keys("the environment", NAMES, ("ID", "hidden\n"), None)
    assert "hidden" not in str(caught.value)
