"""Findings about a bucket and its store, and the words for refusals and missing responses."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from aios3.errors import (
    AccessDeniedError,
    ConfigurationError,
    ContainerNotFoundError,
    CredentialsError,
    ResponseError,
    ThrottledError,
    TransportError,
    TransportTimeoutError,
)

__all__ = ["Cause", "Finding", "Level", "Report", "describe_refusal", "problem_of"]

Level = Literal["ok", "warning", "problem"]
Cause = Literal["store", "configuration", "no response"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found out about a bucket, its store, or the way to it."""

    subject: str
    """Subject in a word or two that never change, for programs: ``"credentials"``, ``"unequal parts"``."""
    level: Level
    """``"ok"``. ``"warning"``: uploads work, but something is lost, costs money or stays unknown. ``"problem"``:
    uploads fail, or break a promise."""
    text: str
    """One sentence without secrets."""
    advice: str = ""
    """What to do; empty if nothing is to be done."""
    cause: Cause = "store"
    """Cause of a problem: ``"store"`` (it refused), ``"configuration"`` (nothing was sent), or ``"no response"``."""


Report = Callable[[Finding], None]
"""Function that receives each finding as soon as it is known."""

_ADVICE: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (ContainerNotFoundError, "bucket", "check the bucket's name, --endpoint-url and --provider"),
    (CredentialsError, "credentials", "check the access key id and its secret, --profile and --region"),
    (AccessDeniedError, "permissions", "give these keys the permission, or choose other keys with --profile"),
    (ThrottledError, "endpoint", "the store asks for fewer requests: try again later"),
    (
        ResponseError,
        "endpoint",
        "check --endpoint-url, --region and --provider: perhaps the server there is no S3 store",
    ),
)


def problem_of(error: Exception) -> Finding:
    """Return the problem that ends the examination, because the error would meet every further request.

    Raises:
        Exception: the error itself, if it is none of the library.
    """
    if isinstance(error, ConfigurationError):
        return Finding("configuration", "problem", _sentence(str(error)), cause="configuration")
    if isinstance(error, TransportError):
        return Finding("endpoint", "problem", _sentence(str(error)), _way_to_endpoint(error), "no response")
    for kind, subject, advice in _ADVICE:
        if isinstance(error, kind):
            return Finding(subject, "problem", _sentence(str(error)), advice)
    raise error


def describe_refusal(error: ResponseError) -> str:
    """Return the status and code of a response: ``"501 NotImplemented"``."""
    return f"{error.status} {error.code}" if error.code else str(error.status)


def _way_to_endpoint(error: TransportError) -> str:
    causes = list(_causes(error))
    words = " ".join(str(each) for each in causes).lower()
    if "certificate" in words and "verify" in words:
        return "name the CA file in AWS_CA_BUNDLE, or use the host name of the certificate in --endpoint-url"
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return "the server does not speak TLS on this port: try http:// in --endpoint-url, or the store's https port"
    if isinstance(error, TransportTimeoutError):
        is_tls = " at https://" in str(error)
        other = "; if the port speaks plain http, write http:// there" if is_tls else ""
        return f"check the host and port of --endpoint-url, firewalls and --proxy{other}"
    if error.was_sent:
        return "the server does not speak HTTP on this port: try https:// in --endpoint-url, or another port"
    return "check the host and port of --endpoint-url, and whether the store runs"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _sentence(text: str) -> str:
    """Return the text of an error as one line, with a capital only where it has one itself."""
    return " ".join(text.split())
