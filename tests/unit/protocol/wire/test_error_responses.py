"""Answers that are errors: the right class, words that help, and nothing secret."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.wire.error_responses import (
    MAX_ERROR_BYTES,
    describe_body,
    expected_region,
    read_error,
    redirect_host,
    server_time,
)
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.response_headers import retry_after
from aios3.errors import ResponseError
from tests.support.places import DATA

VECTORS = DATA / "vectors" / "xml"


def error_body(code: str = "", message: str = "", more: str = "") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode()


def read(
    status: int, body: bytes = b"", *, operation: str = "UploadPart", headers: dict[str, str] | None = None
) -> ResponseError:
    return read_error(
        Response(status, headers or {}, body), operation=operation, bucket="b", key="k", upload_id="u", part_number=7
    )


def test_the_error_carries_all_that_is_known() -> None:
    headers = {"x-amz-request-id": "r", "x-amz-id-2": "h"}
    error = read(500, error_body("InternalError", "words", "<RequestId>x</RequestId>"), headers=headers)
    assert (error.operation, error.bucket, error.key, error.upload_id, error.part_number) == (
        "UploadPart",
        "b",
        "k",
        "u",
        7,
    )
    assert (error.status, error.code) == (500, "InternalError")
    assert (error.request_id, error.host_id, error.message) == ("r", "h", "words")
    told = read(500, error_body(more="<RequestId>x</RequestId><HostId>y</HostId>"))
    assert (told.request_id, told.host_id) == ("x", "y")
    wrapped = read(403, (VECTORS / "error-wrapped.xml").read_bytes())
    assert (wrapped.request_id, wrapped.host_id) == ("r-1", None)
    google = read(500, headers={"x-guploader-uploadid": "g"})
    assert google.request_id == "g"


@pytest.mark.parametrize(
    ("declared", "charset", "words"),
    [
        ("ISO-8859-1", "latin-1", "Zugriff für alle gesperrt"),
        ("iso-8859-15", "iso-8859-15", "10 € fehlen"),
        ("windows-1252", "cp1252", "kein Schlüssel"),
        ("GBK", "gbk", "没有权限"),
        ("Shift_JIS", "shift_jis", "アクセス"),
        ("UTF-16", "utf-16", "für"),
        ("UTF-16", "utf-16-be", "für"),
        ("UTF-8", "utf-8", "für"),
    ],
)
def test_an_error_in_another_charset_keeps_its_code_and_words(declared: str, charset: str, words: str) -> None:
    document = f'<?xml version="1.0" encoding="{declared}"?>{error_body("NoSuchUpload", words).decode()}'
    for status in (404, 200):
        error = read(status, document.encode(charset))
        assert (error.code, error.message) == ("NoSuchUpload", words)


@pytest.mark.parametrize("declared", ["", '<?xml version="1.0" encoding="utf-8"?>', '<?xml encoding="x-nobody"?>'])
def test_an_error_with_bytes_of_no_declared_charset_keeps_its_code(declared: str) -> None:
    body = declared.replace("<?xml enc", '<?xml version="1.0" enc').encode() + error_body("SlowDown", "fü").replace(
        "ü".encode(), b"\xfc"
    )
    assert (read(503, body).code, read(503, body).message) == ("SlowDown", "f\ufffd")


@pytest.mark.parametrize("pack", [gzip.compress, bytes], ids=["packed", "plain"])
def test_an_error_that_is_said_to_be_packed_keeps_its_code(pack: Callable[[bytes], bytes]) -> None:
    headers = {"content-encoding": "gzip"}
    assert read(404, pack(error_body("NoSuchUpload", "gone")), headers=headers).code == "NoSuchUpload"


def test_a_packed_error_is_unpacked_to_a_limit() -> None:
    body = gzip.compress(error_body("SlowDown", " " * 50_000_000))
    assert read(503, body, headers={"content-encoding": "gzip"}).code is None


def test_a_message_is_short_and_on_one_line() -> None:
    """Some 300 printable characters of the store's words."""
    error = read(500, error_body("InternalError", "a\n\t b\u202e" + "c" * 2_000))
    assert error.message.startswith("a b ccc")
    assert len(error.message) == 300
    assert error.message.isprintable()


def test_what_is_too_long_ends_in_dots() -> None:
    """A code has up to 100 characters, an id up to 128."""
    longest = {"x-amz-request-id": "r" * 128, "x-amz-id-2": "h" * 128}
    whole = read(500, error_body("x" * 100), headers=longest)
    assert (whole.code, whole.request_id, whole.host_id) == ("x" * 100, "r" * 128, "h" * 128)
    longer = {"x-amz-request-id": "r" * 129, "x-amz-id-2": "h" * 129}
    cut = read(500, error_body("x" * 101), headers=longer)
    assert (cut.code, cut.request_id, cut.host_id) == ("x" * 97 + "...", "r" * 125 + "...", "h" * 125 + "...")


@pytest.mark.parametrize(
    ("body", "content_type", "came"),
    [
        (b"<html><body>Bad Gateway</body></html>", "", "an HTML page"),
        (b"  <!DOCTYPE HTML>", "", "an HTML page"),
        (b"Bad", "text/html; charset=utf-8", "an HTML page"),
        (b'{"message":"Forbidden"}', "", "a JSON document"),
        (b"[1]", "", "a JSON document"),
        (b"null", "application/problem+json", "a JSON document"),
        (b"<Error><Code>Trunc", "", "XML that cannot be read"),
        (b"Too Many\nRequests", "text/plain", "something that is not XML, beginning 'Too Many Requests'"),
        (b"X" * 61, "", f"something that is not XML, beginning '{'X' * 57}...'"),
    ],
)
def test_a_body_that_is_not_s3s_is_named(body: bytes, content_type: str, came: str) -> None:
    error = read(502, body, headers={"content-type": content_type})
    assert (
        error.message == f"{came} instead of S3's XML: is this the endpoint of an S3 store, or is a proxy in between?"
    )


def test_an_empty_body_is_named() -> None:
    assert read(500).message == "the response has no body that gives a reason"
    assert describe_body(Response(200, {}, b"\xef\xbb\xbf  ")) == "an empty body"


@pytest.mark.parametrize(
    ("operation", "status", "message"),
    [
        ("HeadBucket", 404, "there is no such bucket"),
        ("HeadObject", 404, "there is no such object"),
        (
            "HeadObject",
            403,
            "these credentials are wrong, or may not see it; a response to HEAD does not say which",
        ),
        ("HeadObject", 500, "the response has no body that gives a reason"),
        ("UploadPart", 404, "the response has no body that gives a reason"),
    ],
)
def test_an_answer_to_head_is_told_by_its_status(operation: str, status: int, message: str) -> None:
    assert read(status, operation=operation).message == message


def test_only_a_bad_request_without_a_body_hints_at_the_region() -> None:
    headers = {"x-amz-bucket-region": "eu-west-1"}
    hint = "; is the region 'eu-west-1', and the session token (if any) still good?"
    assert read(400, headers=headers).message == f"the response has no body that gives a reason{hint}"
    assert read(500, headers=headers).message == "the response has no body that gives a reason"


def test_an_error_without_words_is_still_an_error() -> None:
    assert read(500, b"<Error><Code>InternalError</Code></Error>").message == "the store gave no message"
    assert read(500, b"<Error/>").message == "the store gave no message"


def test_a_wrong_signature_names_the_cause_and_repeats_nothing() -> None:
    error = read(403, (VECTORS / "error-sigmismatch.xml").read_bytes())
    assert error.message == (
        "the signature is not the one that the store computes: the secret access key, or the region, is wrong"
    )
    for secret in ("AKIAIOSFODNN7EXAMPLE", "AWS4-HMAC", "20130524", "PUT"):
        assert secret not in str(error)


@pytest.mark.parametrize(
    "words",
    [
        "bad header Authorization: AWS4-HMAC-SHA256 Credential=hush/2013, SignedHeaders=host, Signature=hush",
        "GET /k?X-Amz-Signature=hush&amp;X-Amz-Expires=1 expired",
        "X-Amz-Security-Token=hush is invalid",
        "the token: hush is no good",
        "AWSAccessKeyId=hush",
        "unknown key AKIAHUSHHUSHHUSHHUSH",
        "string to sign was AWS4-HMAC-SHA256 20130524T000000Z hush",
        '{"X-Amz-Security-Token": "hush"}',
        "X-Amz-Security-Token%3Dhush",
        "x-amz-server-side-encryption-customer-key: hush",
        "SecretAccessKey=hush secret_access_key: hush",
    ],
)
def test_a_quoted_secret_is_hidden(words: str) -> None:
    error = read(400, error_body("InvalidRequest", words))
    assert "hush" not in str(error).lower()
    assert "(hidden)" in error.message


def test_harmless_words_are_kept() -> None:
    words = "The provided token is malformed or otherwise invalid."
    assert read(400, error_body("InvalidToken", words)).message == words


@pytest.mark.parametrize(
    ("status", "body", "headers", "part"),
    [
        (
            400,
            (VECTORS / "error-authheadermalformed.xml").read_bytes(),
            {},
            "the request was signed for another region than 'eu-central-1', which the store expects",
        ),
        (400, b"", {"x-amz-bucket-region": "eu-central-1"}, "'eu-central-1'"),
        (400, error_body("AuthorizationHeaderMalformed", "the region is wrong"), {}, "the region is wrong"),
        (
            301,
            (VECTORS / "error-permanentredirect.xml").read_bytes(),
            {},
            "'example-bucket.s3.eu-central-1.amazonaws.com'",
        ),
        (301, b"", {"x-amz-bucket-region": "eu-central-1"}, "region 'eu-central-1'"),
        (
            307,
            (VECTORS / "error-temporaryredirect.xml").read_bytes(),
            {},
            "'example-bucket.s3-eu-west-1.amazonaws.com'",
        ),
        (302, b"<html>", {"location": "https://login.example.com"}, "names no region"),
        (301, error_body("PermanentRedirect", "", "<Endpoint>evil/?x</Endpoint>"), {}, "names no region"),
    ],
)
def test_a_wrong_region_names_the_right_one(status: int, body: bytes, headers: dict[str, str], part: str) -> None:
    """What to change is in the message, as far as the store says."""
    assert part in read(status, body, headers=headers).message


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_every_redirect_is_a_wrong_region(status: int) -> None:
    headers = {"x-amz-bucket-region": "eu-west-1"}
    assert read(status, headers=headers).message == (
        "the bucket is in region 'eu-west-1': use that region and its endpoint"
    )
    assert read(status).message == (
        "the store redirects elsewhere and names no region: check the endpoint and the region"
    )


def test_a_wrong_clock_is_named() -> None:
    error = read(403, (VECTORS / "error-skewed.xml").read_bytes())
    assert (
        error.message == "this machine's clock is too far from the store's (2013-05-24T00:25:10Z there): set the clock"
    )
    assert "clock is too far from the store's:" in read(403, error_body("RequestTimeTooSkewed")).message
    dated = {"date": "Fri, 24 May 2013 12:00:00 GMT"}
    assert "(2013-05-24T12:00:00Z there)" in read(403, error_body("RequestTimeTooSkewed"), headers=dated).message
    told = read(403, (VECTORS / "error-skewed.xml").read_bytes(), headers=dated)
    assert told.message == error.message


@pytest.mark.parametrize(
    ("headers", "body", "region"),
    [
        ({"x-amz-bucket-region": "eu-west-1"}, b"", "eu-west-1"),
        ({"x-amz-bucket-region": "eu-west-1"}, error_body(more="<Region>x</Region>"), "eu-west-1"),
        ({}, error_body(more="<Region> eu-west-3 </Region>"), "eu-west-3"),
        ({"x-amz-bucket-region": "evil.example.com/"}, error_body(more="<Region>eu</Region>"), "eu"),
        ({}, error_body(more="<Region>EU West</Region>"), None),
        ({}, b"<Error", None),
        ({}, b"", None),
    ],
)
def test_the_expected_region_is_read_with_suspicion(headers: dict[str, str], body: bytes, region: str | None) -> None:
    """Header first; only what can be a region is taken, since it goes into a host name."""
    assert expected_region(Response(400, headers, body)) == region


@pytest.mark.parametrize(
    ("location", "place", "host"),
    [
        ("https://B.s3-us-west-2.amazonaws.com/k?uploads", "", "b.s3-us-west-2.amazonaws.com"),
        ("http://h.example:80", "", "h.example"),
        ("https://h.example:443/a#b\nc", "", "h.example"),
        ("https://h.example:8443?x", "other.example", "h.example:8443"),
        (None, " b.s3.us-west-2.amazonaws.com\n", "b.s3.us-west-2.amazonaws.com"),
        ("/only/a/path", "h.example", "h.example"),
        ("https://user@h.example/", "", None),
        ("https://[::1]/", "", None),
        ("ftp://h.example/", "", None),
        ("h.example\\@evil.example", "", None),
        ("", "", None),
    ],
)
def test_the_host_of_a_redirect_is_read(location: str | None, place: str, host: str | None) -> None:
    """Of Location, else of the document; only what can be one of a store's own."""
    headers = {} if location is None else {"location": location}
    assert redirect_host(Response(307, headers, error_body(more=f"<Endpoint>{place}</Endpoint>"))) == host


def test_a_redirect_may_name_no_host() -> None:
    assert redirect_host(Response(307, {})) is None


def test_the_stores_time_is_read() -> None:
    """From Date, else from the error, else not at all."""
    noon = datetime(2013, 5, 24, 12, tzinfo=UTC)
    dated = {"date": "Fri, 24 May 2013 12:00:00 GMT"}
    skewed = (VECTORS / "error-skewed.xml").read_bytes()
    assert server_time(Response(200, dated, skewed)) == noon
    assert server_time(Response(403, {"date": "odd"}, skewed)) == datetime(2013, 5, 24, 0, 25, 10, tzinfo=UTC)
    assert server_time(Response(200, {})) is None


@pytest.mark.parametrize("year", ["1601", "1999", "2200", "9999"])
def test_a_clock_out_of_this_world_is_no_clock(year: str) -> None:
    """What is reckoned with it would leave the calendar."""
    assert server_time(Response(403, {"date": f"Fri, 31 Dec {year} 23:59:59 GMT"})) is None
    skewed = error_body("RequestTimeTooSkewed", more=f"<ServerTime>{year}-12-31T23:59:59Z</ServerTime>")
    assert server_time(Response(403, {}, skewed)) is None


def test_an_error_document_is_bounded() -> None:
    spaced = b" " * 2**20 + error_body("SlowDown") + b"\n" * 2**20
    assert read(503, spaced).code == "SlowDown"
    frame = len(error_body("SlowDown"))
    assert read(503, error_body("SlowDown", "x" * (MAX_ERROR_BYTES - frame))).code == "SlowDown"
    assert read(503, error_body("SlowDown", "x" * (MAX_ERROR_BYTES - frame + 1))).code is None


TEXT_OR_XML = st.binary() | st.text().map(
    lambda text: f"<Error><Code>x</Code><Message>{text}</Message></Error>".encode(errors="replace")
)


@given(
    st.integers(100, 599),
    TEXT_OR_XML,
    st.dictionaries(
        st.sampled_from(["date", "retry-after", "content-type", "x-amz-bucket-region", "x-amz-request-id"]), st.text()
    ),
)
def test_any_answer_becomes_an_error_with_a_printable_message(
    status: int, body: bytes, headers: dict[str, Any]
) -> None:
    error = read(status, body, headers=headers)
    assert error.message
    assert len(error.message) <= 300
    assert str(error).isprintable()
    retry_after(headers)
    server_time(Response(status, headers, body))


def test_an_unknown_access_key_is_not_repeated() -> None:
    error = read(403, error_body("InvalidAccessKeyId", "The key AKIAIOSFODNN7EXAMPLE does not exist"))
    assert error.message == "the store does not know the access key id"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("X-Amz-Security-Token=hush is invalid", "X-Amz-Security-Token=(hidden) is invalid"),
        ("unknown key AKIAHUSHHUSHHUSHHUSH", "unknown key (hidden)"),
    ],
)
def test_what_was_hidden_is_named(words: str, shown: str) -> None:
    assert read(400, error_body("InvalidRequest", words)).message == shown


def test_a_malformed_signature_without_a_word_is_a_wrong_region() -> None:
    error = read(400, error_body("AuthorizationHeaderMalformed"))
    assert error.message == "the store cannot read the signature: check the region"
