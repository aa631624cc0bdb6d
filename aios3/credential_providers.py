"""Sources of credentials to pass as ``credentials=`` where one's own choice should come before the default chain.

Without ``credentials=`` a driver looks where the SDKs of AWS look and makes one
of these itself. Whoever makes one may share it between drivers: a driver closes
only what it has made, so ``await source.aclose()`` is then the maker's.
"""

from __future__ import annotations

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._config.credentials.botocore_adapter import BotocoreCredentials
from aios3._config.credentials.container import ContainerCredentials
from aios3._config.credentials.instance_metadata import InstanceMetadataCredentials
from aios3._config.credentials.process import ProcessCredentials
from aios3._config.credentials.role_providers import AssumeRoleCredentials, WebIdentityCredentials
from aios3._config.credentials.sso import SsoCredentials
from aios3.credentials import RefreshableCredentials

__all__ = [
    "AssumeRoleCredentials",
    "BotocoreCredentials",
    "ContainerCredentials",
    "InstanceMetadataCredentials",
    "ProcessCredentials",
    "RefreshableCredentials",
    "RefreshingCredentials",
    "SsoCredentials",
    "WebIdentityCredentials",
]
