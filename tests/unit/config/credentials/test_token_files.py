from __future__ import annotations

import threading

import pytest

from aios3._config.credential_requests import documents as token_files
from aios3._config.credential_requests.documents import read_small_file
from aios3.errors import ConfigurationError


async def test_a_file_is_read_as_it_is(tmp_path):
    """White space included."""
    path = tmp_path / "token"
    path.write_bytes(b" hidden\n")
    assert await read_small_file(path, "the token") == b" hidden\n"


async def test_it_is_read_in_a_thread(tmp_path, monkeypatch):
    """Never on the loop."""
    threads = []
    read = token_files._read
    monkeypatch.setattr(token_files, "_read", lambda *args: threads.append(threading.get_ident()) or read(*args))
    (tmp_path / "token").write_bytes(b"x")
    await read_small_file(tmp_path / "token", "the token")
    assert threads
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("content", [b"", b" \n", b"hidden" * 20000])
async def test_nothing_and_too_much_are_errors(tmp_path, content):
    """A token has at least a character, and at most 64 KiB; the error shows none of it."""
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"the token: .*token is empty or over 65536 bytes") as caught:
        await read_small_file(tmp_path / "token", "the token")
    assert "hidden" not in str(caught.value)


async def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    """With the reason, and the system's error as its cause."""
    with pytest.raises(ConfigurationError, match="the token: .*missing cannot be read") as caught:
        await read_small_file(tmp_path / "missing", "the token")
    assert isinstance(caught.value.__cause__, FileNotFoundError)
