"""Operations that list: the request for a page, what the page says, and the request for the next one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.operations import (
    BucketsPage,
    ListBuckets,
    ListMultipartUploads,
    ListObjectsV2,
    ObjectsPage,
    UploadsPage,
)
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.uri import Endpoint, request_url
from aios3.errors import ContainerNotFoundError, ResponseError
from aios3.models import Container, PendingUpload, StorageObject

ENDPOINT = Endpoint.parse("https://s3.example.com", "virtual")
BUCKET_URL = "https://bucket.s3.example.com/"
BUCKETS = ListBuckets()
OBJECTS = ListObjectsV2("bucket")
LIST = ListMultipartUploads("bucket")
TRUNCATED = "<IsTruncated>true</IsTruncated>"
ENCODED = "<EncodingType>url</EncodingType>"
WHEN = datetime(2010, 11, 10, 20, 48, 33, tzinfo=UTC)


def buckets_page(inner: str) -> Response:
    return Response(200, {}, f"<ListAllMyBucketsResult>{inner}</ListAllMyBucketsResult>".encode())


def objects_page(inner: str) -> Response:
    return Response(200, {}, f"<ListBucketResult>{inner}</ListBucketResult>".encode())


def uploads_page(inner: str) -> Response:
    return Response(200, {}, f"<ListMultipartUploadsResult>{inner}</ListMultipartUploadsResult>".encode())


def contents(key: str, size: str = "1", rest: str = "") -> str:
    return f"<Contents><Key>{key}</Key><Size>{size}</Size>{rest}</Contents>"


def upload(key: str, upload_id: str, initiated: str = "") -> str:
    return f"<Upload><Key>{key}</Key><UploadId>{upload_id}</UploadId><Initiated>{initiated}</Initiated></Upload>"


# buckets


def test_buckets_are_read() -> None:
    """With their beginning, as far as it makes sense; no buckets are none."""
    dated = "<Bucket><Name>a</Name><CreationDate>2010-11-10T20:48:33.000Z</CreationDate></Bucket>"
    undated = "<Bucket><Name>b</Name><CreationDate>soon</CreationDate></Bucket>"
    page = BUCKETS.read(buckets_page(f"<Owner><ID>x</ID></Owner><Buckets>{dated}{undated}</Buckets>"))
    assert page == BucketsPage((Container("a", WHEN), Container("b", None)), "")
    for inner in ("", "<Buckets/>"):
        assert BUCKETS.read(buckets_page(inner)) == BucketsPage((), "")


def test_the_next_page_of_buckets_is_asked_for_by_its_token() -> None:
    page = BUCKETS.read(buckets_page("<ContinuationToken>t1</ContinuationToken>"))
    assert BUCKETS.following(page) == ListBuckets("t1")
    assert BUCKETS.following(BucketsPage((), "")) is None
    with pytest.raises(ResponseError, match=": the store's list of buckets does not advance$"):
        ListBuckets("t1").read(buckets_page("<ContinuationToken>t1</ContinuationToken>"))


def test_a_bucket_without_a_name_is_an_error() -> None:
    with pytest.raises(ResponseError, match=": the store listed a bucket without its name$") as caught:
        BUCKETS.read(buckets_page("<Buckets><Bucket/></Buckets>"))
    assert (caught.value.bucket, caught.value.key) == (None, None)


# objects


def test_list_objects_asks_for_a_page() -> None:
    assert request_url(OBJECTS.build(ENDPOINT)) == f"{BUCKET_URL}?encoding-type=url&list-type=2"
    request = ListObjectsV2("bucket", "p/ +", "t=").build(ENDPOINT)
    query = "continuation-token=t%3D&encoding-type=url&list-type=2&prefix=p%2F%20%2B"
    assert (request.method, request_url(request)) == ("GET", f"{BUCKET_URL}?{query}")


def test_objects_are_read() -> None:
    rest = (
        "<LastModified>2010-11-10T20:48:33.000Z</LastModified><ETag>&quot;e1&quot;</ETag>"
        "<StorageClass>GLACIER</StorageClass>"
    )
    page = OBJECTS.read(objects_page(contents("k", "12", rest) + contents("l", " 0 ", "<ETag>e2</ETag>")))
    first = StorageObject("bucket", "k", 12, "e1", WHEN, storage_class="GLACIER")
    assert page == ObjectsPage((first, StorageObject("bucket", "l", 0, "e2")), "")
    assert OBJECTS.read(objects_page("")) == ObjectsPage((), "")


def test_the_next_page_of_objects_is_asked_for_by_its_token() -> None:
    start = ListObjectsV2("bucket", "p/")
    page = start.read(objects_page(f"{TRUNCATED}<NextContinuationToken>t1</NextContinuationToken>"))
    assert start.following(page) == ListObjectsV2("bucket", "p/", "t1")
    last = objects_page("<IsTruncated>false</IsTruncated><NextContinuationToken>t2</NextContinuationToken>")
    assert start.following(start.read(last)) is None


@pytest.mark.parametrize("token", ["", "<NextContinuationToken> t1 </NextContinuationToken>"])
def test_objects_that_go_on_without_moving_on_are_an_error(token: str) -> None:
    with pytest.raises(ResponseError, match=": the store's list of objects does not advance$"):
        ListObjectsV2("bucket", token="t1").read(objects_page(TRUNCATED + contents("k") + token))


@pytest.mark.parametrize("entry", [contents("", "1"), contents("k", ""), contents("k", "-1"), "<Contents/>"])
def test_an_object_without_a_key_or_a_size_is_an_error(entry: str) -> None:
    with pytest.raises(ResponseError, match=": the store listed an object without its key or size$"):
        OBJECTS.read(objects_page(contents("good") + entry))


@given(st.text(min_size=1).filter(lambda text: not any(0xD800 <= ord(char) <= 0xDFFF for char in text)))
def test_any_key_comes_back_from_a_listing(key: str) -> None:
    encoders: list[Callable[[str], str]] = [quote, quote_plus, lambda text: quote(text, safe="")]
    for encode in encoders:
        page = OBJECTS.read(objects_page(ENCODED + contents(encode(key))))
        assert [found.key for found in page.objects] == [key]


# uploads


def test_list_uploads_asks_for_a_page() -> None:
    assert request_url(LIST.build(ENDPOINT)) == f"{BUCKET_URL}?encoding-type=url&uploads="
    request = ListMultipartUploads("bucket", "p/", "k k", "i~d").build(ENDPOINT)
    query = "encoding-type=url&key-marker=k%20k&prefix=p%2F&upload-id-marker=i~d&uploads="
    assert (request.method, request_url(request)) == ("GET", f"{BUCKET_URL}?{query}")


def test_a_page_of_uploads_is_read() -> None:
    assert LIST.read(uploads_page("")) == UploadsPage((), False, "", "")
    page = LIST.read(uploads_page(upload(" a+b ", " u1\n", "2010-11-10T20:48:33.000Z") + upload("c", "u2", "odd")))
    when = datetime(2010, 11, 10, 20, 48, 33, tzinfo=UTC)
    assert page.uploads == (PendingUpload("bucket", " a+b ", "u1", when), PendingUpload("bucket", "c", "u2", None))


def test_keys_are_decoded_only_if_the_answer_says_so() -> None:
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
    with pytest.raises(ResponseError, match=": the store's list of uploads does not advance$"):
        ListMultipartUploads("bucket", "", "k", "u").read(uploads_page(TRUNCATED + inner))


@pytest.mark.parametrize("inner", [upload("", "u"), upload("k", " "), "<Upload/>"])
def test_an_upload_without_a_key_or_an_id_is_an_error(inner: str) -> None:
    """It could not be aborted."""
    with pytest.raises(ResponseError, match=": the store listed an upload without its key or id$"):
        LIST.read(uploads_page(inner))


def test_the_next_page_of_uploads_is_asked_for_by_both_markers() -> None:
    start = ListMultipartUploads("bucket", "p/", headers={"x-amz-request-payer": "requester"})
    following = start.following(UploadsPage((), True, "k", "u"))
    assert following == ListMultipartUploads("bucket", "p/", "k", "u", {"x-amz-request-payer": "requester"})
    assert start.following(UploadsPage((), False, "", "")) is None


def test_a_bucket_without_uploads_may_say_that_there_is_no_such_upload() -> None:
    """As rclone does before the first one; a missing bucket is another matter."""
    answer = Response(404, {}, b"<Error><Code>NoSuchUpload</Code></Error>")
    assert LIST.read(answer) == UploadsPage((), False, "", "")
    with pytest.raises(ContainerNotFoundError):
        LIST.read(Response(404, {}, b"<Error><Code>NoSuchBucket</Code></Error>"))


# all


def test_buckets_of_directories_are_listed_under_a_name_of_their_own() -> None:
    inner = "<Buckets><Bucket><Name>name</Name></Bucket></Buckets>"
    body = f"<ListAllMyDirectoryBucketsResult>{inner}</ListAllMyDirectoryBucketsResult>"
    assert BUCKETS.read(Response(200, {}, body.encode())) == BUCKETS.read(buckets_page(inner))
    assert [bucket.name for bucket in BUCKETS.read(buckets_page(inner)).buckets] == ["name"]


def test_a_page_without_uploads_may_go_on_after_a_key() -> None:
    page = LIST.read(uploads_page(f"{TRUNCATED}<NextKeyMarker>k</NextKeyMarker>"))
    assert page == UploadsPage((), True, "k", "")
