"""Tokens that clients hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3 import ConfigurationError
from aios3.web._direct.tokens import TokenSealer

SEALER = TokenSealer(b"sixteen bytes ok")
VALUE = {"a": [1, None, "é"], "b": {"c": True}}


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()), st.lists(st.text()))
def test_a_token_opens_with_its_context_only(value, context):
    token = SEALER.seal(value, *context)
    assert token.replace("-", "").replace("_", "").replace(".", "").isalnum()
    assert SEALER.open(token, *context) == value
    assert SEALER.open(token, *context, "") is None
    assert SEALER.open(token, "x", *context) is None


@given(st.text(max_size=60) | st.from_regex(r"[\w-]{0,20}\.[\w-]{0,50}"))
def test_any_text_is_no_token(text):
    assert SEALER.open(text) is None


def test_a_changed_character_is_noticed():
    token = SEALER.seal(VALUE)
    for place, character in enumerate(token[:-1]):  # the last may hold unused bits
        changed = token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
        assert SEALER.open(changed) is None


def test_borders_of_the_context_count():
    assert SEALER.open(SEALER.seal(VALUE, "ab", "c"), "a", "bc") is None


def test_secrets_differ_and_stay_hidden():
    token = SEALER.seal(VALUE)
    assert TokenSealer("sixteen bytes ok").open(token) == VALUE
    assert TokenSealer(b"sixteen bytes no").open(token) is None
    assert TokenSealer(None).open(TokenSealer(None).seal(VALUE)) is None
    assert repr(SEALER) == "TokenSealer()"
    with pytest.raises(ConfigurationError) as caught:
        TokenSealer("short secret")
    assert "short secret" not in str(caught.value)
