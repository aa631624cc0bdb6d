"""CreateSession: the request on the wire, and which answers give keys."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aios3._protocol.operations import CreateSession
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.uri import Endpoint, request_url
from aios3.credentials import Credentials
from aios3.errors import ResponseError

ENDPOINT = Endpoint.parse("https://s3express-use1-az4.us-east-1.amazonaws.com", "virtual")
BUCKET = "videos--use1-az4--x-s3"
OPERATION = CreateSession(BUCKET)
FIELDS = {
    "SessionToken": "TOKEN/+==",
    "SecretAccessKey": "hidden",
    "AccessKeyId": "ASIAEXAMPLE",
    "Expiration": "2026-05-04T03:07:01Z",
}


def answer(root: str = "CreateSessionResult", **changes: str | None) -> Response:
    """Return an answer of S3's form with these fields in the place of the good ones; ``None`` leaves one out."""
    fields = {name: value for name, value in {**FIELDS, **changes}.items() if value is not None}
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    document = f'<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Credentials>{inner}</Credentials></{root}>'
    return Response(200, {}, document.encode())


def test_a_session_is_asked_for_at_the_bucket() -> None:
    request = OPERATION.build(ENDPOINT)
    assert request.method == "GET"
    assert request_url(request) == f"https://{BUCKET}.s3express-use1-az4.us-east-1.amazonaws.com/?session="
    assert request.headers == {"x-amz-create-session-mode": "ReadWrite"}


@pytest.mark.parametrize("root", ["CreateSessionResult", "CreateSessionOutput"])
def test_the_answer_gives_keys_and_their_end(root: str) -> None:
    keys = Credentials("ASIAEXAMPLE", "hidden", "TOKEN/+==", datetime(2026, 5, 4, 3, 7, 1, tzinfo=UTC))
    assert OPERATION.read(answer(root)) == keys


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [None, "", "\u200b\n\t"])
def test_an_answer_that_lacks_something_is_no_session(name: str, value: str | None) -> None:
    """Keys without token or end would be refused, or used for ever; the message shows none of them."""
    with pytest.raises(
        ResponseError, match=": the store opened a session (without saying|whose keys cannot be used$)"
    ) as caught:
        OPERATION.read(answer(**{name: value}))
    assert (caught.value.status, caught.value.code, caught.value.operation) == (200, None, "CreateSession")
    assert "hidden" not in str(caught.value)
