"""Times wherever the machine is: every one that is read or written is of UTC."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from aios3._protocol.attributes.encoding import read_expires, read_retain_until
from aios3._protocol.wire.messages import Request
from aios3._protocol.wire.response_headers import read_http_date
from aios3._protocol.wire.sigv4 import EMPTY_SHA256, Scope, sign
from aios3._protocol.wire.xml_bodies import read_time
from aios3.credentials import Credentials

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
IN_TOKYO = NOON.astimezone(timezone(timedelta(hours=9)))


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Tokyo"], autouse=True)
def _machine_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("when", [NOON, IN_TOKYO])
def test_times_are_sent_in_utc_as_each_header_wants_them(when: datetime) -> None:
    """Expires is an HTTP date, the end of a retention is RFC 3339; neither has fractions."""
    when = when.replace(microsecond=678)
    assert read_expires("expires", when) == {"expires": "Wed, 02 Jan 2030 12:00:00 GMT"}
    sent = read_retain_until("object_lock_retain_until", when)
    assert sent == {"x-amz-object-lock-retain-until-date": "2030-01-02T12:00:00Z"}


@pytest.mark.parametrize("when", [NOON, IN_TOKYO])
def test_a_signature_has_the_time_of_utc(when: datetime) -> None:
    request = Request("GetObject", "GET", "https", "b.example.com", "/k")
    signed = sign(request, Credentials("id", "secret"), Scope("eu-west-1"), when, EMPTY_SHA256)
    assert signed.headers["x-amz-date"] == "20300102T120000Z"


@pytest.mark.parametrize("text", ["12:00:00 -0000", "13:00:00 +0100", "12:00:00 GMT"])
def test_a_date_of_a_response_is_in_utc(text: str) -> None:
    read = read_http_date(f"Wed, 02 Jan 2030 {text}")
    assert read == NOON
    assert read.tzinfo is UTC


def test_a_time_in_a_document_without_a_zone_is_utc() -> None:
    assert read_time("2030-01-02T12:00:00") == NOON
