"""Credentials providers to pass as ``credentials=`` instead of the default chain.

Without ``credentials=`` a driver looks where the SDKs of AWS look, and makes one
of these providers. A provider may be shared between drivers. A driver closes only
a provider that it made, so the caller must ``await provider.aclose()``.
"""

from __future__ import annotations

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._config.credentials.botocore_adapter import BotocoreCredentials
from aios3._config.credentials.container import ContainerCredentials
from aios3._config.credentials.instance_metadata import InstanceMetadataCredentials
from aios3._config.credentials.login import LoginCredentials
from aios3._config.credentials.process import ProcessCredentials
from aios3._config.credentials.role_providers import AssumeRoleCredentials, WebIdentityCredentials
from aios3._config.credentials.sso import SsoCredentials
from aios3.credentials import RefreshableCredentials

__all__ = [
    "AssumeRoleCredentials",
    "BotocoreCredentials",
    "ContainerCredentials",
    "InstanceMetadataCredentials",
    "LoginCredentials",
    "ProcessCredentials",
    "RefreshableCredentials",
    "RefreshingCredentials",
    "SsoCredentials",
    "WebIdentityCredentials",
]
