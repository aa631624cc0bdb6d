"""Choice among the provider's own endpoints: usual, dualstack, FIPS, accelerate."""

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
    """Switches that choose the variant of the endpoint. ``None`` means unset."""

    dualstack: bool | None = None
    fips: bool | None = None
    accelerate: bool | None = None

    def over(self, other: VariantSwitches) -> VariantSwitches:
        """Return these switches, with unset ones taken from ``other``."""
        return VariantSwitches(
            other.dualstack if self.dualstack is None else self.dualstack,
            other.fips if self.fips is None else self.fips,
            other.accelerate if self.accelerate is None else self.accelerate,
        )

    def over_configured(self, environment: Environment, profile: Profile) -> VariantSwitches:
        """Return these switches, with unset ones taken from the environment, then from the profile.

        In the profile, settings below ``s3`` come before settings for every service.
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
        """Names of the switches that are on."""
        return frozenset(name for name in ("dualstack", "fips", "accelerate") if getattr(self, name))


def check_variant(provider: Provider, asked: VariantSwitches, custom_origin: str | None) -> None:
    """Raise `ConfigurationError` if the caller's switches cannot be obeyed; see `choose_variant`."""
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

    The environment and the profile mean AWS. They do not count for a provider without variants, nor if the endpoint
    is configured.

    Args:
        provider: the store's provider.
        asked: the caller's switches, which always count.
        environment: gives the switches that the caller left unset.
        profile: gives the switches that both left unset.
        custom_origin: origin of the endpoint; ``None`` if it is the provider's own.

    Raises:
        ConfigurationError: the caller asks for a variant of a configured endpoint, or the provider lacks the variant.
    """
    check_variant(provider, asked, custom_origin)
    if custom_origin is not None or not provider.endpoint_variants:
        return _NO_VARIANT
    wanted = asked.over_configured(environment, profile).wanted
    variant_pattern(provider, wanted)
    return wanted


def variant_pattern(provider: Provider, variant: frozenset[str]) -> str | None:
    """Return the URL pattern of a variant. An empty variant has the usual pattern; ``None`` if there is none.

    Raises:
        ConfigurationError: the provider lacks the variant. The message lists its variants.
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
