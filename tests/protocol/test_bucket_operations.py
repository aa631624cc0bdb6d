"""Operations on buckets: the request on the wire, and what its answer means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aios3._protocol.messages import Response
from aios3._protocol.operations import CreateBucket, HeadBucket, ListMultipartUploads, UploadsPage
from aios3._protocol.uri import Endpoint, request_url
from aios3.errors import AccessDeniedError, ConflictError, ContainerNotFoundError, ResponseError
from aios3.models import PendingUpload

ENDPOINT = Endpoint.parse("https://s3.example.com", "virtual")
BUCKET_URL = "https://bucket.s3.example.com/"
LIST = ListMultipartUploads("bucket")
TRUNCATED = "<IsTruncated>true</IsTruncated>"


def uploads_page(inner: str) -> Response:
    return Response(200, {}, f"<ListMultipartUploadsResult>{inner}</ListMultipartUploadsResult>".encode())


def upload(key: str, upload_id: str, initiated: str = "") -> str:
    return f"<Upload><Key>{key}</Key><UploadId>{upload_id}</UploadId><Initiated>{initiated}</Initiated></Upload>"


def test_head_bucket_asks_for_the_bucket() -> None:
    """200 is yes, 404 is no."""
    request = HeadBucket("bucket").build(ENDPOINT)
    assert (request.method, request_url(request)) == ("HEAD", BUCKET_URL)
    HeadBucket("bucket").read(Response(200, {}))
    with pytest.raises(ContainerNotFoundError):
        HeadBucket("bucket").read(Response(404, {}))


def test_create_bucket_names_a_region_only_if_there_is_one() -> None:
    """us-east-1 must not be named, and an empty PUT has no content type."""
    plain = CreateBucket("bucket", None).build(ENDPOINT)
    assert (plain.method, request_url(plain), plain.headers, plain.body) == ("PUT", BUCKET_URL, {}, ())
    placed = CreateBucket("bucket", "eu-west-1").build(ENDPOINT)
    assert placed.headers == {"content-type": "application/xml"}
    assert b"<LocationConstraint>eu-west-1</LocationConstraint>" in bytes(placed.body[0])


def test_a_bucket_that_exists_is_a_conflict() -> None:
    """Also one's own."""
    CreateBucket("bucket", None).read(Response(200, {}))
    with pytest.raises(ConflictError):
        CreateBucket("bucket", None).read(Response(409, {}, b"<Error><Code>BucketAlreadyOwnedByYou</Code></Error>"))


def test_list_uploads_asks_for_a_page() -> None:
    """Keys are asked for in a form that can carry control characters; markers only where there are some."""
    assert request_url(LIST.build(ENDPOINT)) == f"{BUCKET_URL}?encoding-type=url&uploads="
    request = ListMultipartUploads("bucket", "p/", "k k", "i~d").build(ENDPOINT)
    query = "encoding-type=url&key-marker=k%20k&prefix=p%2F&upload-id-marker=i~d&uploads="
    assert (request.method, request_url(request)) == ("GET", f"{BUCKET_URL}?{query}")


def test_a_page_of_uploads_is_read() -> None:
    """Keys keep their white space; ids lose it; an odd time is None."""
    assert LIST.read(uploads_page("")) == UploadsPage((), False, "", "")
    page = LIST.read(uploads_page(upload(" a+b ", " u1\n", "2010-11-10T20:48:33.000Z") + upload("c", "u2", "odd")))
    when = datetime(2010, 11, 10, 20, 48, 33, tzinfo=UTC)
    assert page.uploads == (PendingUpload("bucket", " a+b ", "u1", when), PendingUpload("bucket", "c", "u2", None))


def test_keys_are_decoded_only_if_the_answer_says_so() -> None:
    """Some stores ignore the encoding that was asked for."""
    page = LIST.read(uploads_page(upload("a%2Bb+c", "u")))
    assert page.uploads[0].key == "a%2Bb+c"
    inner = (
        f"<EncodingType>url</EncodingType>{TRUNCATED}<NextKeyMarker>a%0Ab</NextKeyMarker>{upload('a%2Bb+c%0A', 'u')}"
    )
    page = LIST.read(uploads_page(inner))
    assert page.uploads[0].key == "a+b c\n"
    assert page == UploadsPage(page.uploads, True, "a\nb", "u")


def test_the_next_page_goes_on_after_both_markers() -> None:
    """The store's own, or else the last upload seen."""
    markers = "<NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u2</NextUploadIdMarker>"
    page = LIST.read(uploads_page(TRUNCATED + markers + upload("j", "u1")))
    assert (page.is_truncated, page.next_key_marker, page.next_upload_id_marker) == (True, "k", "u2")
    page = LIST.read(uploads_page(TRUNCATED + upload("j", "u1") + upload("j", "u2")))
    assert (page.next_key_marker, page.next_upload_id_marker) == ("j", "u2")


@pytest.mark.parametrize("inner", ["", upload("k", "u")])
def test_a_page_that_would_repeat_for_ever_is_an_error(inner: str) -> None:
    """Rather than a loop without end."""
    with pytest.raises(ResponseError, match="without moving on"):
        ListMultipartUploads("bucket", "", "k", "u").read(uploads_page(TRUNCATED + inner))


@pytest.mark.parametrize("inner", [upload("", "u"), upload("k", " "), "<Upload/>"])
def test_an_upload_without_a_key_or_an_id_is_an_error(inner: str) -> None:
    """It could not be aborted."""
    with pytest.raises(ResponseError, match="without its key or id"):
        LIST.read(uploads_page(inner))


@pytest.mark.parametrize("operation", [HeadBucket("bucket"), CreateBucket("bucket", None), LIST])
def test_a_refusal_is_raised_by_all(operation: HeadBucket | CreateBucket | ListMultipartUploads) -> None:
    """With the operation's own name."""
    with pytest.raises(AccessDeniedError) as caught:
        operation.read(Response(403, {}))
    assert (caught.value.operation, caught.value.bucket, caught.value.key) == (operation.name, "bucket", None)
