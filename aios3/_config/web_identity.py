"""Credentials of a role, for which a token in a file is exchanged: what Kubernetes on AWS gives its pods."""

from __future__ import annotations

import os
from pathlib import Path

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._concurrency.clock import Clock
from aios3._config.sts import StsClient, check_duration
from aios3._config.token_files import read_small_file
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

__all__ = ["WebIdentityCredentials"]


class WebIdentityCredentials(RefreshingCredentials):
    """Gets the credentials of a role from STS (AssumeRoleWithWebIdentity), and renews them in time.

    Args:
        role_arn: the role.
        token_file: where the token is; read anew at each renewal, in a thread.
        region: whose STS to ask.
        session_name: seen in AWS's logs; ``None`` makes one up.
        duration_seconds: how long they are to live, 900 to 43,200; ``None`` leaves it to STS: an hour.
        endpoint_url: an STS that is not AWS's.
        ca_bundle: path of the certificates to trust instead of the system's.
        clock: the time.

    Raises:
        ConfigurationError: the region or the duration cannot be one.
    """

    def __init__(
        self,
        role_arn: str,
        token_file: str | os.PathLike[str],
        *,
        region: str = "us-east-1",
        session_name: str | None = None,
        duration_seconds: int | None = None,
        endpoint_url: str | None = None,
        ca_bundle: str | None = None,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(self._exchange, clock=clock, name=f"web identity credentials of role {role_arn}")
        self._token_file = Path(token_file)
        self._sts = StsClient(region=region, endpoint_url=endpoint_url, ca_bundle=ca_bundle, clock=clock)
        self._session_name = session_name
        self._parameters = {"RoleArn": role_arn, "DurationSeconds": check_duration(duration_seconds)}

    async def _exchange(self) -> Credentials:
        parameters = {
            **self._parameters,
            "RoleSessionName": self._session_name or f"aios3-{self._clock.now():%Y%m%dT%H%M%S}",
            "WebIdentityToken": await self._read_token(),
        }
        return await self._sts.ask("AssumeRoleWithWebIdentity", parameters, None)

    async def _read_token(self) -> str:
        content = await read_small_file(self._token_file, "the web identity token")
        try:
            return content.decode("ascii").strip()
        except UnicodeDecodeError:
            raise ConfigurationError(f"the web identity token in {self._token_file} is not ASCII text") from None
