"""Table of error codes by meaning, in the words of Amazon and of other stores.

The code of a response says more than its status. Every decision about a refusal
(its class, a retry, a repair) reads the codes here.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "CONFLICT",
    "DENIED",
    "THROTTLING",
    "TRANSIENT",
    "UNKNOWN_KEYS",
    "WRONG_CLOCK",
    "WRONG_REGION",
    "is_about_keys",
    "is_about_time",
    "is_of_expired_keys",
]

_EXPIRED_KEYS: Final = re.compile(
    r"\w*(?:Expired\w*(?:Token|Credential)|(?:Token|Credential)\w*Expired)\w*|TokenRefreshRequired|InvalidSecurityToken"
)
"""Temporary keys that were good once: ExpiredToken, ExpiredTokenException of Amazon's JSON services, and
SecurityTokenExpired of Alibaba, which also says InvalidSecurityToken."""

UNKNOWN_KEYS: Final = frozenset(
    {
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "InvalidTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""Keys that are wrong, or were rotated since they were read: then the file that they come from has others.

Stores that forget temporary keys when they expire also say InvalidAccessKeyId; see `Provider.expired_key_codes`.
"""

DENIED: Final = frozenset(
    {"AccessDenied", "AllAccessDisabled", "AccountProblem", "AccessForbidden", "Forbidden", "Unauthorized"}
)
"""Keys that are accepted, and may not do this."""

CONFLICT: Final = frozenset(
    {"ConditionalRequestConflict", "OperationAborted", "BucketAlreadyExists", "BucketAlreadyOwnedByYou"}
)
"""Another request, or another owner, was first."""

WRONG_CLOCK: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
"""The time of the request is too far from the store's clock."""

WRONG_REGION: Final = frozenset(
    {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "SignatureDoesNotMatch"}
)
"""The region may be wrong, if the response names another one. Codes with "region" in them mean it, too."""

TRANSIENT: Final = frozenset(
    {
        "BadDigest",
        "ClientDisconnect",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "PriorRequestNotComplete",
        "RequestTimeout",
        "XAmzContentSHA256Mismatch",
    }
)
"""The same bytes may succeed later, whatever the status (many are 4xx)."""

THROTTLING: Final = (
    "SlowDown",
    "Throttl",
    "TooManyRequests",
    "RequestLimitExceeded",
    "RequestThrottled",
    "BandwidthLimitExceeded",
)
"""Beginnings of the codes that mean: send less."""

_ABOUT_TIME: Final = re.compile(r"Signature (?:expired|not yet current)\b")
"""Beginning of the message with which STS refuses a time, under the code of a wrong signature."""


def is_of_expired_keys(code: str | None) -> bool:
    """Return whether a refusal with this code says that temporary keys have expired. Fresh keys may be accepted."""
    return code is not None and _EXPIRED_KEYS.fullmatch(code) is not None


def is_about_keys(code: str | None) -> bool:
    """Return whether a refusal with this code says that the store does not accept the keys, for whatever reason."""
    return code in UNKNOWN_KEYS or code == "InvalidSecurity" or is_of_expired_keys(code)


def is_about_time(code: str | None, message: str) -> bool:
    """Return whether a refusal with this code and message is about the time of the request."""
    return code in WRONG_CLOCK or (code is not None and _ABOUT_TIME.match(message) is not None)
