"""Percent-encoding, canonical queries, and the two ways to name a bucket in a URL.

S3 signs the path as it is sent: encoded once, never decoded, never normalised.
So ``a//b``, ``a/../b`` and ``.`` are ordinary keys here.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final, Literal
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

from aios3.errors import ConfigurationError

from .access_points import is_arn
from .messages import Request

__all__ = [
    "Addressing",
    "Endpoint",
    "canonical_query",
    "check_bucket",
    "check_key",
    "check_upload_id",
    "encode_path",
    "encode_query",
    "request_url",
]

MAX_KEY_BYTES: Final = 1024
"""S3's limit, counted in UTF-8."""

_MOST_PLACES: Final = 256
"""Buckets whose place an endpoint remembers; most programs use few."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
Addressing = Literal["virtual", "path", "cname"]
"""Place of the bucket in a URL: in the host, in the path, or nowhere, because the host stands for one bucket."""

_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9._~/-]*", re.ASCII)
_PLAIN_QUERY: Final = re.compile(r"[A-Za-z0-9._~-]*", re.ASCII)
_BUCKET: Final = re.compile(r"[A-Za-z0-9._-]{1,255}", re.ASCII)
# Ceph takes a bucket of another tenant after the tenant's name, and one without a tenant after a colon alone.
_OF_TENANT: Final = re.compile(r"[A-Za-z0-9_]{0,255}:[A-Za-z0-9._-]{1,255}", re.ASCII)
# One DNS label in lower case. Anything else in a host name would reach another bucket (hosts ignore case) or
# fall outside the wildcard of the TLS certificate (dots).
_HOST_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_AUTHORITY: Final = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)(?::[0-9]*)?", re.ASCII)


def encode_path(text: str) -> str:
    """Percent-encode the UTF-8 of everything but ``A-Za-z0-9-._~/``, once, in upper case."""
    return text if _PLAIN_PATH.fullmatch(text) else quote(text, safe="/")


def encode_query(text: str) -> str:
    """Percent-encode the UTF-8 of everything but ``A-Za-z0-9-._~``, once, in upper case.

    Lone surrogates become the bytes that they stand for: a store's markers may hold bytes that are not UTF-8.
    """
    return text if _PLAIN_QUERY.fullmatch(text) else quote(text, safe="", errors="surrogateescape")


def canonical_query(pairs: Collection[tuple[str, str]]) -> str:
    """Return the query in SigV4's form: encoded, then sorted by name and value; ``name=`` without a value."""
    if not pairs:
        return ""
    encoded = sorted((encode_query(name), encode_query(value)) for name, value in pairs)
    return "&".join([f"{name}={value}" for name, value in encoded])


def request_url(request: Request) -> str:
    """Return the URL exactly as it is sent."""
    query = canonical_query(request.query)
    url = f"{request.scheme}://{request.host}{request.path}"
    return f"{url}?{query}" if query else url


def check_bucket(bucket: object) -> None:
    """Refuse a bucket name that could change the meaning of a URL.

    Names with a tenant and ARNs pass. `Endpoint.locate` refuses them for stores that do not have them.

    Raises:
        ConfigurationError: the name is ``.`` or ``..``, or not a string of 1 to 255 characters of ``A-Za-z0-9._-``.
    """
    if not isinstance(bucket, str) or not _is_credible(bucket):
        raise _bad_bucket(bucket)


# An upload asks several times, always for one of few buckets.
@lru_cache(maxsize=256)
def _is_credible(bucket: str) -> bool:
    if is_arn(bucket):
        return True
    name = bucket.rpartition(":")[2]
    return name not in (".", "..") and bool(_BUCKET.fullmatch(bucket) or _OF_TENANT.fullmatch(bucket))


def _bad_bucket(bucket: object) -> ConfigurationError:
    return ConfigurationError(f"{bucket!r:.80} cannot be a bucket name: use letters, digits, '.', '-' and '_'")


def check_upload_id(upload_id: str) -> None:
    """Refuse an id without which a request about the upload would be one about the object: a deletion, or a PUT.

    Raises:
        ConfigurationError: the id is empty, or UTF-8 cannot express it.
    """
    if not upload_id.strip() or upload_id.encode(errors="ignore").decode() != upload_id:
        raise ConfigurationError(f"{upload_id!r:.80} cannot be the id of a multipart upload")


def check_key(key: object) -> None:
    """Refuse a key that S3 cannot hold.

    Raises:
        ConfigurationError: the key is not a string, empty, not encodable, or over 1,024 bytes of UTF-8.
    """
    if not isinstance(key, str) or not key:
        raise ConfigurationError(f"a key must be a string that is not empty, not {key!r:.80}")
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        raise ConfigurationError("the key holds lone surrogates, which UTF-8 cannot express") from None
    if length > MAX_KEY_BYTES:
        raise ConfigurationError(f"the key has {length} bytes of UTF-8; S3 takes {MAX_KEY_BYTES} at most")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address of a store, and its way to name a bucket."""

    scheme: str
    """``"http"`` or ``"https"``."""
    host: str
    """Lower-case host, with the port unless it is the scheme's default; IPv6 in brackets."""
    base_path: str = ""
    """Prefix of every path: encoded, without a slash at the end."""
    addressing: Addressing = "path"
    bucket: str | None = None
    """The only bucket that may be named; ``None`` for any. With ``"cname"`` the bucket that the host stands for."""
    refused_bucket: str | None = None
    """Bucket that may not be named, because `base_path` ends with its name and may be the bucket itself."""
    may_begin_with_bucket: bool = False
    """Whether the bucket may stand before `host` already. Then a bucket with which the host begins may not be named."""
    has_tenants: bool = False
    """Whether the store takes names such as ``tenant:bucket``."""
    _places: dict[str, tuple[str, str, str]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Host, path of the bucket, and path before a key, by bucket that was checked already."""

    @classmethod
    def parse(cls, url: str, addressing: Addressing) -> Endpoint:
        """Read an endpoint URL such as ``https://s3.eu-west-1.amazonaws.com``.

        Raises:
            ConfigurationError: the URL has no host or a bad port, is not http(s), or carries user information, a
                query or a fragment; or the addressing is unknown.
        """
        if addressing not in ("virtual", "path", "cname"):
            raise ConfigurationError(f"unknown addressing {addressing!r}; known are 'virtual', 'path' and 'cname'")
        parts = _split(url)
        return cls(parts.scheme, _read_host(parts), _read_base_path(parts.path), addressing)

    @property
    def url(self) -> str:
        """URL of the service, without a slash at the end."""
        return f"{self.scheme}://{self.host}{self.base_path}"

    def locate(self, bucket: str | None, key: str | None) -> tuple[str, str]:
        """Return the host and the encoded path of the service, a bucket, or a key in it.

        The key is not checked. Buckets that are not one DNS label, IP hosts
        and localhost are addressed by path instead of ``"virtual"``.

        Raises:
            ConfigurationError: the bucket name is refused by `check_bucket`, or the endpoint does not reach it.
        """
        if bucket is None:
            if self.addressing == "cname":
                raise self._one_bucket()
            return self.host, f"{self.base_path}/"
        try:
            host, path, before_key = self._places[bucket]
        except (KeyError, TypeError):  # TypeError for what is not even hashable
            host, path, before_key = place = self._place_of(bucket)
            if len(self._places) >= _MOST_PLACES:
                self._places.clear()
            self._places[bucket] = place
        return host, path if key is None else f"{before_key}{encode_path(key)}"

    def _place_of(self, bucket: str) -> tuple[str, str, str]:
        """Return the host, the path of a bucket, and the path before its keys, after the checks of `locate`."""
        self._check_bucket(bucket)
        if self.addressing == "cname" and self.bucket is None:
            raise self._one_bucket()
        root = f"{self.base_path}/"
        if self.addressing == "cname":
            return self.host, root, root
        if self.addressing == "virtual" and self.takes_subdomain(bucket):
            return f"{bucket}.{self.host}", root, root
        path = f"{root}{encode_path(bucket)}"
        return self.host, path, f"{path}/"

    def _one_bucket(self) -> ConfigurationError:
        return ConfigurationError(f"{self.url} stands for one bucket: no bucket is created, deleted or listed there")

    def takes_subdomain(self, name: str) -> bool:
        """Return whether ``name`` can be a subdomain of the host."""
        return _HOST_LABEL.fullmatch(name) is not None and _takes_subdomains(self.host)

    def _check_bucket(self, bucket: str) -> None:
        check_bucket(bucket)
        if self.bucket not in (None, bucket):
            raise ConfigurationError(
                f"the endpoint is that of the bucket {self.bucket!r}, and this call names {bucket!r:.80}: "
                + self._way_to_others()
            )
        if self.bucket is None and is_arn(bucket):
            raise ConfigurationError(f"{bucket!r:.80} cannot be a bucket name here: no ARN is taken")
        if ":" in bucket and self.bucket is None and not self.has_tenants:
            raise _bad_bucket(bucket)
        if bucket == self.refused_bucket:
            parent = self.base_path.rpartition("/")[0]
            raise ConfigurationError(
                f"the endpoint's path ends with the bucket {bucket!r}, which would be in the path twice: use "
                f"endpoint_url='{self.scheme}://{self.host}{parent}', or if the path is the store's own, name the "
                "addressing, as in addressing='path'"
            )
        if self.may_begin_with_bucket and self.host.startswith(f"{bucket}."):
            rest = self.host.removeprefix(f"{bucket}.")
            raise ConfigurationError(
                f"the endpoint's host begins with the bucket {bucket!r}, which would be named twice: use "
                f"endpoint_url='{self.scheme}://{rest}{self.base_path}', or if the host is the store's own, name the "
                "addressing, as in addressing='path'"
            )

    def _way_to_others(self) -> str:
        if self.addressing == "cname":
            return "its host stands for one bucket"
        return f"for every bucket use endpoint_url='{self.url}'"


def _refuse(url: object, reason: str) -> ConfigurationError:
    # The URL itself may hold a password, so it stays out of the message.
    scheme = url.partition("://")[0] if isinstance(url, str) and "://" in url else ""
    shown = f" ({scheme[:20]}://...)" if scheme.isalnum() else ""
    return ConfigurationError(f"the endpoint URL{shown} {reason}")


def _split(url: object) -> SplitResult:
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise _refuse(url, "must be printable ASCII without spaces; write other host names in punycode")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _refuse(url, "has a malformed host") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise _refuse(url, "must begin with https:// or http://")
    if "@" in parts.netloc:
        raise _refuse(url, "must not hold a user name or a password; pass credentials instead")
    if "?" in url or "#" in url:
        raise _refuse(url, "must not hold a query or a fragment")
    return parts


def _read_host(parts: SplitResult) -> str:
    # The parser of the standard library drops text after a bracket, so the whole shape is checked here.
    if not _AUTHORITY.fullmatch(parts.netloc.lower()):
        raise _refuse(parts.geturl(), "has no usable host name, or a port that is not a number")
    try:
        name, port = parts.hostname or "", parts.port
        host = f"[{IPv6Address(name)}]" if "[" in parts.netloc else name
    except ValueError:
        raise _refuse(parts.geturl(), "has a malformed IPv6 address, or a port that is not in 1..65535") from None
    if port == 0:
        raise _refuse(parts.geturl(), "has port 0, which nothing listens on")
    return host if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"


def _read_base_path(path: str) -> str:
    # Servers decode and re-encode the path before signing, so needless or lower-case escapes would break the signature.
    if "%2f" in path.lower():
        raise ConfigurationError("the endpoint URL's path holds an encoded slash, which cannot be signed reliably")
    return quote(unquote_to_bytes(path), safe="/").rstrip("/")


@lru_cache(maxsize=64)
def _takes_subdomains(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name.startswith("["):
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return False
    try:
        ip_address(name)
    except ValueError:
        return True
    return False
