"""Routes and options of direct uploads."""

from __future__ import annotations

import pytest

from aios3 import ConfigurationError
from aios3.web.direct import DirectUploads


@pytest.mark.parametrize("wrong", [{"secret": "short"}, {"expires_in": 0}, {"expires_in": 8 * 86400}, {"max_size": -1}])
def test_wrong_options_are_refused(make_driver, wrong):
    with pytest.raises(ConfigurationError):
        DirectUploads(make_driver(), "bucket", **wrong)


async def test_it_serves_http_only(driver):
    with pytest.raises(RuntimeError, match="lifespan"):
        await DirectUploads(driver, "bucket")({"type": "lifespan"}, None, None)
