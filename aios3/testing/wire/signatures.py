"""Signature Version 4 on the server's side: the signature is computed again from the received request.

Sources: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from aios3.credentials import Credentials

from .answers import Refusal
from .documents import timestamp
from .heads import RequestHead

__all__ = [
    "UNSIGNED_PAYLOAD",
    "Authorization",
    "canonical_request",
    "check_authorization",
    "read_authorization",
    "signature",
    "string_to_sign",
]

UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_HEADER: Final = re.compile(
    rf"{_ALGORITHM} +Credential=(?P<credential>[^,\s]+), *"
    r"SignedHeaders=(?P<signed>[^,\s]+), *Signature=(?P<signature>\S+)"
)
_MAX_SKEW: Final = timedelta(minutes=15)
_MAX_EXPIRY: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Authorization:
    """Signature of a request, with the values that it was computed from."""

    access_key_id: str
    scope: tuple[str, ...]
    """Date, region, service, ``"aws4_request"``."""
    signed_headers: tuple[str, ...]
    signature: str
    amz_date: str
    """Time of signing as received, for example ``"20130524T000000Z"``."""
    payload_hash: str
    expires: str | None = None
    """Seconds until a presigned URL expires, as received; ``None`` for the header form."""
    token: str | None = None
    session_token: str | None = None
    """The token of a directory bucket's session."""

    @property
    def malformed_code(self) -> str:
        """S3's error code for this form of authorization."""
        return "AuthorizationHeaderMalformed" if self.expires is None else "AuthorizationQueryParametersError"


def read_authorization(head: RequestHead) -> Authorization | None:
    """Read the signature of a request from its header or its query; ``None`` if it is unsigned.

    Raises:
        Refusal: the signature cannot be read, or there are two.
    """
    header = head.header("Authorization")
    presigned = head.parameter("X-Amz-Algorithm") is not None or head.parameter("X-Amz-Signature") is not None
    if header is not None and presigned:
        raise Refusal(400, "InvalidArgument", "Only one auth mechanism allowed.")
    if header is not None:
        return _read_header(header, head)
    return _read_query(head) if presigned else None


def _read_header(value: str, head: RequestHead) -> Authorization:
    found = _HEADER.fullmatch(value)
    if not found:
        raise Refusal(400, "AuthorizationHeaderMalformed", "The authorization header is malformed.")
    payload_hash = head.header("x-amz-content-sha256")
    if payload_hash is None:
        raise Refusal(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    key, *scope = found["credential"].split("/")
    return Authorization(
        access_key_id=key,
        scope=tuple(scope),
        signed_headers=tuple(found["signed"].split(";")),
        signature=found["signature"],
        amz_date=head.header("x-amz-date") or "",
        payload_hash=payload_hash,
        token=head.header("x-amz-security-token"),
        session_token=head.header("x-amz-s3session-token"),
    )


def _read_query(head: RequestHead) -> Authorization:
    names = ("Algorithm", "Credential", "SignedHeaders", "Signature", "Date", "Expires")
    values = {name: head.parameter(f"X-Amz-{name}") for name in names}
    missing = [f"X-Amz-{name}" for name, value in values.items() if not value]
    if missing or values["Algorithm"] != _ALGORITHM:
        message = f"{', '.join(missing)} is missing." if missing else "X-Amz-Algorithm only supports AWS4-HMAC-SHA256."
        raise Refusal(400, "AuthorizationQueryParametersError", message)
    key, *scope = str(values["Credential"]).split("/")
    return Authorization(
        access_key_id=key,
        scope=tuple(scope),
        signed_headers=tuple(str(values["SignedHeaders"]).split(";")),
        signature=str(values["Signature"]),
        amz_date=str(values["Date"]),
        payload_hash=head.header("x-amz-content-sha256") or UNSIGNED_PAYLOAD,
        expires=values["Expires"],
        token=head.parameter("X-Amz-Security-Token"),
        session_token=head.parameter("X-Amz-S3session-Token"),
    )


def check_authorization(
    head: RequestHead,
    claim: Authorization,
    *,
    credentials: Credentials,
    region: str | None,
    now: datetime,
    service: str = "s3",
) -> None:
    """Check everything about a signature but the payload.

    Args:
        head: the head of the request, as received.
        claim: the signature that the request has.
        credentials: the only known keys.
        region: the region that the scope must name; ``None`` takes any.
        now: the time of the server.
        service: the service that the scope must name.

    Raises:
        Refusal: the signature is wrong. The code is the one that S3 gives for the reason.
    """
    _check_credentials(claim, credentials, now)
    _check_scope(claim, region, service)
    _check_signed_headers(head, claim)
    _check_time(claim, now)
    request = canonical_request(head, claim.signed_headers, claim.payload_hash)
    to_sign = string_to_sign(request, claim.amz_date, claim.scope)
    expected = signature(credentials.secret_access_key, claim.scope, to_sign)
    if not _is_canonical_path(head.path) or not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise Refusal(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
            AWSAccessKeyId=claim.access_key_id,
            StringToSign=to_sign,
            SignatureProvided=claim.signature,
            CanonicalRequest=request,
        )


def _check_credentials(claim: Authorization, credentials: Credentials, now: datetime) -> None:
    if claim.access_key_id != credentials.access_key_id:
        message = "The AWS Access Key Id you provided does not exist in our records."
        raise Refusal(403, "InvalidAccessKeyId", message, AWSAccessKeyId=claim.access_key_id)
    if claim.token != credentials.session_token:
        raise Refusal(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
    if credentials.expires_at is not None and credentials.expires_at <= now:
        raise Refusal(400, "ExpiredToken", "The provided token has expired.")


def _check_scope(claim: Authorization, region: str | None, service: str) -> None:
    if len(claim.scope) != 4 or claim.scope[2:] != (service, "aws4_request"):
        raise Refusal(400, claim.malformed_code, f"The credential is not key/date/region/{service}/aws4_request.")
    if claim.scope[0] != claim.amz_date[:8]:
        raise Refusal(400, claim.malformed_code, "The date of the credential is not that of the request.")
    if region is not None and claim.scope[1] != region:
        message = f"the region '{claim.scope[1]}' is wrong; expecting '{region}'"
        raise Refusal(400, claim.malformed_code, message, Region=region)


def _check_signed_headers(head: RequestHead, claim: Authorization) -> None:
    names = claim.signed_headers
    if list(names) != sorted({name.lower() for name in names}):
        raise Refusal(400, claim.malformed_code, "SignedHeaders are not in lower case, sorted and unique.")
    present = {name.lower() for name, _ in head.headers}
    required = {"host"} | {name for name in present if name.startswith("x-amz-")}
    unsigned = sorted(required.difference(names))
    if unsigned:
        message = "There were headers present in the request which were not signed"
        raise Refusal(403, "AccessDenied", message, HeadersNotSigned=", ".join(unsigned))
    if not present.issuperset(names):
        raise Refusal(403, "SignatureDoesNotMatch", "A header was signed that did not come.")


def _check_time(claim: Authorization, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(claim.amz_date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Refusal(403, "AccessDenied", "AWS authentication requires a valid x-amz-date.") from None
    if claim.expires is not None:
        _check_expiry(signed_at, claim.expires, now)
    elif abs(now - signed_at) > _MAX_SKEW:
        raise Refusal(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            RequestTime=claim.amz_date,
            ServerTime=timestamp(now),
            MaxAllowedSkewMilliseconds=900_000,
        )


def _check_expiry(signed_at: datetime, expires: str, now: datetime) -> None:
    if not re.fullmatch(r"[0-9]{1,9}", expires) or not 1 <= int(expires) <= _MAX_EXPIRY.total_seconds():
        raise Refusal(400, "AuthorizationQueryParametersError", "X-Amz-Expires must be between 1 and 604800 seconds")
    expiry = signed_at + timedelta(seconds=int(expires))
    if now > expiry:
        details = {"X-Amz-Expires": expires, "Expires": timestamp(expiry), "ServerTime": timestamp(now)}
        raise Refusal(403, "AccessDenied", "Request has expired", **details)
    if signed_at > now + _MAX_SKEW:
        raise Refusal(403, "AccessDenied", "Request is not valid yet", ServerTime=timestamp(now))


def canonical_request(head: RequestHead, signed_headers: Iterable[str], payload_hash: str) -> str:
    """Return the canonical request, with the path as it was received."""
    names = list(signed_headers)
    query = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in head.query if name != "X-Amz-Signature"
    )
    headers = [f"{name}:{' '.join((head.header(name) or '').split())}\n" for name in names]
    pairs = "&".join(f"{name}={value}" for name, value in query)
    return "\n".join((head.method, head.path, pairs, "".join(headers), ";".join(names), payload_hash))


def string_to_sign(request: str, amz_date: str, scope: Iterable[str]) -> str:
    """Return the string to sign for a canonical request."""
    digest = hashlib.sha256(request.encode("latin-1")).hexdigest()
    return "\n".join((_ALGORITHM, amz_date, "/".join(scope), digest))


def signature(secret_access_key: str, scope: Iterable[str], to_sign: str) -> str:
    """Return the signature in hex. The words of the scope derive the key, in order."""
    key = f"AWS4{secret_access_key}".encode()
    for word in (*scope, to_sign):
        key = hmac.digest(key, word.encode(), "sha256")
    return key.hex()


def _is_canonical_path(path: str) -> bool:
    """Return whether the path is encoded as S3 encodes it. S3 computes the signature from its own encoding."""
    return quote(unquote_to_bytes(path), safe="/-_.~") == path
