"""S3's XML: what is written reads back the same, and nothing that comes in can do harm."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.wire.xml_bodies import (
    MAX_DEPTH,
    MAX_DOCUMENT_BYTES,
    MAX_ELEMENTS,
    MAX_REPLACED,
    MAX_TAG_BYTES,
    Element,
    XmlError,
    parse_xml,
    read_time,
    write_complete,
    write_create_directory_bucket,
)
from tests.support.places import DATA

VECTORS = DATA / "vectors" / "xml"
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
XML_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
WRITABLE = st.one_of(XML_TEXT, st.sampled_from(['"a<b&c"', "a\r\nb\tc", "]]>", " ' "]))
COMPLETE_REQUESTS = json.loads((VECTORS / "complete_requests.json").read_text(encoding="utf-8"))["cases"]


def nested(depth: int) -> bytes:
    return b"<a>" * depth + b"</a>" * depth


@pytest.mark.parametrize("case", COMPLETE_REQUESTS, ids=lambda case: case["name"])
def test_a_complete_request_is_the_recorded_document(case: dict[str, Any]) -> None:
    parts, algorithm = [], None
    for number, etag, *checksums in case["parts"]:
        checksum = None
        for name, value in (checksums[0] if checksums else {}).items():
            algorithm, checksum = name.removeprefix("Checksum").lower(), value
        parts.append((number, etag, checksum))
    written = write_complete(parts, algorithm)
    assert ET.canonicalize(written.decode()) == ET.canonicalize(case["xml"])


@given(st.lists(st.tuples(st.integers(1, 10_000), WRITABLE, st.none() | WRITABLE)))
def test_any_etag_and_checksum_is_read_back_by_another_parser(parts: list[tuple[int, str, str | None]]) -> None:
    root = ET.fromstring(write_complete(parts, "crc32"))
    assert root.tag == f"{NAMESPACE}CompleteMultipartUpload"
    read = [
        (
            int(part.findtext(f"{NAMESPACE}PartNumber", "")),
            part.findtext(f"{NAMESPACE}ETag"),
            part.findtext(f"{NAMESPACE}ChecksumCRC32"),
        )
        for part in root
    ]
    assert read == [(number, etag, checksum or None) for number, etag, checksum in parts]


@pytest.mark.parametrize(("zone", "kind"), [("use1-az4", "AvailabilityZone"), ("usw2-lax1-az1", "LocalZone")])
def test_a_directory_bucket_is_written(zone: str, kind: str) -> None:
    assert ET.canonicalize(write_create_directory_bucket(zone).decode()) == (
        '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Location><Name>{zone}</Name><Type>{kind}</Type></Location>"
        f"<Bucket><DataRedundancy>Single{kind}</DataRedundancy><Type>Directory</Type></Bucket>"
        "</CreateBucketConfiguration>"
    )


def test_a_key_keeps_its_white_space() -> None:
    assert parse_xml(b"<r><Key>  a b\n</Key></r>").text("Key") == "  a b\n"


def test_one_child_and_many_read_alike() -> None:
    assert [child.text("n") for child in parse_xml(b"<r><p><n>1</n></p></r>").all("p")] == ["1"]
    assert [child.text("n") for child in parse_xml(b"<r><p><n>1</n></p><p/></r>").all("p")] == ["1", None]
    assert parse_xml(b"<r/>").all("p") == []


def test_prefixes_namespaces_and_attributes_do_not_show() -> None:
    root = parse_xml(b'<x:r xmlns:x="u" y="1"><x:p z="2">t</x:p><q>u</q></x:r>')
    assert root == Element("r", "", {"p": [Element("p", "t")], "q": [Element("q", "u")]})
    assert root.names == ("p", "q")


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b" \r\n\t", b"\n\xef\xbb\xbf \n"])
def test_what_comes_before_the_document_is_skipped(start: bytes) -> None:
    assert parse_xml(start + b'<?xml version="1.0"?>   <r/>').name == "r"


@pytest.mark.parametrize(
    ("text", "flag", "number"),
    [("true", True, None), (" True ", True, None), ("false", False, None), ("1", False, 1), (" 17 ", False, 17),
     ("-1", False, None), ("٣", False, None), ("9" * 19, False, None), ("9" * 5000, False, None), ("", False, None)],
)  # fmt: skip
def test_flags_and_numbers_are_read_with_suspicion(text: str, flag: bool, number: int | None) -> None:
    root = parse_xml(f"<r><v>{text}</v></r>".encode())
    assert (root.flag("v"), root.number("v")) == (flag, number)
    assert (root.flag("w"), root.number("w")) == (False, None)


@pytest.mark.parametrize(
    "body",
    [b"", b"  ", b"\xef\xbb\xbf", b"text", b"<r>", b"<r></s>", b"<r/><r/>",
     b"<r>\xff</r>", b'{"a":1}', b"<!-- -->"],
)  # fmt: skip
def test_what_is_not_a_document_raises_one_error(body: bytes) -> None:
    with pytest.raises(XmlError):
        parse_xml(body)


def test_entities_and_document_types_are_refused() -> None:
    with pytest.raises(XmlError, match="^the document has a document type, which S3's never have$"):
        parse_xml((VECTORS / "hostile-entities.xml").read_bytes())
    with pytest.raises(XmlError, match="^the document has a document type, which S3's never have$"):
        parse_xml(b'<!DOCTYPE r SYSTEM "file:///etc/passwd"><r/>')


def test_depth_is_bounded() -> None:
    assert parse_xml(nested(MAX_DEPTH)).name == "a"
    with pytest.raises(XmlError, match="levels deep"):
        parse_xml(nested(MAX_DEPTH + 1))
    bomb = b"<a>" * 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(XmlError, match="levels deep"):
            parse_xml(bomb)
        assert tracemalloc.get_traced_memory()[1] < len(bomb)
    finally:
        tracemalloc.stop()


def test_depth_is_bounded_after_an_element_has_ended_too() -> None:
    deep = b"<a>" * (MAX_DEPTH - 1) + b"<b/>"
    assert parse_xml(deep + b"<c></c>" + b"</a>" * (MAX_DEPTH - 1)).name == "a"
    with pytest.raises(XmlError, match="levels deep"):
        parse_xml(deep + b"<c><d/></c>" + b"</a>" * (MAX_DEPTH - 1))


def test_depth_is_bounded_after_a_long_tag_too() -> None:
    long = b"<r a='" + b"x" * (130 * 1024) + b"'>"
    assert parse_xml(long + nested(MAX_DEPTH - 1) + b"</r>").names == ("a",)
    with pytest.raises(XmlError, match="levels deep"):
        parse_xml(long + nested(2000) + b"</r>")


@pytest.mark.parametrize("encoding", ["UTF-16", "ISO-8859-1", "cp037"])
def test_every_document_is_utf_8(encoding: str) -> None:
    """Whatever it says of itself: else the check could see another document than the reader."""
    assert parse_xml(f'<?xml version="1.0" encoding="{encoding}"?><r>ü</r>'.encode()).content == "ü"


def test_length_is_bounded() -> None:
    with pytest.raises(XmlError, match="bytes"):
        parse_xml(b"<a>" + b" " * MAX_DOCUMENT_BYTES + b"</a>")
    with pytest.raises(XmlError, match="elements"):
        parse_xml(b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>")


def peak_of(body: bytes, reason: str) -> int:
    """Return the most bytes that were held while a document was refused."""
    tracemalloc.start()
    try:
        with pytest.raises(XmlError, match=reason):
            parse_xml(body)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "tag",
    [b"".join(b" a%d=''" % number for number in range(100_000)), b" a='" + b"x" * 2**20 + b"'", b"x" * 2**20],
    ids=["attributes", "value", "name"],
)
def test_a_tag_is_bounded(tag: bytes) -> None:
    """A million attributes would all be kept at once."""
    body = b"<r><a" + tag + b"/></r>"
    assert len(body) > 3 * MAX_TAG_BYTES
    assert peak_of(body, "a tag of over") < 3 * len(body)
    assert parse_xml(b"<r><a b='" + b"x" * 100_000 + b"'/></r>").names == ("a",)


@pytest.mark.parametrize("character", [b"\x00", b"&#0;", b"&#x1f;"])
def test_replacing_is_bounded(character: bytes) -> None:
    assert parse_xml(b"<r>" + character * MAX_REPLACED + b"</r>").content == "\ufffd" * MAX_REPLACED
    assert peak_of(b"<r>" + character * (2**21 // len(character)) + b"</r>", "line 1, column") < 40 * 2**20


@given(st.binary() | st.text(alphabet="<>/a&; !?[]").map(str.encode))
def test_any_bytes_are_a_document_or_an_xml_error(body: bytes) -> None:
    try:
        root = parse_xml(body)
    except XmlError:
        return
    assert root.name


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2010-11-10T20:48:33.000Z", datetime(2010, 11, 10, 20, 48, 33, tzinfo=UTC)),
        ("2010-11-10T20:48:33+02:00", datetime(2010, 11, 10, 18, 48, 33, tzinfo=UTC)),
        (" 2010-11-10T20:48:33 ", datetime(2010, 11, 10, 20, 48, 33, tzinfo=UTC)),
        ("0001-01-01T00:00:00+23:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_utc_or_absent(text: str | None, time: datetime | None) -> None:
    assert read_time(text) == time
    assert time is None or read_time(text).tzinfo is UTC  # type: ignore[union-attr]


@pytest.mark.parametrize("character", [b"\x00", b"\x01", b"\x1f", b"&#1;", b"&#x1;", b"&#x1F;", b"&#011;"])
def test_characters_that_xml_cannot_hold_do_not_hide_the_rest(character: bytes) -> None:
    tree = parse_xml(b"<R><Key>a" + character + b"b</Key><UploadId>u</UploadId></R>")

    assert tree.text("UploadId") == "u"
    assert tree.text("Key") == "a\ufffdb"


@pytest.mark.parametrize("character", [b"&#9;", b"&#10;", b"&#13;", b"&#x9;", b"&#xA;", b"&#xd;", b"&#32;", b"&#100;"])
def test_characters_that_xml_can_hold_stay(character: bytes) -> None:
    """Only what the parser would refuse is replaced."""
    assert "\ufffd" not in (parse_xml(b"<R><Key>a" + character + b"b</Key></R>").text("Key") or "")


def test_as_many_elements_as_are_allowed_are_read() -> None:
    assert len(parse_xml(b"<a>" + b"<b/>" * (MAX_ELEMENTS - 1) + b"</a>").all("b")) == MAX_ELEMENTS - 1


def test_a_document_may_be_as_long_as_is_allowed() -> None:
    body = b"<a>" + b" " * (MAX_DOCUMENT_BYTES - 7) + b"</a>"
    assert len(body) == MAX_DOCUMENT_BYTES
    assert parse_xml(body).name == "a"


def test_the_text_between_children_is_the_parents() -> None:
    root = parse_xml(b"<a>x<b/>y</a>")
    assert (root.names, root.content, root.all("b")) == (("b",), "xy", [Element("b")])


@pytest.mark.parametrize("before", [b"\x0c", b"\xef\xbb\xbf\x0b"])
def test_only_white_space_of_xml_may_come_first(before: bytes) -> None:
    with pytest.raises(XmlError):
        parse_xml(before + b"<a/>")
