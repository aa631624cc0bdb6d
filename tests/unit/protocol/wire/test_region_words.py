"""Regions in the words of a refusal."""

from __future__ import annotations

import pytest

from aios3._protocol.wire.region_words import regions_in_words


@pytest.mark.parametrize(
    ("message", "regions"),
    [
        ("the region 'us-east-1' is wrong; expecting 'eu-west-1'", ("eu-west-1",)),
        ("Wrong region: the bucket is in eu-2, not us-1", ("eu-2", "us-1")),
        ("Please use this region to retry: eu-central-003.", ("eu-central-003",)),
        ("The region name 'x' is not valid. Must be one of: apac, auto", ("auto",)),
        ("The region name 'x' is not valid. Must be one of: fr-par-1, nl-ams-1", ()),
        ("expected scope 20260101/garage/s3/aws4_request", ("garage",)),
        ("a non-empty region must be provided in the credential", ()),
        ("The us-west-2 location constraint is incompatible for the region specific endpoint", ()),
        ("The bucket must be addressed using the specified endpoint 'eu-2'", ()),
        ("", ()),
        (f"{'x' * 1000} region: use 'eu-2'", ()),
    ],
)
def test_a_region_is_read_from_what_a_message_asks_for(message: str, regions: tuple[str, ...]) -> None:
    """The refused region comes before that, or is left to the caller to tell apart."""
    assert regions_in_words(message) == regions
