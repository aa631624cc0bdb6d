"""Access token of a login in IAM Identity Center, renewed as the AWS CLI renews it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from aios3._concurrency.clock import Clock
from aios3._config.credential_requests.documents import parse_object
from aios3._config.credential_requests.fetch import CredentialRequests, describe_json_error, make_request, refusal
from aios3._config.credential_requests.login_files import LoginFile, format_time, read_login_time
from aios3.errors import ConfigurationError, StorageError

__all__ = ["SsoToken"]

_logger: Final = logging.getLogger("aios3")
_OPERATION: Final = "CreateToken"
_EARLY: Final = timedelta(minutes=15)
"""Rest of a token's life from which the AWS CLI renews it."""
_NEEDED: Final = ("refreshToken", "clientId", "clientSecret")
"""Fields of a login that can be renewed, besides the end of its registration."""


class SsoToken:
    """Reads the token of a login from its file, and renews it shortly before it ends.

    A renewed token is written to the file, where the AWS CLI and other programs find it.

    Args:
        file: file of the login.
        requests: sends the request for another token.
        url: URL that gives tokens for refresh tokens; ``None`` if this kind of login is never renewed.
        clock: source of the time.
    """

    def __init__(self, file: LoginFile, requests: CredentialRequests, *, url: str | None, clock: Clock) -> None:
        self._file = file
        self._requests = requests
        self._url = url
        self._clock = clock

    async def get(self) -> str:
        """Return a token that is valid now.

        Raises:
            ConfigurationError: the login has ended, or its file cannot be used. The message says how to log in again.
            TransportError, ResponseError: the token has ended, and the service that renews it has trouble.
        """
        document = await self._file.read()
        token, ends_at = _read_token(document, self._file.origin)
        now = self._clock.now()
        if self._url is None or ends_at - now > _EARLY or not self._is_renewable(document):
            if ends_at <= now:
                raise self._file.needs_login(f"ended at {format_time(ends_at)}")
            return token
        try:
            return await self._renew(document, self._url)
        except StorageError as error:
            if ends_at <= now:
                raise
            _logger.debug("%s is still good, and cannot be renewed: %s", self._file.origin, error)
            return token

    def _is_renewable(self, document: Mapping[str, object]) -> bool:
        registered_until = read_login_time(document.get("registrationExpiresAt"))
        has_fields = all(isinstance(document.get(name), str) for name in _NEEDED)
        return has_fields and registered_until is not None and registered_until > self._clock.now()

    async def _renew(self, document: Mapping[str, object], url: str) -> str:
        body = {"grantType": "refresh_token", **{name: document[name] for name in _NEEDED}}
        headers = {"content-type": "application/json", "accept": "application/json"}
        content = json.dumps(body).encode()
        request = make_request(_OPERATION, "POST", url, headers, origin="the SSO token service", body=(content,))
        response = await self._requests.send(request)
        if response.status in (400, 401, 403):
            return await self._renewed_elsewhere(document, f"cannot be renewed{describe_json_error(response)}")
        if response.status != 200:
            raise refusal(response, _OPERATION)
        return await self._keep(document, parse_object(response.body, "the response of the SSO token service"))

    async def _renewed_elsewhere(self, document: Mapping[str, object], refusal: str) -> str:
        """Return the token that another program has written meanwhile: a refresh token may be good only once."""
        token, ends_at = _read_token(await self._file.read(), self._file.origin)
        if token == document.get("accessToken") or ends_at <= self._clock.now():
            raise self._file.needs_login(refusal)
        return token

    async def _keep(self, document: Mapping[str, object], found: Mapping[str, object]) -> str:
        token, seconds = found.get("accessToken"), found.get("expiresIn")
        if not isinstance(token, str) or not token or not isinstance(seconds, int):
            raise ConfigurationError("the response of the SSO token service has no accessToken, or no expiresIn")
        ends_at = self._clock.now() + timedelta(seconds=seconds)
        renewed = {**document, "accessToken": token, "expiresAt": format_time(ends_at)}
        if isinstance(found.get("refreshToken"), str):
            renewed["refreshToken"] = found["refreshToken"]
        await self._file.replace(renewed)
        return token


def _read_token(document: Mapping[str, object], origin: str) -> tuple[str, datetime]:
    token, ends_at = document.get("accessToken"), read_login_time(document.get("expiresAt"))
    if not isinstance(token, str) or not token or ends_at is None:
        raise ConfigurationError(f"{origin} has no accessToken, or no time in expiresAt")
    return token, ends_at
