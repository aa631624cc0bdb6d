"""AWS Signature Version 4 in S3's form: the path encoded once, the payload's hash in a header.

Four small steps, each on plain values: canonical request, string to sign,
signing key, signature. `sign` and `presign` combine them.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

from .messages import Request
from .uri import canonical_query, request_url

if TYPE_CHECKING:
    from _hashlib import HASH

__all__ = [
    "EMPTY_SHA256",
    "UNSIGNED_PAYLOAD",
    "Scope",
    "canonical_headers",
    "canonical_request",
    "presign",
    "sign",
    "signature",
    "signing_key",
    "string_to_sign",
]

UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
"""Value in place of the hash of a body that is not signed; safe only over https."""

_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))

_EMPTY: Final = sha256()
EMPTY_SHA256: Final = _EMPTY.hexdigest()

MAX_PRESIGNED_SECONDS: Final = 7 * 24 * 3600

_ALGORITHM: Final = "AWS4-HMAC-SHA256"

# Proxies add, drop or change these headers; Google's also change accept-encoding.
_UNSIGNED_HEADERS: Final = frozenset({
    "accept-encoding", "authorization", "baggage", "connection", "expect", "keep-alive", "te", "traceparent",
    "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scope:
    """Region and service that a signature is valid for."""

    region: str
    service: str = "s3"
    token_name: str = "X-Amz-Security-Token"  # noqa: S105 - a name, no token
    """Name of the token of temporary credentials: in lower case as a header, unchanged in a query."""

    def on(self, date: str) -> str:
        """Return the text of the scope for a day (``YYYYMMDD``)."""
        return f"{date}/{self.region}/{self.service}/aws4_request"


def sign(request: Request, credentials: Credentials, scope: Scope, now: datetime, payload_hash: str) -> Request:
    """Return the request with the headers that authenticate it. The given request is not changed.

    Args:
        request: all its headers are signed, except those that proxies change.
        credentials: a session token becomes a signed header.
        scope: region, service, and the name of a session token.
        now: an aware datetime; S3 tolerates a difference of 15 minutes.
        payload_hash: hex SHA-256 of the body, or `UNSIGNED_PAYLOAD`.
    """
    stamp = _stamp(now)
    headers = {**request.headers, "x-amz-date": stamp, "x-amz-content-sha256": payload_hash}
    if credentials.session_token is not None:
        headers[scope.token_name.lower()] = credentials.session_token
    signed = _lines_and_names({"host": request.host, **headers})
    query = canonical_query(request.query) if request.query else ""
    canonical = canonical_request(request.method, request.path, query, signed, payload_hash)
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope.on(stamp[:8])}, "
        f"SignedHeaders={signed[1]}, Signature={_sign_text(canonical, credentials, scope, stamp)}"
    )
    return request.with_headers(headers)


def presign(request: Request, credentials: Credentials, scope: Scope, now: datetime, expires_in: int) -> str:
    """Return a URL that carries its own signature, valid for ``expires_in`` seconds from ``now``.

    The user of the URL must send the request's headers as they are. The URL is a secret.

    Raises:
        ConfigurationError: ``expires_in`` is not in 1..604800.
    """
    if not 1 <= expires_in <= MAX_PRESIGNED_SECONDS:
        raise ConfigurationError(f"a presigned URL can last 1 to {MAX_PRESIGNED_SECONDS} seconds, not {expires_in}")
    stamp = _stamp(now)
    signed = canonical_headers([("host", request.host), *request.headers.items()])
    added = _presigned_query(credentials, scope, stamp, expires_in, signed[1])
    prepared = replace(request, query=(*request.query, *added))
    query = canonical_query(prepared.query)
    canonical = canonical_request(request.method, request.path, query, signed, UNSIGNED_PAYLOAD)
    return f"{request_url(prepared)}&X-Amz-Signature={_sign_text(canonical, credentials, scope, stamp)}"


def canonical_headers(headers: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """Return the canonical header lines and the list of their names.

    Args:
        headers: in the order of sending; names in any case. Repeated headers are joined.
    """
    values: dict[str, str] = {}
    for name, value in headers:
        lowered, text = name.lower(), " ".join(value.split())
        values[lowered] = f"{values[lowered]},{text}" if lowered in values else text
    return _lines_and_names(values)


def _lines_and_names(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return what `canonical_headers` does, for headers by lower-case name."""
    names, listed = _signed_names(tuple(headers))
    return "".join([f"{name}:{' '.join(headers[name].split())}\n" for name in names]), listed


# Requests differ by their date, path and hash; the names of their headers are of few kinds.
@lru_cache(maxsize=256)
def _signed_names(names: tuple[str, ...]) -> tuple[list[str], str]:
    """Return those of the lower-case names that are signed, in order, and their list."""
    signed = sorted(name for name in names if name not in _UNSIGNED_HEADERS and not name.startswith("proxy-"))
    return signed, ";".join(signed)


def canonical_request(method: str, path: str, query: str, headers: tuple[str, str], payload_hash: str) -> str:
    """Return the canonical text of the whole request.

    Path and query must be encoded; headers are the two results of `canonical_headers`.
    """
    lines, names = headers
    return f"{method}\n{path}\n{query}\n{lines}\n{names}\n{payload_hash}"


def string_to_sign(canonical: str, scope: Scope, stamp: str) -> str:
    """Return the text that is signed at the time ``stamp`` (``YYYYMMDDTHHMMSSZ``)."""
    digest = _EMPTY.copy()  # three times as fast as a new one
    digest.update(canonical.encode())
    return f"{_ALGORITHM}\n{stamp}\n{scope.on(stamp[:8])}\n{digest.hexdigest()}"


# A day, a region and a set of keys change rarely, and the derivation costs more than the signature.
@lru_cache(maxsize=64)
def signing_key(secret_access_key: str, date: str, region: str, service: str) -> bytes:
    """Return the key of one day (``YYYYMMDD``), region and service. The last 64 are cached."""
    key = f"AWS4{secret_access_key}".encode()
    for text in (date, region, service, "aws4_request"):
        key = hmac.digest(key, text.encode(), "sha256")
    return key


def signature(key: bytes, text: str) -> str:
    """Return the signature of a string to sign, in hex."""
    # HMAC by its definition (RFC 2104), with both hashes of the key prepared: a third of the time of `hmac.digest`.
    prepared_inner, prepared_outer = _prepared(key)
    inner, outer = prepared_inner.copy(), prepared_outer.copy()
    inner.update(text.encode())
    outer.update(inner.digest())
    return outer.hexdigest()


@lru_cache(maxsize=64)
def _prepared(key: bytes) -> tuple[HASH, HASH]:
    """Return the inner and the outer hash of HMAC-SHA256 after the padded key, which has at most 64 bytes."""
    padded = key.ljust(_EMPTY.block_size, b"\0")
    return sha256(padded.translate(_INNER_PAD)), sha256(padded.translate(_OUTER_PAD))


def _sign_text(canonical: str, credentials: Credentials, scope: Scope, stamp: str) -> str:
    key = signing_key(credentials.secret_access_key, stamp[:8], scope.region, scope.service)
    return signature(key, string_to_sign(canonical, scope, stamp))


def _presigned_query(
    credentials: Credentials, scope: Scope, stamp: str, expires_in: int, names: str
) -> list[tuple[str, str]]:
    query = [
        ("X-Amz-Algorithm", _ALGORITHM),
        ("X-Amz-Credential", f"{credentials.access_key_id}/{scope.on(stamp[:8])}"),
        ("X-Amz-Date", stamp),
        ("X-Amz-Expires", str(expires_in)),
        ("X-Amz-SignedHeaders", names),
    ]
    if credentials.session_token is not None:
        query.append((scope.token_name, credentials.session_token))
    return query


def _stamp(now: datetime) -> str:
    return _stamp_of(math.floor(now.timestamp()))


# Many requests begin in the same second.
@lru_cache(maxsize=4)
def _stamp_of(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ")
