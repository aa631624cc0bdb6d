"""Context of a credentials lookup: the places to search, and settings for all sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from aios3._concurrency.clock import Clock
from aios3._config.aws_files.environment import is_true
from aios3._config.aws_files.shared_files import Profile
from aios3._config.endpoints.regions import fips_sts_url, may_be_of_aws

__all__ = ["LookupContext"]


@dataclass(frozen=True, slots=True)
class LookupContext:
    """Environment, one profile, and settings that all sources share."""

    environ: Mapping[str, str] = field(repr=False)
    profile: Profile
    region: str = "us-east-1"
    """Region of the STS endpoint."""
    home: Path = Path("~")
    """The user's home directory."""
    clock: Clock = Clock()  # noqa: RUF009 - frozen
    role_chain: tuple[str, ...] = ()
    """Profiles whose roles are assumed with the credentials of `profile`, outermost first."""
    uses_fips: bool = False
    """``True`` if STS is reached at its FIPS endpoint, unless another endpoint is configured."""
    proxy: str | None = field(default=None, repr=False)
    """URL of the proxy for requests that leave the machine; ``None`` for none."""
    trust_env: bool = False
    """``True`` if the proxies of the environment are used."""
    outer_ca_bundle: str | None = None
    """The ``ca_bundle`` of the profile whose role chain this context belongs to."""

    def variable(self, name: str) -> str | None:
        """Return a variable of the environment; an empty one counts as unset."""
        return self.environ.get(name) or None

    def is_on(self, name: str) -> bool:
        """Return whether a yes/no variable is on."""
        return is_true(self.variable(name))

    @property
    def ca_bundle(self) -> str | None:
        """Path of the certificates to trust instead of the system's."""
        return self.variable("AWS_CA_BUNDLE") or self.outer_ca_bundle or self.profile.settings.get("ca_bundle")

    def endpoint_url(self, service: str) -> str | None:
        """Return the endpoint that is configured for ``"sts"`` or ``"sso"``; ``None`` for AWS's usual endpoint.

        Endpoints that the configuration names for every service are passed over if they are another store's: tokens
        and signatures for AWS must not reach it.

        Raises:
            ConfigurationError: the profile names a services section that does not exist.
        """
        configured = self._configured_url(service)
        return fips_sts_url(self.region) if configured is None and service == "sts" and self.uses_fips else configured

    def _configured_url(self, service: str) -> str | None:
        if self.is_on("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") or self.profile.ignores_endpoints:
            return None
        specific = self.variable(f"AWS_ENDPOINT_URL_{service.upper()}")
        if specific is not None:
            return specific
        if (general := self.variable("AWS_ENDPOINT_URL")) is not None and may_be_of_aws(general):
            return general
        in_profile = self.profile.find_endpoint_url(service)
        return in_profile if in_profile is not None and may_be_of_aws(in_profile) else None

    def below(self, profile: Profile) -> LookupContext:
        """Return the context of a source profile, whose credentials assume the role of this profile."""
        chain = (*self.role_chain, self.profile.name)
        return replace(self, profile=profile, role_chain=chain, outer_ca_bundle=self.ca_bundle)
