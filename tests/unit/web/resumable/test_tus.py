"""Headers of tus 1.0.0, read and written."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from aios3.web._resumable.messages import Append, Checksum, Limits, RefusedError, Status
from aios3.web._resumable.tus import CHUNK_TYPE, MOST_CONCATENATED, MOST_METADATA, Tus, media_type_of, read_metadata

TUS = {"tus-resumable": "1.0.0"}
CHUNK = {**TUS, "content-type": CHUNK_TYPE}


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        (None, {}),
        ("", {}),
        (" ", {}),
        (f"filename {encoded('ж.mp4')},is_confidential", {"filename": "ж.mp4", "is_confidential": ""}),
        (f"a {encoded('../../x')}, b {encoded('1')}", {"a": "../../x", "b": "1"}),
    ],
)
def test_metadata_are_decoded(text, pairs):
    assert read_metadata(text) == pairs


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("a !!!!", 400),
        ("a YQ", 400),
        (f"a {encoded('x')} {encoded('y')}", 400),
        (f"a {encoded('x')},a {encoded('y')}", 400),
        (f",a {encoded('x')}", 400),
        ("a ,,b ", 400),
        ("ä YQ==", 400),
        (f"a {encoded(chr(10))}", 400),
        (f"a {encoded(chr(0x85))}", 400),
        (f"a {encoded(chr(0x2028))}", 400),
        ("a /w==", 400),
        (f"a {encoded('x' * MOST_METADATA)}", 413),
    ],
)
def test_metadata_that_cannot_be_kept_are_refused(text, status):
    with pytest.raises(RefusedError) as caught:
        read_metadata(text)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("pairs", "kind"),
    [
        ({"filetype": "video/mp4"}, "video/mp4"),
        ({"type": "text/html; charset=utf-8"}, "text/html; charset=utf-8"),
        ({"filetype": "video/mp4\r\nx: y"}, None),
        ({"filetype": "video"}, None),
        ({}, None),
    ],
)
def test_the_media_type_is_that_of_the_metadata(pairs, kind):
    assert media_type_of(pairs) == kind


@pytest.mark.parametrize(
    ("headers", "length", "first"),
    [
        ({"upload-length": "7"}, 7, None),
        ({"upload-defer-length": "1"}, None, None),
        ({"upload-length": "0", "content-type": CHUNK_TYPE}, 0, Append(0)),
        ({"upload-length": "7", "content-type": "text/plain"}, 7, None),
    ],
)
def test_a_creation_is_read(headers, length, first):
    creation = Tus().read_creation({**TUS, **headers})
    assert (creation.length, creation.first) == (length, first)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"upload-length": "7", "upload-defer-length": "1"}, 400),
        *[({"upload-length": text}, 400) for text in ("-1", "x", "", "1.5", "1, 1", "+1", "٣", "1_0")],
        ({"upload-defer-length": "2"}, 400),
        ({"upload-length": "1", "tus-resumable": "0.2.2"}, 412),
        ({"upload-concat": "final;"}, 400),
        ({"upload-concat": "whole"}, 400),
        *[({"upload-concat": f"final;/a{mark}"}, 400) for mark in '"\\ä\xa0\t'],
        ({"upload-concat": "final;/a", "content-length": "1"}, 400),
        ({"upload-concat": "final;" + "/a " * (MOST_CONCATENATED + 1)}, 413),
        ({"upload-length": "1", "content-type": CHUNK_TYPE, "upload-checksum": "crc9 AA=="}, 400),
    ],
)
def test_a_creation_that_tus_forbids_is_refused(headers, status):
    with pytest.raises(RefusedError) as caught:
        Tus().read_creation({**TUS, **headers})
    assert caught.value.status == status


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("0" * 200 + "7", 7), ("9" * 20, int("9" * 20))])
def test_numbers_are_read_however_large(text, number):
    """A length above the limit has the status 413, and another offset 409, whatever the number."""
    assert Tus().read_creation({**TUS, "upload-length": text}).length == number
    assert Tus().read_append({**CHUNK, "upload-offset": text, "upload-length": text}) == Append(number, number)


def test_a_number_of_thousands_of_digits_is_read_in_part():
    assert Tus().read_creation({**TUS, "upload-length": "9" * 9000}).length == int("9" * 100)


def test_concatenations_are_read():
    partial = Tus().read_creation({**TUS, "upload-length": "7", "upload-concat": "partial"})
    assert (partial.concat, partial.urls) == ("partial", ())
    final = Tus().read_creation({**TUS, "upload-concat": "final;/files/a https://x/files/b"})
    assert (final.length, final.urls, final.first) == (None, ("/files/a", "https://x/files/b"), None)


def test_an_append_is_read():
    headers = {"upload-offset": "3", "upload-length": "9", "upload-checksum": "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="}
    found = Tus().read_append({**CHUNK, **headers})
    digest = base64.b64decode("Kq5sNclPz7QV2+lfQIuc6R7oRu0=")
    assert found == Append(3, 9, checksum=Checksum("sha1", digest, 460))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain", "upload-offset": "0"}, 415),
        ({}, 400),
        ({"upload-offset": "-1"}, 400),
        ({"upload-offset": "0", "tus-resumable": "2.0.0"}, 412),
        ({"upload-offset": "0", "upload-length": "x"}, 400),
        ({"upload-offset": "0", "upload-checksum": "md4 AA=="}, 400),
        ({"upload-offset": "0", "upload-checksum": "sha1 ?"}, 400),
    ],
)
def test_an_append_that_tus_forbids_is_refused(headers, status):
    with pytest.raises(RefusedError) as caught:
        Tus().read_append({**CHUNK, **headers})
    assert caught.value.status == status


def test_every_response_has_the_version():
    tus, status, limits = Tus(), Status(1, 2, False), Limits(9)
    responses = [
        tus.created(status, "/x", limits, is_appended=True),
        tus.appended(status),
        tus.described(status, limits),
        tus.deleted(),
        tus.options(limits),
        tus.refused(RefusedError(412, "x"), limits),
    ]
    assert {response.headers["Tus-Resumable"] for response in responses} == {"1.0.0"}
    assert [response.status for response in responses] == [201, 204, 200, 204, 204, 412]


def test_a_status_is_written():
    moment = datetime(2026, 11, 29, 12, 30, 1, 5, UTC)
    headers = Tus().described(Status(None, None, False, "a YQ==", "final;/x", moment), Limits(None)).headers
    assert headers == {
        "Tus-Resumable": "1.0.0",
        "Cache-Control": "no-store",
        "Upload-Defer-Length": "1",
        "Upload-Metadata": "a YQ==",
        "Upload-Concat": "final;/x",
        "Upload-Expires": "Sun, 29 Nov 2026 12:30:01 GMT",
    }
