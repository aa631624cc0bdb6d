"""Credentials of a console session, which ``aws login`` leaves in a file."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._concurrency.clock import Clock
from aios3._concurrency.threads import in_library_thread
from aios3._config.credential_requests.documents import LOGIN_FIELDS, parse_object, read_credentials
from aios3._config.credential_requests.dpop import make_proof
from aios3._config.credential_requests.fetch import (
    CredentialRequests,
    describe_json_error,
    make_request,
    read_json_error,
    refusal,
)
from aios3._config.credential_requests.login_files import LoginFile, format_time
from aios3._config.endpoints.regions import check_region, domain_of
from aios3._protocol.policies.proxies import Proxies
from aios3._protocol.wire.messages import Response
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError, StorageError

__all__ = ["LoginCredentials"]

_logger: Final = logging.getLogger("aios3")
_OPERATION: Final = "CreateOAuth2Token"
_SECONDS: Final = 10.0
_ATTEMPTS: Final = 3
_EARLY: Final = timedelta(minutes=5)
"""Rest of the credentials' life from which the SDKs of AWS renew them."""
_NEEDED: Final = ("clientId", "refreshToken", "dpopKey")
"""Fields of a login that can be renewed."""
_DOMAINS: Final = {
    "amazonaws.com": "aws.amazon.com",
    "amazonaws.com.cn": "amazonaws.cn",
    "amazonaws.eu": "amazonaws-eusc.eu",
}
"""Domain of the sign-in service by the domain of the other services; else they are the same."""


class LoginCredentials(RefreshingCredentials):
    """Gets the credentials that ``aws login`` has stored, and renews them as the SDKs of AWS do.

    They live 15 minutes, and can be renewed for 12 hours. Renewed ones are written to the file, where the AWS CLI and
    other programs find them. Renewing needs the extra ``login``; without it the credentials are used until they end.

    Args:
        login_session: identity of the session: the ``login_session`` of the profile.
        region: region of the sign-in service, if the login does not name one.
        cache_directory: directory of the logins; ``None`` for AWS_LOGIN_CACHE_DIRECTORY, or ``~/.aws/login/cache``.
        login_command: command for the error when the login has ended.
        endpoint_url: endpoint of another sign-in service; ``None`` for AWS's.
        ca_bundle: path of the certificates to trust; ``None`` trusts those of the system.
        proxy: URL of a proxy; ``None`` for none.
        trust_env: use the proxies of the environment, as `aios3.S3StorageDriver` does.
        clock: source of the time.

    Raises:
        ConfigurationError: the region is invalid.
    """

    def __init__(
        self,
        login_session: str,
        *,
        region: str = "us-east-1",
        cache_directory: str | os.PathLike[str] | None = None,
        login_command: str = "aws login",
        endpoint_url: str | None = None,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(self._look_up, clock=clock, name=f"credentials of the login {login_session}")
        self._region = check_region(region, "for the login")
        self._endpoint_url = endpoint_url
        directory = cache_directory or os.environ.get("AWS_LOGIN_CACHE_DIRECTORY") or "~/.aws/login/cache"
        name = hashlib.sha256(login_session.encode()).hexdigest()
        self._login = LoginFile(Path(os.path.expanduser(directory)) / f"{name}.json", "console login", login_command)
        proxies = Proxies.choose(proxy, trust_env=trust_env, environ=os.environ)
        self._requests = CredentialRequests(
            seconds=_SECONDS, attempts=_ATTEMPTS, clock=clock, ca_bundle=ca_bundle, proxies=proxies
        )

    async def _look_up(self) -> Credentials:
        document = await self._login.read()
        stored = _read_stored(document, self._login.origin)
        now = self._clock.now()
        if stored.expires_at is not None and stored.expires_at - now > _EARLY:
            return stored
        try:
            return await self._exchange(document)
        except StorageError as error:
            if stored.expires_at is None or stored.expires_at <= now:
                raise
            _logger.debug("%s is still good, and cannot be renewed: %s", self._login.origin, error)
            return stored

    async def _exchange(self, document: Mapping[str, object]) -> Credentials:
        client_id, refresh_token, key = (_read_field(document, name, self._login.origin) for name in _NEEDED)
        url = self._find_url(document)
        prove = partial(make_proof, key, url, moment=self._clock.now(), proof_id=secrets.token_hex(16))
        body = {"clientId": client_id, "grantType": "refresh_token", "refreshToken": refresh_token}
        headers = {"content-type": "application/json", "accept": "application/json"}
        headers["dpop"] = await in_library_thread(prove)
        content = json.dumps(body).encode()
        request = make_request(_OPERATION, "POST", url, headers, origin="the sign-in service", body=(content,))
        response = await self._requests.send(request)
        if response.status in (400, 401, 403):
            return await self._renewed_elsewhere(document, response)
        if response.status != 200:
            raise refusal(response, _OPERATION)
        return await self._keep(document, response)

    def _find_url(self, document: Mapping[str, object]) -> str:
        named = document.get("signInRegion")
        region = check_region(named, "signInRegion of the login") if isinstance(named, str) and named else self._region
        return f"{(self._endpoint_url or _sign_in_url(region)).rstrip('/')}/v1/token"

    async def _renewed_elsewhere(self, document: Mapping[str, object], response: Response) -> Credentials:
        """Return the credentials that another program has stored meanwhile: a refresh token may be good only once."""
        latest = await self._login.read()
        stored = _read_stored(latest, self._login.origin)
        is_good = stored.expires_at is not None and stored.expires_at > self._clock.now()
        if is_good and latest.get("refreshToken") != document.get("refreshToken"):
            return stored
        if read_json_error(response) == "INSUFFICIENT_PERMISSIONS":
            raise ConfigurationError(
                f"{self._login.origin} may not be renewed: its identity needs the permission signin:CreateOAuth2Token"
            )
        raise self._login.needs_login(f"cannot be renewed{describe_json_error(response)}")

    async def _keep(self, document: Mapping[str, object], response: Response) -> Credentials:
        origin = "the response of the sign-in service"
        found = parse_object(response.body, origin)
        seconds, keys, old = found.get("expiresIn"), found.get("accessToken"), document.get("accessToken")
        if not isinstance(seconds, int) or not isinstance(keys, dict):
            raise ConfigurationError(f"{origin} has no accessToken, or no expiresIn")
        expires_at = format_time(self._clock.now() + timedelta(seconds=seconds))
        token = {**(old if isinstance(old, dict) else {}), **keys, "expiresAt": expires_at}
        credentials = read_credentials(token, LOGIN_FIELDS, origin)
        renewed = {"refreshToken": _read_field(found, "refreshToken", origin)}
        await self._login.replace({**document, "accessToken": token, **renewed})
        return credentials


def _sign_in_url(region: str) -> str:
    domain = domain_of(region)
    domain = "amazonaws-us-gov.com" if region.startswith("us-gov-") else _DOMAINS.get(domain, domain)
    return f"https://{region}.signin.{domain}"


def _read_stored(document: Mapping[str, object], origin: str) -> Credentials:
    token = document.get("accessToken")
    return read_credentials(token if isinstance(token, dict) else {}, LOGIN_FIELDS, origin)


def _read_field(document: Mapping[str, object], name: str, origin: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{origin} has no {name}")
    return value
