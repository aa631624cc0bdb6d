"""Credentials from the container credentials endpoint (ECS, EKS Pod Identity, CloudShell)."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._concurrency.clock import Clock
from aios3._config.credential_requests.documents import METADATA_FIELDS, parse_object, read_credentials, read_small_file
from aios3._config.credential_requests.fetch import CredentialRequests, by_our_clock, make_request, refusal
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

__all__ = ["ContainerCredentials"]

_HOST: Final = "http://169.254.170.2"
_ALLOWED_HOSTS: Final = frozenset({"localhost", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
"""Hosts allowed without TLS, besides all loopback addresses: ECS, and EKS over IPv4 and IPv6."""
_OPERATION: Final = "GetContainerCredentials"
_SECONDS: Final = 2.0
_ATTEMPTS: Final = 3


class ContainerCredentials(RefreshingCredentials):
    """Gets credentials from a container's endpoint, and renews them before they expire.

    A request has three attempts of two seconds.

    Args:
        uri: a path on 169.254.170.2, or a whole URL: https, or http to a host that cannot be outside the machine.
        token: value of the Authorization header; ``None`` for none.
        token_file: file with the token, read in a thread at each renewal; ``None`` uses `token`.
        ca_bundle: path of the certificates to trust; ``None`` trusts those of the system.
        clock: source of the time.

    Raises:
        ConfigurationError: `uri` is another kind of text. The message does not hold it, because it may be a secret.
    """

    def __init__(
        self,
        uri: str,
        *,
        token: str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        ca_bundle: str | None = None,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(self._ask, clock=clock, name="container credentials")
        self._url = f"{_HOST}{uri}" if uri.startswith("/") else _checked(uri)
        self._token = token
        self._token_file = None if token_file is None else Path(token_file)
        self._requests = CredentialRequests(seconds=_SECONDS, attempts=_ATTEMPTS, clock=clock, ca_bundle=ca_bundle)

    async def _ask(self) -> Credentials:
        headers = {"accept": "application/json"}
        token = await self._read_token()
        if token is not None:
            headers["authorization"] = token
        origin = "the container's credentials endpoint"
        request = make_request(_OPERATION, "GET", self._url, headers, origin=origin)
        response = await self._requests.send(request)
        if response.status != 200:
            raise refusal(response, _OPERATION)
        origin = f"the response of {origin}"
        credentials = read_credentials(parse_object(response.body, origin), METADATA_FIELDS, origin)
        return by_our_clock(credentials, response, self._clock.now())

    async def _read_token(self) -> str | None:
        if self._token_file is None:
            return self._token
        content = await read_small_file(self._token_file, "the container's authorization token")
        return content.decode("latin-1")


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise ConfigurationError("the container's credentials endpoint is not a URL") from None
    if parts.scheme == "https" or (parts.scheme == "http" and (host in _ALLOWED_HOSTS or _is_loopback(host))):
        return url
    raise ConfigurationError(
        f"the container's credentials endpoint ({host!r:.80}) must be https, or a loopback address, or one of "
        "169.254.170.2, 169.254.170.23 and [fd00:ec2::23]: elsewhere its credentials could be read"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
