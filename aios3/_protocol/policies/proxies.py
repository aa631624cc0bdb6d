"""Choice of the proxy for a host: an argument, or the usual variables if they are trusted."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from aios3.errors import ConfigurationError

__all__ = ["NO_PROXIES", "Proxies", "Proxy", "parse_proxy"]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. ``repr`` hides the login."""

    url: str
    """Scheme, host and port, without user and password."""
    authorization: str | None = field(default=None, repr=False)
    """Value of the Proxy-Authorization header; ``None`` for a proxy without a login."""


@dataclass(frozen=True, slots=True)
class Proxies:
    """Proxies by scheme of the request, and the hosts that are reached directly. ``repr`` hides the URLs."""

    urls: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    """URL of the proxy and the origin of that URL, by scheme of the request."""
    bypass: tuple[str, ...] = ()
    """Entries of NO_PROXY."""
    trusts_environment: bool = False
    """``True`` if the variables count."""

    @classmethod
    def choose(cls, proxy: str | None, *, trust_env: bool, environ: Mapping[str, str]) -> Proxies:
        """Return the proxies of an argument, else those of the variables if they are trusted, else none.

        The variables are http_proxy, https_proxy and all_proxy, in lower or upper case; lower case comes first.
        NO_PROXY counts only with `trust_env`, and then for `proxy` too.
        """
        if not trust_env:
            return cls() if proxy is None else cls(dict.fromkeys(_DEFAULT_PORTS, (proxy, "proxy=")))
        urls = {}
        for scheme in _DEFAULT_PORTS:
            found = (proxy, "proxy=") if proxy is not None else _find_variable(environ, scheme)
            if found is not None:
                urls[scheme] = found
        _, bypass = _read_variable(environ, "no_proxy")
        return cls(urls, tuple(bypass.lower().replace(",", " ").split()), trusts_environment=True)

    def find(self, scheme: str, host: str) -> Proxy | None:
        """Return the proxy for a request to `host`, which may end in a port; ``None`` to connect directly.

        Raises:
            ConfigurationError: the URL of the proxy cannot be used. The message names its origin, and never holds it.
        """
        if scheme not in self.urls:
            return None
        target = urlsplit(f"//{host}")
        name, port = (target.hostname or "").rstrip("."), target.port or _DEFAULT_PORTS[scheme]
        if any(_matches(entry, name, port) for entry in self.bypass):
            return None
        return parse_proxy(*self.urls[scheme])


NO_PROXIES: Final = Proxies()
"""Every host is reached directly, whatever the environment says."""


def parse_proxy(url: str, origin: str) -> Proxy:
    """Return the proxy that `url` describes: ``http://user:password@host:port``, where only the host is required.

    Raises:
        ConfigurationError: it is no URL of an HTTP proxy. The message names `origin`, and never holds the URL.
    """
    parts, port = _split(url if "://" in url else f"http://{url}")
    # A slash, a question mark or a hash in the password would make its beginning the host.
    is_cut = parts is not None and "@" in f"{parts.path}{parts.query}{parts.fragment}"
    if parts is None or not parts.hostname or is_cut or not url.isprintable() or " " in url:
        raise ConfigurationError(
            f"{origin}: the proxy must be a URL such as http://user:password@host:3128, with special "
            "characters of the password percent-encoded"
        )
    if parts.scheme not in _DEFAULT_PORTS:
        raise ConfigurationError(f"{origin}: only http:// and https:// proxies are supported, not {parts.scheme}://")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = f"{parts.scheme}://{host}:{port or _DEFAULT_PORTS[parts.scheme]}"
    if parts.username is None:
        return Proxy(place)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(place, f"Basic {b64encode(login.encode()).decode()}")


def _split(url: str) -> tuple[SplitResult | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError:
        return None, None


def _find_variable(environ: Mapping[str, str], scheme: str) -> tuple[str, str] | None:
    """Return the URL of the proxy for a scheme, and the name of its variable."""
    for name in (f"{scheme}_proxy", "all_proxy"):
        origin, url = _read_variable(environ, name)
        if url:
            return url, origin
    return None


def _read_variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return the name and the value of a variable, in lower case if there is one, else in upper case."""
    upper = name.upper()
    # In a CGI program HTTP_PROXY is the Proxy header of the client's request.
    is_forged = upper == "HTTP_PROXY" and "REQUEST_METHOD" in environ
    if name in environ or is_forged:
        return name, environ.get(name, "")
    return upper, environ.get(upper, "")


def _matches(entry: str, name: str, port: int) -> bool:
    """Return whether an entry of NO_PROXY is about a host: a name with its subdomains, an address, or a network."""
    if entry == "*":
        return True
    if "/" in entry:
        return _is_in_network(entry, name)
    parts, entry_port = _split(f"//{entry}" if entry.count(":") <= 1 or "[" in entry else f"//[{entry}]")
    if parts is None or entry_port not in (None, port):
        return False
    wanted = (parts.hostname or "").removeprefix("*").lstrip(".").rstrip(".")
    return bool(wanted) and (name == wanted or name.endswith(f".{wanted}") or _is_same_address(wanted, name))


def _is_in_network(entry: str, name: str) -> bool:
    address = _address(name)
    try:
        return address is not None and address in ip_network(entry, strict=False)
    except ValueError:
        return False


def _is_same_address(wanted: str, name: str) -> bool:
    address = _address(name)
    return address is not None and address == _address(wanted)


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
