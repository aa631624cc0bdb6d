"""Names of uploads in URLs and in keys."""

from __future__ import annotations

from aios3.web._resumable.creating import is_token, new_token
from aios3.web._resumable.upload_store import UploadStore


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
