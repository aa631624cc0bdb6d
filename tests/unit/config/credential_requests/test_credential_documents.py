from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._config.credential_requests.documents import (
    METADATA_FIELDS,
    PROCESS_FIELDS,
    SSO_FIELDS,
    parse_object,
    read_credentials,
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
    """With its own names, and with either kind of time."""
    document = {**document, fields.expiration: time, "More": {}}
    assert read_credentials(document, fields, "it") == Credentials("K", "s", "t", TIME)


@pytest.mark.parametrize(
    "more", [{}, {"SessionToken": None, "Expiration": None}, {"SessionToken": "", "Expiration": ""}]
)
def test_token_and_time_may_be_missing(more):
    """Then the credentials are those of a user, and last."""
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
    """It names the field and never shows a value."""
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
    """Nothing else comes of whatever an endpoint says."""
    try:
        credentials = read_credentials(parse_object(body, "it"), PROCESS_FIELDS, "it")
    except ConfigurationError:
        return
    assert credentials.access_key_id
