"""Credentials of this EC2 machine, from its metadata service (IMDSv2, or IMDSv1 where that is all there is)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._concurrency.clock import Clock
from aios3._config.credential_requests.documents import METADATA_FIELDS, parse_object, read_credentials
from aios3._config.credential_requests.fetch import CredentialRequests, make_request, refusal
from aios3._protocol.wire.messages import Response
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError, TransportTimeoutError

__all__ = ["DEFAULT_METADATA_URL", "InstanceMetadataCredentials"]

DEFAULT_METADATA_URL: Final = "http://169.254.169.254"
_TOKEN_PATH: Final = "/latest/api/token"  # noqa: S105 - a path
_ROLES_PATH: Final = "/latest/meta-data/iam/security-credentials/"
_TOKEN_SECONDS: Final = "21600"  # noqa: S105 - the longest life it can have
_NO_TOKENS: Final = frozenset({403, 404, 405})
"""Statuses of a service that supports only version 1."""
_EXTENSION: Final = timedelta(minutes=10)


class InstanceMetadataCredentials(RefreshingCredentials):
    """Gets the credentials of the machine's role, and renews them before they expire.

    If the service returns expired credentials, they are used for another 10 to 15 minutes, as AWS advises: while the
    service has trouble, S3 may still accept them.

    Args:
        endpoint_url: URL of the metadata service; ``None`` for the usual URL.
        seconds: limit of one attempt, in seconds, for each of the three requests.
        attempts: attempts per request; outside EC2 nothing responds, so one is enough.
        allows_v1: continue without a token if the service has none, or does not give one in time.
        clock: source of the time.
    """

    def __init__(
        self,
        *,
        endpoint_url: str | None = None,
        seconds: float = 1.0,
        attempts: int = 1,
        allows_v1: bool = True,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(self.look_up, clock=clock, name="instance metadata credentials")
        self._url = (endpoint_url or DEFAULT_METADATA_URL).rstrip("/")
        self._allows_v1 = allows_v1
        self._requests = CredentialRequests(seconds=seconds, attempts=attempts, clock=clock)

    async def look_up(self) -> Credentials:
        """Request the credentials now.

        Raises:
            TransportError: no response comes.
            ResponseError: the service refuses.
            ConfigurationError: the machine has no role, or the response is not from the service.
        """
        headers = await self._authorize()
        role = await self._find_role(headers)
        response = await self._send("GetInstanceCredentials", "GET", f"{_ROLES_PATH}{quote(role, safe='')}", headers)
        if response.status != 200:
            raise refusal(response, "GetInstanceCredentials")
        return self._extended(_read_response(response))

    async def _authorize(self) -> dict[str, str]:
        """Return the header with the token for the other two requests; empty if the service gives no token.

        Inside a container its response may be lost, because it may pass one machine only. So silence means version 1.
        """
        operation = "GetInstanceMetadataToken"
        headers = {"x-aws-ec2-metadata-token-ttl-seconds": _TOKEN_SECONDS}
        try:
            response = await self._send(operation, "PUT", _TOKEN_PATH, headers)
        except TransportTimeoutError:
            if not self._allows_v1:
                raise
            return {}
        if response.status == 200:
            return {"x-aws-ec2-metadata-token": response.body.decode("latin-1").strip()}
        if self._allows_v1 and response.status in _NO_TOKENS:
            return {}
        raise refusal(response, operation)

    async def _find_role(self, headers: dict[str, str]) -> str:
        response = await self._send("ListInstanceRoles", "GET", _ROLES_PATH, headers)
        names = response.body.decode("utf-8", "replace").split()
        if response.status == 404 or (response.status == 200 and not names):
            raise ConfigurationError("the instance metadata service has no role: attach one to the machine")
        if response.status != 200:
            raise refusal(response, "ListInstanceRoles")
        return names[0]

    async def _send(self, operation: str, method: str, path: str, headers: dict[str, str]) -> Response:
        url = f"{self._url}{path}"
        request = make_request(operation, method, url, headers, origin="the instance metadata service")
        return await self._requests.send(request)

    def _extended(self, credentials: Credentials) -> Credentials:
        now = self._clock.now()
        if credentials.expires_at is None or credentials.expires_at > now:
            return credentials
        return replace(credentials, expires_at=now + _EXTENSION * (1 + self._clock.random() / 2))


def _read_response(response: Response) -> Credentials:
    origin = "the response of the instance metadata service"
    document = parse_object(response.body, origin)
    if document.get("Code", "Success") != "Success":
        raise ConfigurationError(f"{origin} has the code {document['Code']!r:.80}")
    return read_credentials(document, METADATA_FIELDS, origin)
