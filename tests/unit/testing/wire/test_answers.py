"""Answers as values and as bytes."""

from __future__ import annotations

from datetime import UTC, datetime

from aios3.testing.wire.answers import Answer, Refusal, render

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def rendered(answer: Answer, **options: bool) -> tuple[str, bytes]:
    head, body = render(answer, now=NOW, request_id="R1", **options)
    return head.decode(), body


def test_every_answer_has_a_date_an_id_and_a_length():
    head, body = rendered(Answer(200, {"ETag": '"e"'}, b"abc"))
    assert head.startswith("HTTP/1.1 200 OK\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT\r\n")
    assert "x-amz-request-id: R1\r\n" in head
    assert 'ETag: "e"\r\nContent-Length: 3\r\n\r\n' in head
    assert body == b"abc"


def test_an_answer_to_head_has_no_body():
    head, body = rendered(Answer(200, {"Content-Length": "7"}, b"abc"), for_head=True)
    assert "Content-Length: 7\r\n" in head
    assert body == b""
    assert "Content-Length: 0\r\n" in rendered(Answer(404, {}, b"error"), for_head=True)[0]


def test_no_content_has_neither_length_nor_body():
    """204 answers end with their head."""
    head, body = rendered(Answer(204, {}, b"ignored"))
    assert "Content-Length" not in head
    assert body == b""


def test_headers_replace_those_of_their_name():
    """Names are compared without case, so that nothing is sent twice."""
    answer = Answer(200, {"ETag": "a", "Date": "x"}).with_headers([("etag", "b")])
    assert answer.headers == {"Date": "x", "etag": "b"}
    assert answer.without_header("ETAG").headers == {"Date": "x"}
    assert "Date: x\r\n" in rendered(answer)[0]
    assert "GMT" not in rendered(answer)[0]


def test_unknown_statuses_and_closing_are_written_too():
    head, _ = rendered(Answer(599), close=True)
    assert head.startswith("HTTP/1.1 599 Unknown\r\n")
    assert "Connection: close\r\n" in head


def test_a_refusal_is_an_error_document_with_details_and_ids():
    answer = Refusal(400, "Bad", "a<b&c\x01", PartNumber=3, Region="eu-west-1").answer("R1")
    assert answer.status == 400
    assert answer.headers["x-amz-bucket-region"] == "eu-west-1"
    assert answer.body.decode().endswith(
        "<Error><Code>Bad</Code><Message>a&#60;b&#38;c&#1;</Message><PartNumber>3</PartNumber>"
        "<Region>eu-west-1</Region><RequestId>R1</RequestId><HostId>aios3.testing</HostId></Error>"
    )
