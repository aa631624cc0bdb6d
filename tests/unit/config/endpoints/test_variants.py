"""Which of the provider's own endpoints is wanted."""

from __future__ import annotations

import re

import pytest

from aios3._config.aws_files.environment import Environment
from aios3._config.aws_files.profiles import Section
from aios3._config.aws_files.shared_files import Profile
from aios3._config.endpoints.variants import VariantSwitches, check_variant, choose_variant, variant_pattern
from aios3.errors import ConfigurationError
from aios3.providers import Provider, find_provider

AWS = find_provider("aws")
NOTHING = VariantSwitches()
ALL = "accelerate, accelerate with dualstack, dualstack, dualstack with fips, fips"


def choose(
    asked: VariantSwitches = NOTHING,
    environment: Environment = Environment(),
    values: dict[str, str] | None = None,
    s3: dict[str, str] | None = None,
    *,
    provider: Provider = AWS,
    custom: str | None = None,
) -> set[str]:
    profile = Profile(settings=Section(values or {}, {"s3": s3 or {}}))
    return set(choose_variant(provider, asked, environment, profile, custom))


def test_the_usual_endpoint_is_the_default():
    assert choose() == set()
    assert variant_pattern(AWS, frozenset()) == AWS.endpoint


@pytest.mark.parametrize(
    ("asked", "environment", "values", "s3", "expected"),
    [
        (VariantSwitches(dualstack=True), Environment(), {}, {}, {"dualstack"}),
        (NOTHING, Environment(use_dualstack=True), {}, {}, {"dualstack"}),
        (NOTHING, Environment(), {"use_dualstack_endpoint": "true"}, {}, {"dualstack"}),
        (NOTHING, Environment(), {}, {"use_dualstack_endpoint": "TRUE"}, {"dualstack"}),
        (NOTHING, Environment(), {"use_dualstack_endpoint": "true"}, {"use_dualstack_endpoint": "false"}, set()),
        (NOTHING, Environment(use_dualstack=False), {}, {"use_dualstack_endpoint": "true"}, set()),
        (VariantSwitches(dualstack=False), Environment(use_dualstack=True), {}, {}, set()),
        (VariantSwitches(fips=True), Environment(use_fips=False), {}, {}, {"fips"}),
        (NOTHING, Environment(use_fips=True), {"use_fips_endpoint": "false"}, {}, {"fips"}),
        (NOTHING, Environment(), {"use_fips_endpoint": "true"}, {}, {"fips"}),
        (NOTHING, Environment(), {}, {"use_fips_endpoint": "true"}, set()),
        (VariantSwitches(accelerate=True), Environment(), {}, {}, {"accelerate"}),
        (NOTHING, Environment(), {}, {"use_accelerate_endpoint": "true"}, {"accelerate"}),
        (VariantSwitches(accelerate=False), Environment(), {}, {"use_accelerate_endpoint": "true"}, set()),
        (NOTHING, Environment(), {"use_accelerate_endpoint": "true"}, {}, set()),
        (VariantSwitches(fips=True), Environment(use_dualstack=True), {}, {}, {"dualstack", "fips"}),
    ],
)
def test_each_switch_is_looked_up_in_order(asked, environment, values, s3, expected):
    """The caller, the environment, the profile's settings for S3, the profile's for all; where AWS has them."""
    assert choose(asked, environment, values, s3) == expected


@pytest.mark.parametrize(
    "kwargs",
    [
        {"asked": VariantSwitches(fips=True, accelerate=True)},
        {"environment": Environment(use_fips=True), "s3": {"use_accelerate_endpoint": "true"}},
        {"asked": VariantSwitches(accelerate=True), "environment": Environment(use_fips=True)},
    ],
)
def test_what_does_not_exist_is_an_error_that_names_what_does(kwargs):
    expected = "'aws' has no endpoint for use_accelerate=True with use_fips=True (or the settings"
    with pytest.raises(ConfigurationError, match=re.escape(expected)) as caught:
        choose(**kwargs)
    assert ", ".join(sorted(str(caught.value).rpartition("it has: ")[2].split(", "))) == ALL


@pytest.mark.parametrize("name", ["minio", "wasabi", "google"])
def test_a_provider_without_variants_has_none(name):
    """Asked of the driver it is an error; the environment and the profile mean AWS."""
    provider = find_provider(name)
    with pytest.raises(ConfigurationError, match=f"'{name}' has no endpoint for use_dualstack=True .* it has: none"):
        choose(VariantSwitches(dualstack=True), provider=provider)
    environment = Environment(use_dualstack=True, use_fips=True)
    assert (
        choose(VariantSwitches(fips=False), environment, s3={"use_accelerate_endpoint": "true"}, provider=provider)
        == set()
    )


def test_an_endpoint_that_was_written_down_says_more_than_a_setting():
    """The variables are passed over, also two that do not go together; what the caller asks for is an error."""
    environment = Environment(use_fips=True)
    assert choose(NOTHING, environment, s3={"use_accelerate_endpoint": "true"}, custom="AWS_ENDPOINT_URL") == set()
    assert choose(VariantSwitches(False, False, False), custom="endpoint_url=") == set()
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL already says .* use_fips=True cannot choose"):
        choose(VariantSwitches(fips=True), custom="AWS_ENDPOINT_URL")


def test_what_is_asked_for_can_be_checked_early():
    check_variant(AWS, VariantSwitches(dualstack=True, fips=True), None)
    check_variant(find_provider("minio"), NOTHING, "endpoint_url=")
    with pytest.raises(ConfigurationError, match="it has: none"):
        check_variant(find_provider("minio"), VariantSwitches(fips=True), None)
    with pytest.raises(ConfigurationError, match="endpoint_url= already says"):
        check_variant(AWS, VariantSwitches(fips=True), "endpoint_url=")


def test_switches_lie_over_each_other():
    upper = VariantSwitches(True, None, False)
    assert upper.over(VariantSwitches(False, True, True)) == VariantSwitches(True, True, False)
    assert upper.wanted == {"dualstack"}
