"""Credentials from IAM Identity Center, which returns them for the token of ``aws sso login``."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._concurrency.clock import Clock
from aios3._config.credential_requests.documents import SSO_FIELDS, parse_object, read_credentials
from aios3._config.credential_requests.fetch import CredentialRequests, by_our_clock, make_request, refusal
from aios3._config.credential_requests.login_files import LoginFile
from aios3._config.endpoints.regions import check_region, domain_of
from aios3._protocol.policies.proxies import Proxies
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.uri import canonical_query
from aios3.credentials import Credentials

from .sso_token import SsoToken

__all__ = ["SsoCredentials"]

_OPERATION: Final = "GetRoleCredentials"
_SECONDS: Final = 10.0
_ATTEMPTS: Final = 3


class SsoCredentials(RefreshingCredentials):
    """Gets the credentials of a role in IAM Identity Center, and renews them while the login lasts.

    The login of an ``sso-session`` is renewed as the AWS CLI does, and written back to its file. Once a login has
    ended, the error says how to log in again.

    Args:
        account_id: id of the account.
        role_name: name of the permission set.
        region: region of the Identity Center.
        start_url: URL of the portal.
        session_name: name of the ``sso-session`` section; ``None`` for the older form without one.
        cache_directory: directory of the stored logins; ``None`` for ``~/.aws/sso/cache``.
        login_command: command for the error when the login has ended; ``None`` derives it from the session.
        endpoint_url: endpoint of another portal; ``None`` for AWS's.
        oidc_url: endpoint of another service that renews tokens; ``None`` for AWS's.
        ca_bundle: path of the certificates to trust; ``None`` trusts those of the system.
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
        oidc_url: str | None = None,
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
        self._login = LoginFile(self._login_file, "SSO login", self._login_command)
        proxies = Proxies.choose(proxy, trust_env=trust_env, environ=os.environ)
        self._requests = CredentialRequests(
            seconds=_SECONDS, attempts=_ATTEMPTS, clock=clock, ca_bundle=ca_bundle, proxies=proxies
        )
        token_url = f"{(oidc_url or f'https://oidc.{region}.{domain_of(region)}').rstrip('/')}/token"
        self._token = SsoToken(
            self._login, self._requests, url=token_url if session_name is not None else None, clock=clock
        )

    async def _exchange(self) -> Credentials:
        headers = {"x-amz-sso_bearer_token": await self._token.get()}
        request = make_request(_OPERATION, "GET", self._url, headers, origin="the SSO portal")
        response = await self._requests.send(request)
        if response.status == 401:
            raise self._login.needs_login("was refused")
        if response.status != 200:
            raise refusal(response, _OPERATION)
        return by_our_clock(_read_response(response), response, self._clock.now())


def _read_response(response: Response) -> Credentials:
    origin = "the response of the SSO portal"
    document = parse_object(response.body, origin).get("roleCredentials")
    return read_credentials(document if isinstance(document, dict) else {}, SSO_FIELDS, origin)
