"""Documents and small files that hold credentials: read, or refused without being shown."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._config.credential_requests import documents as token_files
from aios3._config.credential_requests.documents import (
    METADATA_FIELDS,
    PROCESS_FIELDS,
    SSO_FIELDS,
    parse_object,
    read_credentials,
    read_small_file,
)
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

TIME = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "document"),
    [
        (PROCESS_FIELDS, {"AccessKeyId": "K", "SecretAccessKey": "s", "SessionToken": "t"}),
        (METADATA_FIELDS, {"AccessKeyId": "K", "SecretAccessKey": "s", "Token": "t"}),
        (SSO_FIELDS, {"accessKeyId": "K", "secretAccessKey": "s", "sessionToken": "t"}),
    ],
)
@pytest.mark.parametrize("time", ["2030-01-31T12:00:00Z", "2030-01-31T13:00:00+01:00", 1896091200000])
def test_every_kind_is_read(fields, document, time):
    document = {**document, fields.expiration: time, "More": {}}
    assert read_credentials(document, fields, "it") == Credentials("K", "s", "t", TIME)


@pytest.mark.parametrize(
    "more", [{}, {"SessionToken": None, "Expiration": None}, {"SessionToken": "", "Expiration": ""}]
)
def test_token_and_time_may_be_missing(more):
    document = {"AccessKeyId": "K", "SecretAccessKey": "s", **more}
    assert read_credentials(document, PROCESS_FIELDS, "it") == Credentials("K", "s")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"AccessKeyId": None}, "it has no AccessKeyId"),
        ({"AccessKeyId": ""}, "it has no AccessKeyId"),
        ({"SecretAccessKey": None}, "it has no SecretAccessKey"),
        ({"SecretAccessKey": ["hidden"]}, "it: SecretAccessKey is not a string"),
        ({"SecretAccessKey": "hidden\n"}, "it: .*line break"),
        ({"Token": 7}, "it: Token is not a string"),
        ({"Expiration": "hidden"}, "it: Expiration is not a time"),
        ({"Expiration": ["hidden"]}, "it: Expiration is not a time"),
        ({"Expiration": 10**30}, "it: Expiration is not a time"),
    ],
)
def test_what_cannot_be_used_is_an_error(change, message):
    document = {"AccessKeyId": "K", "SecretAccessKey": "hidden", "Token": "hidden", **change}
    with pytest.raises(ConfigurationError, match=f"^{message}") as caught:
        read_credentials(document, METADATA_FIELDS, "it")
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("body", [b"", b"hidden", b"[1]", b"null", b"\xff", b"[" * 100_000, b'{"hidden'])
def test_what_is_no_object_is_an_error(body):
    """Neither the message nor a chained exception holds any of it."""
    with pytest.raises(ConfigurationError, match="^it is not a JSON object$") as caught:
        parse_object(body, "it")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


FIELD_NAMES = st.sampled_from(["AccessKeyId", "SecretAccessKey", "Expiration"])
DOCUMENTS = st.dictionaries(FIELD_NAMES, st.text() | st.integers())


@given(st.binary() | DOCUMENTS.map(lambda document: json.dumps(document).encode()))
def test_any_document_is_credentials_or_the_one_error(body):
    try:
        credentials = read_credentials(parse_object(body, "it"), PROCESS_FIELDS, "it")
    except ConfigurationError:
        return
    assert credentials.access_key_id


async def test_a_small_file_is_read_with_its_white_space(tmp_path):
    path = tmp_path / "token"
    path.write_bytes(b" hidden\n")
    assert await read_small_file(path, "the token") == b" hidden\n"


async def test_a_small_file_is_read_in_a_thread(tmp_path, monkeypatch):
    threads = []
    read = token_files._read
    monkeypatch.setattr(token_files, "_read", lambda *args: threads.append(threading.get_ident()) or read(*args))
    (tmp_path / "token").write_bytes(b"x")
    await read_small_file(tmp_path / "token", "the token")
    assert threads
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("content", [b"", b" \n", b"hidden" * 20000])
async def test_an_empty_or_too_large_file_is_an_error(tmp_path, content):
    """A token has at least a character, and at most 64 KiB; the error shows none of it."""
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"the token: .*token is empty or over 65536 bytes") as caught:
        await read_small_file(tmp_path / "token", "the token")
    assert "hidden" not in str(caught.value)


async def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError, match="the token: .*missing cannot be read") as caught:
        await read_small_file(tmp_path / "missing", "the token")
    assert isinstance(caught.value.__cause__, FileNotFoundError)
