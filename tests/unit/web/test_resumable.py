"""The application as its users configure it, and its choice of a protocol."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aios3 import ConfigurationError, StorageError, ThrottledError
from aios3.web.creating import is_token, new_token
from aios3.web.draft import Draft
from aios3.web.resumable import ResumableUploads, as_refusal, dialect_of
from aios3.web.tus import Tus
from aios3.web.upload_store import OvertakenError, UploadStore


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
    ],
)
def test_an_error_becomes_a_response_without_its_text(error, status, retry_after):
    refusal = as_refusal(error)
    assert (refusal.status, refusal.headers.get("Retry-After")) == (status, retry_after)
    assert "secret" not in str(refusal)


def test_names_in_urls_are_random_and_of_one_form():
    assert is_token(new_token())
    assert new_token() != new_token()
    assert not any(is_token(text) for text in ("", "../x", "a" * 31, "a" * 33, "a" * 31 + "/", "a" * 32 + "\n"))


async def test_keys_show_no_name_of_a_url(driver):
    store = UploadStore(driver, "bucket", "up/")
    token = new_token()
    assert token not in store.key_of(store.name_of(token))
    assert store.is_own_key(store.new_key())
    assert store.is_own_key(store.key_of(store.name_of(token), "part"))
    assert not any(store.is_own_key(key) for key in ("up/x", "a" * 32, "up/" + "a" * 33, "up/.uploads/x.part"))
