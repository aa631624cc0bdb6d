"""Endpoints of zones: chosen by the bucket's name, at the provider's own hosts only."""

from __future__ import annotations

import pytest

from aios3 import PROVIDERS
from aios3._config.endpoints.bucket_endpoints import control_endpoint, zonal_endpoint
from aios3._protocol.wire.uri import Endpoint
from aios3.errors import ConfigurationError

EXPRESS = PROVIDERS["s3express"]
BUCKET = "videos--use1-az4--x-s3"


def test_most_providers_have_no_control_endpoint() -> None:
    assert control_endpoint(PROVIDERS["aws"], "us-east-1") is None


def test_objects_are_reached_in_the_zone_that_the_bucket_names() -> None:
    control = control_endpoint(EXPRESS, "us-east-1")
    assert control.locate(BUCKET, None) == ("s3express-control.us-east-1.amazonaws.com", f"/{BUCKET}")
    of_bucket = zonal_endpoint(EXPRESS, control, "us-east-1")
    host, path = of_bucket(BUCKET, "us-east-1").locate(BUCKET, "key")
    assert (host, path) == (f"{BUCKET}.s3express-use1-az4.us-east-1.amazonaws.com", "/key")
    assert of_bucket("v--usw2-az1--x-s3", "us-west-2").host == "s3express-usw2-az1.us-west-2.amazonaws.com"
    with pytest.raises(ConfigurationError, match="'videos' is not the name of a directory bucket"):
        of_bucket("videos", "us-east-1")


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("s3express", "http://127.0.0.1:9000"),
        ("s3express", "https://s3express-control.eu-north-1.amazonaws.com"),
        ("aws", "https://s3.us-east-1.amazonaws.com"),
        ("generic", "http://127.0.0.1:9000"),
    ],
)
def test_any_other_endpoint_takes_everything(name: str, url: str) -> None:
    assert zonal_endpoint(PROVIDERS[name], Endpoint.parse(url, "path"), "us-east-1") is None
