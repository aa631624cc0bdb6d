"""Sources of credentials to pass as ``credentials=`` where one's own choice should come before the default chain.

Without ``credentials=`` a driver looks where the SDKs of AWS look and makes one
of these itself. Whoever makes one may share it between drivers: a driver closes
only what it has made, so ``await source.aclose()`` is then the maker's.
"""

from __future__ import annotations

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._config.assume_role import AssumeRoleCredentials
from aios3._config.botocore_adapter import BotocoreCredentials
from aios3._config.container import ContainerCredentials
from aios3._config.credential_process import ProcessCredentials
from aios3._config.instance_metadata import InstanceMetadataCredentials
from aios3._config.sso import SsoCredentials
from aios3._config.web_identity import WebIdentityCredentials
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
