"""Reader of the AWS_* variables, from any mapping.

An empty variable counts as unset, as in every AWS tool.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Environment", "first_set", "is_true", "read_environment", "read_switch"]

_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{([^}]*)\})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Environment:
    """Values of the variables, without the keys. ``None`` means unset."""

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    """AWS_ENDPOINT_URL_S3; present even if `ignores_endpoints`."""
    ignores_endpoints: bool = False
    """AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: endpoints of the environment and of the profile are ignored."""
    ca_bundle: str | None = None
    config_file: str | None = None
    credentials_file: str | None = None
    use_dualstack: bool | None = None
    use_fips: bool | None = None
    general_endpoint_url: str | None = None
    """AWS_ENDPOINT_URL, which is meant for every service; present even if `ignores_endpoints`."""

    def config_path(self, home: Path) -> Path:
        """Return the path of the shared config file; ``home`` replaces ``~``."""
        return _expand(self.config_file, home) if self.config_file else home / ".aws" / "config"

    def credentials_path(self, home: Path) -> Path:
        """Return the path of the shared credentials file; ``home`` replaces ``~``."""
        return _expand(self.credentials_file, home) if self.credentials_file else home / ".aws" / "credentials"


def read_environment(environ: Mapping[str, str]) -> Environment:
    """Read all variables except the keys. Never raises."""
    return Environment(
        profile=first_set(environ, "AWS_PROFILE", "AWS_DEFAULT_PROFILE"),
        region=first_set(environ, "AWS_REGION", "AWS_DEFAULT_REGION"),
        endpoint_url=first_set(environ, "AWS_ENDPOINT_URL_S3"),
        general_endpoint_url=first_set(environ, "AWS_ENDPOINT_URL"),
        ignores_endpoints=is_true(first_set(environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")),
        ca_bundle=first_set(environ, "AWS_CA_BUNDLE"),
        config_file=_with_variables(first_set(environ, "AWS_CONFIG_FILE"), environ),
        credentials_file=_with_variables(first_set(environ, "AWS_SHARED_CREDENTIALS_FILE"), environ),
        use_dualstack=read_switch(first_set(environ, "AWS_USE_DUALSTACK_ENDPOINT")),
        use_fips=read_switch(first_set(environ, "AWS_USE_FIPS_ENDPOINT")),
    )


def is_true(value: str | None) -> bool:
    """Return whether a yes/no setting is on. Only ``true``, in upper or lower case, means on."""
    return value is not None and value.lower() == "true"


def read_switch(value: str | None) -> bool | None:
    """Return whether a yes/no setting is on, by the rule of `is_true`; ``None`` if it is unset."""
    return None if value is None else is_true(value)


def first_set(environ: Mapping[str, str], *names: str) -> str | None:
    """Return the first value among these variables that is set and not empty; ``None`` if there is none."""
    return next((value for name in names if (value := environ.get(name))), None)


def _with_variables(path: str | None, environ: Mapping[str, str]) -> str | None:
    """Return a path with the variables that it names, such as ``$HOME``. One that is not set stays as it is.

    Files that no shell reads, such as systemd's units and Docker's env files, leave them to the program.
    """
    if path is None:
        return None
    return _VARIABLE.sub(lambda found: environ.get(found[1] or found[2], found[0]), path)


def _expand(path: str, home: Path) -> Path:
    if path == "~":
        return home
    if path.startswith(("~/", "~\\")):
        return home / path[2:]
    return Path(os.path.expanduser(path))  # the home of another user
