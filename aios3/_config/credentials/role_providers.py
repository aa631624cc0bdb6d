"""Credentials of a role, which STS returns for other credentials or a token."""

from __future__ import annotations

import os
from pathlib import Path

from aios3._client.refreshing_credentials import RefreshingCredentials, renewed_by
from aios3._concurrency.clock import Clock
from aios3._config.credential_requests.documents import read_small_file
from aios3._protocol.policies.proxies import Proxies
from aios3._protocol.policies.retry import is_refusal_of_keys
from aios3.credentials import Credentials, CredentialsProvider
from aios3.errors import ConfigurationError, ResponseError

from .static_keys import StaticCredentials
from .sts import StsClient, check_duration

__all__ = ["AssumeRoleCredentials", "WebIdentityCredentials"]


class AssumeRoleCredentials(RefreshingCredentials):
    """Gets the credentials of a role from STS (AssumeRole), and renews them before they expire.

    Args:
        role_arn: the role.
        source: credentials that may assume the role; read at each renewal, never closed.
        region: region of the STS endpoint.
        session_name: name in AWS's logs; ``None`` generates one.
        external_id: value agreed with the role's owner; ``None`` for none.
        duration_seconds: lifetime in seconds, 900 to 43,200; ``None`` takes the default of STS, an hour.
        endpoint_url: endpoint of another STS; ``None`` for AWS's.
        ca_bundle: path of the certificates to trust; ``None`` trusts those of the system.
        proxy: URL of a proxy; ``None`` for none.
        trust_env: use the proxies of the environment, as `aios3.S3StorageDriver` does.
        clock: source of the time.

    Raises:
        ConfigurationError: the region or the duration is invalid.
    """

    def __init__(
        self,
        role_arn: str,
        source: Credentials | CredentialsProvider,
        *,
        region: str = "us-east-1",
        session_name: str | None = None,
        external_id: str | None = None,
        duration_seconds: int | None = None,
        endpoint_url: str | None = None,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(self._assume, clock=clock, name=f"credentials of role {role_arn}")
        self._source = StaticCredentials(source) if isinstance(source, Credentials) else source
        proxies = Proxies.choose(proxy, trust_env=trust_env, environ=os.environ)
        self._sts = StsClient(
            region=region, endpoint_url=endpoint_url, ca_bundle=ca_bundle, clock=clock, proxies=proxies
        )
        self._session_name = session_name
        self._parameters = {
            "RoleArn": role_arn,
            "ExternalId": external_id,
            "DurationSeconds": check_duration(duration_seconds),
        }

    async def _assume(self) -> Credentials:
        signer = await self._source.get_credentials()
        try:
            return await self._ask(signer)
        except ResponseError as error:
            others = await renewed_by(self._source, signer) if is_refusal_of_keys(error) else signer
            if others == signer:
                raise
        return await self._ask(others)

    async def _ask(self, signer: Credentials) -> Credentials:
        session_name = self._session_name or f"aios3-{self._clock.now():%Y%m%dT%H%M%S}"
        return await self._sts.ask("AssumeRole", {**self._parameters, "RoleSessionName": session_name}, signer)


class WebIdentityCredentials(RefreshingCredentials):
    """Gets the credentials of a role from STS (AssumeRoleWithWebIdentity), and renews them before they expire.

    Args:
        role_arn: the role.
        token_file: file with the token; read at each renewal, in a thread.
        region: region of the STS endpoint.
        session_name: name in AWS's logs; ``None`` generates one.
        duration_seconds: lifetime in seconds, 900 to 43,200; ``None`` takes the default of STS, an hour.
        endpoint_url: endpoint of another STS; ``None`` for AWS's.
        ca_bundle: path of the certificates to trust; ``None`` trusts those of the system.
        proxy: URL of a proxy; ``None`` for none.
        trust_env: use the proxies of the environment, as `aios3.S3StorageDriver` does.
        clock: source of the time.

    Raises:
        ConfigurationError: the region or the duration is invalid.
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
        proxy: str | None = None,
        trust_env: bool = False,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(self._exchange, clock=clock, name=f"web identity credentials of role {role_arn}")
        self._token_file = Path(token_file)
        proxies = Proxies.choose(proxy, trust_env=trust_env, environ=os.environ)
        self._sts = StsClient(
            region=region, endpoint_url=endpoint_url, ca_bundle=ca_bundle, clock=clock, proxies=proxies
        )
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
