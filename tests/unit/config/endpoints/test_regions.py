from __future__ import annotations

import pytest

from aios3._config.endpoints.regions import check_region, choose_aws_region, domain_of, fips_sts_url
from aios3.errors import ConfigurationError


@pytest.mark.parametrize("region", ["us-east-1", "auto", "X", "x" * 63])
def test_a_region_is_given_back(region):
    """Letters, digits and hyphens, at most 63."""
    assert check_region(region, "here") == region


@pytest.mark.parametrize("region", ["", "a.b", "a/b", "a b", "a\n", "é", "x" * 64])
def test_what_could_change_a_host_is_refused(region):
    with pytest.raises(ConfigurationError, match=r"\(here\) is not 1 to 63"):
        check_region(region, "here")


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-east-1", "us-iso-east-1", "cn-north-1", "eusc-de-east-1"])
def test_regions_of_every_partition_of_aws_are_recognised(region):
    assert choose_aws_region("auto", region, "eu-north-1") == region


@pytest.mark.parametrize("region", [None, "", "auto", "fr-par", "gra", "us-east-1.evil.example", "ru-central1"])
def test_a_stores_own_names_for_regions_are_not(region):
    """They have no STS: the oldest region's is asked."""
    assert choose_aws_region(region) == "us-east-1"


@pytest.mark.parametrize(
    ("region", "domain"),
    [
        ("eu-west-1", "amazonaws.com"),
        ("us-gov-west-1", "amazonaws.com"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("eusc-de-east-1", "amazonaws.eu"),
        ("us-iso-east-1", "c2s.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov"),
        ("us-isof-south-1", "csp.hci.ic.gov"),
        ("eu-isoe-west-1", "cloud.adc-e.uk"),
    ],
)
def test_partitions_have_domains_of_their_own(region, domain):
    assert domain_of(region) == domain


@pytest.mark.parametrize(
    ("region", "host"),
    [("us-east-1", "sts-fips.us-east-1.amazonaws.com"), ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com")],
)
def test_sts_has_fips_endpoints(region, host):
    """The government's regions have them under the usual name."""
    assert fips_sts_url(region) == f"https://{host}"
