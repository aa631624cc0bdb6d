"""What the codes of a refusal mean."""

from __future__ import annotations

import pytest

from aios3._protocol.wire import error_codes
from aios3._protocol.wire.error_codes import UNKNOWN_KEYS, is_about_keys, is_about_time, is_of_expired_keys


@pytest.mark.parametrize(
    "code",
    [
        "ExpiredToken",
        "ExpiredTokenException",
        "TokenRefreshRequired",
        "SecurityTokenExpired",
        "InvalidSecurityToken",
        "TokenExpired",
        "ExpiredAuthToken",
        "ExpiredSecurityToken",
    ],
)
def test_every_word_for_an_expired_token_means_the_same(code: str) -> None:
    """Of Amazon, of Alibaba, and of stores to come."""
    assert is_of_expired_keys(code)
    assert is_about_keys(code)


@pytest.mark.parametrize("code", [None, "", "AccessDenied", "InvalidAccessKeyId", "RequestExpired", "InvalidToken"])
def test_other_words_are_no_expired_token(code: str | None) -> None:
    """Keys that are unknown may have been wrong from the beginning; RequestExpired is about the clock."""
    assert not is_of_expired_keys(code)
    assert is_about_keys(code) == (code in UNKNOWN_KEYS)


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("RequestTimeTooSkewed", "", True),
        ("SignatureDoesNotMatch", "Signature expired: 20260504T010203Z is now earlier than 20260504T011203Z", True),
        ("SignatureDoesNotMatch", "Signature not yet current: 20260504T010203Z is still later than ...", True),
        ("InvalidSignatureException", "Signature expired: ...", True),
        ("SignatureDoesNotMatch", "The request signature we calculated does not match", False),
        (None, "Signature expired: ...", False),
        (None, "", False),
    ],
)
def test_a_refused_time_is_known_by_code_or_message(code: str | None, message: str, expected: bool) -> None:
    """STS and others have the code of a wrong signature for it."""
    assert is_about_time(code, message) is expected


def test_no_code_has_two_opposite_meanings() -> None:
    """A code is about the keys, rights, the clock, or what is transient; a wrong region may look like wrong keys."""
    groups = (error_codes.DENIED, error_codes.WRONG_CLOCK, UNKNOWN_KEYS)
    every = [code for group in (*groups, error_codes.TRANSIENT) for code in group]
    assert len(every) == len(set(every))
