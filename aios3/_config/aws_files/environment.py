"""The AWS_* variables as values: pure over a mapping, so that tests need no real environment.

An empty variable counts as unset, as in every AWS tool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aios3._config.credentials.static_keys import pair_keys
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

__all__ = ["Environment", "is_true", "read_environment", "read_environment_credentials", "read_switch"]


@dataclass(frozen=True, slots=True)
class Environment:
    """What the variables say, apart from the keys. ``None`` is unset."""

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    """AWS_ENDPOINT_URL_S3, else AWS_ENDPOINT_URL, whether or not configured endpoints are to be ignored."""
    ignores_endpoints: bool = False
    """AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: no endpoint of the environment or of a profile counts."""
    ca_bundle: str | None = None
    config_file: str | None = None
    credentials_file: str | None = None
    use_dualstack: bool | None = None
    use_fips: bool | None = None

    def config_path(self, home: Path) -> Path:
        """Return where the shared config file is; ``home`` stands for ``~``."""
        return _expand(self.config_file, home) if self.config_file else home / ".aws" / "config"

    def credentials_path(self, home: Path) -> Path:
        """Return where the shared credentials file is; ``home`` stands for ``~``."""
        return _expand(self.credentials_file, home) if self.credentials_file else home / ".aws" / "credentials"


def read_environment(environ: Mapping[str, str]) -> Environment:
    """Read all variables but the keys; never raises."""
    return Environment(
        profile=_first(environ, "AWS_PROFILE", "AWS_DEFAULT_PROFILE"),
        region=_first(environ, "AWS_REGION", "AWS_DEFAULT_REGION"),
        endpoint_url=_first(environ, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        ignores_endpoints=is_true(_first(environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")),
        ca_bundle=_first(environ, "AWS_CA_BUNDLE"),
        config_file=_first(environ, "AWS_CONFIG_FILE"),
        credentials_file=_first(environ, "AWS_SHARED_CREDENTIALS_FILE"),
        use_dualstack=read_switch(_first(environ, "AWS_USE_DUALSTACK_ENDPOINT")),
        use_fips=read_switch(_first(environ, "AWS_USE_FIPS_ENDPOINT")),
    )


def read_environment_credentials(environ: Mapping[str, str]) -> Credentials | None:
    """Read the keys; ``None`` if there are none.

    Raises:
        ConfigurationError: a key without its secret or the reverse, an unusable value, or an
            AWS_CREDENTIAL_EXPIRATION that is not a time with a zone.
    """
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    values = (_first(environ, names[0]), _first(environ, names[1]))
    if values == (None, None):
        # An expiration left over from keys that are gone is nobody's error.
        return None
    token = _first(environ, "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
    return pair_keys("the environment", names, values, token, _read_expiration(environ))


def is_true(value: str | None) -> bool:
    """Tell whether a yes/no setting is on; anything but ``true``, in any case, is off."""
    return value is not None and value.lower() == "true"


def read_switch(value: str | None) -> bool | None:
    """Tell whether a yes/no setting is on, by the rule of `is_true`; ``None`` if it is not set."""
    return None if value is None else is_true(value)


def _first(environ: Mapping[str, str], *names: str) -> str | None:
    return next((value for name in names if (value := environ.get(name))), None)


def _read_expiration(environ: Mapping[str, str]) -> datetime | None:
    text = _first(environ, "AWS_CREDENTIAL_EXPIRATION")
    if text is None:
        return None
    try:
        expires_at = datetime.fromisoformat(text)
    except ValueError:
        expires_at = None
    if expires_at is None or expires_at.tzinfo is None:
        raise ConfigurationError(
            "AWS_CREDENTIAL_EXPIRATION is not an ISO 8601 time with a zone, such as 2030-01-31T12:00:00Z"
        )
    return expires_at


def _expand(path: str, home: Path) -> Path:
    if path == "~":
        return home
    return home / path[2:] if path.startswith(("~/", "~\\")) else Path(path)
