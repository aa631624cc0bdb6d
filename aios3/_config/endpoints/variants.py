"""Which of the provider's own endpoints is wanted: its usual one, dualstack, FIPS, accelerate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aios3._config.aws_files.environment import Environment, read_switch
from aios3._config.aws_files.shared_files import Profile
from aios3.errors import ConfigurationError
from aios3.providers import Provider

__all__ = ["VariantSwitches", "check_variant", "choose_variant", "variant_pattern"]

_NO_VARIANT: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class VariantSwitches:
    """What is asked of the endpoint; ``None`` is not said."""

    dualstack: bool | None = None
    fips: bool | None = None
    accelerate: bool | None = None

    def over(self, other: VariantSwitches) -> VariantSwitches:
        """Return switches in which those of ``other`` count where these say nothing."""
        return VariantSwitches(
            other.dualstack if self.dualstack is None else self.dualstack,
            other.fips if self.fips is None else self.fips,
            other.accelerate if self.accelerate is None else self.accelerate,
        )

    def over_configured(self, environment: Environment, profile: Profile) -> VariantSwitches:
        """Return switches in which the environment, then the profile, count where these say nothing.

        Of the profile, what stands below ``s3`` counts before what holds for every service.
        """
        settings = profile.settings
        return (
            self.over(VariantSwitches(environment.use_dualstack, environment.use_fips))
            .over(
                VariantSwitches(
                    dualstack=read_switch(settings.get("use_dualstack_endpoint", within="s3")),
                    accelerate=read_switch(settings.get("use_accelerate_endpoint", within="s3")),
                )
            )
            .over(
                VariantSwitches(
                    dualstack=read_switch(settings.get("use_dualstack_endpoint")),
                    fips=read_switch(settings.get("use_fips_endpoint")),
                )
            )
        )

    @property
    def wanted(self) -> frozenset[str]:
        """The names of what is on."""
        return frozenset(name for name in ("dualstack", "fips", "accelerate") if getattr(self, name))


def check_variant(provider: Provider, asked: VariantSwitches, custom_origin: str | None) -> None:
    """Refuse what is asked for and cannot be: see `choose_variant`."""
    if custom_origin is not None and asked.wanted:
        raise ConfigurationError(
            f"{custom_origin} already says where the store is, so {_keywords(asked.wanted)} cannot choose: "
            "leave out one of them"
        )
    variant_pattern(provider, asked.wanted)


def choose_variant(
    provider: Provider, asked: VariantSwitches, environment: Environment, profile: Profile, custom_origin: str | None
) -> frozenset[str]:
    """Return the key of the endpoint in `Provider.endpoint_variants`; empty for the usual one.

    The environment and the profile speak of AWS: they do not count for a provider without variants, nor where
    the endpoint is configured, which says more than they do.

    Args:
        provider: of the store.
        asked: by the caller; counts always.
        environment: counts where the caller says nothing.
        profile: counts where both say nothing.
        custom_origin: where the endpoint comes from if it is not the provider's own.

    Raises:
        ConfigurationError: the caller asks for a variant of an endpoint that is configured; or the provider has no
            such endpoint.
    """
    check_variant(provider, asked, custom_origin)
    if custom_origin is not None or not provider.endpoint_variants:
        return _NO_VARIANT
    wanted = asked.over_configured(environment, profile).wanted
    variant_pattern(provider, wanted)
    return wanted


def variant_pattern(provider: Provider, variant: frozenset[str]) -> str | None:
    """Return the URL pattern of a variant, or for an empty one the usual, if the provider has any.

    Raises:
        ConfigurationError: there is no such variant; the message names those that there are.
    """
    if not variant:
        return provider.endpoint
    patterns = dict(provider.endpoint_variants)
    if variant not in patterns:
        known = ", ".join(" with ".join(sorted(each)) for each in patterns) or "none"
        raise ConfigurationError(
            f"provider {provider.name!r} has no endpoint for {_keywords(variant)} (or the settings of the environment "
            f"and the profile that mean the same); it has: {known}"
        )
    return patterns[variant]


def _keywords(variant: frozenset[str]) -> str:
    return " with ".join(f"use_{name}=True" for name in sorted(variant))
