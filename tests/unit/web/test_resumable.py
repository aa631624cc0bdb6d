"""The application as its users configure it, and its choice of a protocol."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aios3 import ConfigurationError, StorageError, ThrottledError
from aios3.web._resumable.draft import Draft
from aios3.web._resumable.tus import Tus
from aios3.web._resumable.upload_store import OvertakenError
from aios3.web.resumable import ResumableUploads, as_refusal, dialect_of


@pytest.mark.parametrize("options", [{"max_size": -1}, {"max_age": timedelta()}])
async def test_a_wrong_option_is_refused(driver, options):
    with pytest.raises(ConfigurationError):
        ResumableUploads(driver, "bucket", **options)


@pytest.mark.parametrize(
    ("method", "headers", "kind"),
    [
        ("POST", {}, Tus),
        ("POST", {"upload-complete": "?0"}, Draft),
        ("POST", {"upload-complete": "?0", "tus-resumable": "1.0.0"}, Tus),
        ("PATCH", {"content-type": "application/partial-upload"}, Draft),
        ("PATCH", {"content-type": "application/offset+octet-stream"}, Tus),
        ("HEAD", {}, Draft),
        ("HEAD", {"tus-resumable": "1.0.0"}, Tus),
    ],
)
def test_the_headers_show_the_protocol(method, headers, kind):
    assert type(dialect_of(method, headers)) is kind


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (OvertakenError(), 423, "1"),
        (StorageError("x"), 500, None),
        (ThrottledError("x", operation="PutObject", status=503), 503, "2"),
        (KeyError("secret"), 500, None),
        (TimeoutError(), 503, "2"),
    ],
)
def test_an_error_becomes_a_response_without_its_text(error, status, retry_after, caplog):
    """The log has the text, or the type of an error without one."""
    refusal = as_refusal(error)
    assert not any(message.endswith(": ") for message in caplog.messages)
    assert (refusal.status, refusal.headers.get("Retry-After")) == (status, retry_after)
    assert "secret" not in str(refusal)
