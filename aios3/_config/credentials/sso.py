"""Credentials from IAM Identity Center, which returns them for the token of ``aws sso login``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._concurrency.clock import Clock
from aios3._config.endpoints.regions import check_region, domain_of
from aios3._protocol.policies.proxies import Proxies
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.uri import canonical_query
from aios3._protocol.wire.xml_bodies import read_time
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

from .documents import SSO_FIELDS, parse_object, read_credentials, read_small_file
from .fetch import CredentialRequests, make_request, refusal

__all__ = ["SsoCredentials"]

_OPERATION: Final = "GetRoleCredentials"
_SECONDS: Final = 10.0
_ATTEMPTS: Final = 3


class SsoCredentials(RefreshingCredentials):
    """Gets the credentials of a role in IAM Identity Center, and renews them while the login lasts.

    The login itself is not renewed. Once it has ended, the error says how to log in again.

    Args:
        account_id: id of the account.
        role_name: name of the permission set.
        region: region of the Identity Center.
        start_url: URL of the portal.
        session_name: name of the ``sso-session`` section; ``None`` for the older form without one.
        cache_directory: directory of the stored logins; ``None`` for ``~/.aws/sso/cache``.
        login_command: command for the error when the login has ended; ``None`` derives it from the session.
        endpoint_url: endpoint of another portal; ``None`` for AWS's.
        ca_bundle: path of the certificates to trust instead of the system's.
        proxy: URL of a proxy; ``None`` for none.
        trust_env: use the proxies of the environment, as `aios3.S3StorageDriver` does.
        clock: source of the time.

    Raises:
        ConfigurationError: the region is invalid.
    """

    def __init__(
        self,
        account_id: str,
        role_name: str,
        *,
        region: str,
        start_url: str,
        session_name: str | None = None,
        cache_directory: str | os.PathLike[str] | None = None,
        login_command: str | None = None,
        endpoint_url: str | None = None,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        check_region(region, "sso_region")
        super().__init__(self._exchange, clock=clock, name=f"SSO credentials of {role_name} in {account_id}")
        query = canonical_query([("account_id", account_id), ("role_name", role_name)])
        portal = (endpoint_url or f"https://portal.sso.{region}.{domain_of(region)}").rstrip("/")
        self._url = f"{portal}/federation/credentials?{query}"
        directory = cache_directory or os.path.join(os.path.expanduser("~"), ".aws", "sso", "cache")
        digest = hashlib.sha1((session_name or start_url).encode(), usedforsecurity=False)
        self._login_file = Path(directory) / f"{digest.hexdigest()}.json"
        usual = f"aws sso login --sso-session {session_name}" if session_name else "aws sso login"
        self._login_command = login_command or usual
        proxies = Proxies.choose(proxy, trust_env=trust_env, environ=os.environ)
        self._requests = CredentialRequests(
            seconds=_SECONDS, attempts=_ATTEMPTS, clock=clock, ca_bundle=ca_bundle, proxies=proxies
        )

    async def _exchange(self) -> Credentials:
        headers = {"x-amz-sso_bearer_token": await self._read_token()}
        request = make_request(_OPERATION, "GET", self._url, headers, origin="the SSO portal")
        response = await self._requests.send(request)
        if response.status == 401:
            raise self._needs_login("was refused")
        if response.status != 200:
            raise refusal(response, _OPERATION)
        return _read_response(response)

    async def _read_token(self) -> str:
        """Return the token of the login. Reads the file each time, because the user may have logged in since."""
        origin = f"the SSO login in {self._login_file}"
        try:
            content = await read_small_file(self._login_file, "the SSO login")
        except ConfigurationError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise self._needs_login("does not exist") from error
            raise
        return self._check_token(parse_object(content, origin), origin)

    def _check_token(self, document: Mapping[str, object], origin: str) -> str:
        token = document.get("accessToken")
        # Older tools wrote UTC instead of the standard's Z.
        expires_at = read_time(str(document.get("expiresAt", "")).replace("UTC", "Z"))
        if not isinstance(token, str) or not token or expires_at is None:
            raise ConfigurationError(f"{origin} has no accessToken, or no time in expiresAt")
        if expires_at <= self._clock.now():
            raise self._needs_login(f"ended at {expires_at:%Y-%m-%dT%H:%M:%SZ}")
        return token

    def _needs_login(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"the SSO login {what}: run `{self._login_command}`")


def _read_response(response: Response) -> Credentials:
    origin = "the response of the SSO portal"
    document = parse_object(response.body, origin).get("roleCredentials")
    return read_credentials(document if isinstance(document, dict) else {}, SSO_FIELDS, origin)
