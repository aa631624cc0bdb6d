"""Routes and options of direct uploads."""

from __future__ import annotations

import pytest

from aios3 import ConfigurationError
from aios3.web._direct.messages import DeclaredFile
from aios3.web._progress.events import UploadState
from aios3.web.direct import DirectUploads


@pytest.mark.parametrize("wrong", [{"secret": "short"}, {"expires_in": 0}, {"expires_in": 8 * 86400}, {"max_size": -1}])
def test_wrong_options_are_refused(make_driver, wrong):
    with pytest.raises(ConfigurationError):
        DirectUploads(make_driver(), "bucket", **wrong)


async def test_it_serves_http_only(driver):
    with pytest.raises(RuntimeError, match="lifespan"):
        await DirectUploads(driver, "bucket")({"type": "lifespan"}, None, None)


async def test_an_upload_whose_id_has_expired_is_gone_for_its_listeners(driver):
    now = 0.0
    service = DirectUploads(driver, "bucket", clock=lambda: now)._service
    token, _ = await service.begin("me", DeclaredFile({}, "video/mp4", 5), "key")
    assert await service.look_at("me", token) == UploadState("active", 0, 5)
    now = 86_401.0
    assert await service.look_at("me", token) == UploadState("gone")
