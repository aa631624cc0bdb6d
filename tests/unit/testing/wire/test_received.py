"""Which operation, bucket and key a request is about."""

from __future__ import annotations

import pytest

from aios3.testing.wire.heads import read_head
from aios3.testing.wire.received import ReceivedRequest, understand


def received(method: str, target: str, host: str = "127.0.0.1:9000") -> ReceivedRequest:
    return understand(read_head(f"{method} {target} HTTP/1.1\r\nHost: {host}".encode()), "R1")


@pytest.mark.parametrize(
    ("method", "target", "operation"),
    [
        ("GET", "/", "ListBuckets"),
        ("PUT", "/b", "CreateBucket"),
        ("HEAD", "/b/", "HeadBucket"),
        ("DELETE", "/b", "DeleteBucket"),
        ("GET", "/b?list-type=2&prefix=a", "ListObjectsV2"),
        ("GET", "/b?uploads", "ListMultipartUploads"),
        ("PUT", "/b/k", "PutObject"),
        ("GET", "/b/k?X-Amz-Date=1", "GetObject"),
        ("HEAD", "/b/k", "HeadObject"),
        ("DELETE", "/b/k", "DeleteObject"),
        ("POST", "/b/k?uploads=", "CreateMultipartUpload"),
        ("PUT", "/b/k?uploadId=u&partNumber=1", "UploadPart"),
        ("POST", "/b/k?uploadId=u", "CompleteMultipartUpload"),
        ("DELETE", "/b/k?uploadId=u", "AbortMultipartUpload"),
        ("GET", "/b/k?uploadId=u&max-parts=1", "ListParts"),
        ("GET", "/b", "ListObjects"),
        ("GET", "/b?acl", "GetBucketAcl"),
        ("PUT", "/b/k?acl&versionId=v", "PutObjectAcl"),
        ("GET", "/b?policyStatus", "GetBucketPolicyStatus"),
        ("PUT", "/b?policy", "Unknown"),
        ("GET", "/b?intelligent-tiering", "Unknown"),
        ("PUT", "/b/k?uploadId=u", "Unknown"),
        ("PATCH", "/b/k", "Unknown"),
    ],
)
def test_operations_have_the_names_of_s3(method: str, target: str, operation: str):
    assert received(method, target).operation == operation


@pytest.mark.parametrize(
    ("target", "host", "bucket", "key"),
    [
        ("/b/a//b", "h", "b", "a//b"),
        ("/b/a/../b/.", "h", "b", "a/../b/."),
        ("/b//", "h", "b", "/"),
        ("/b/%C3%A9+%2B%25%2e", "h", "b", "é++%."),
        ("/b", "localhost:80", "b", None),
        ("/k/x", "b.localhost:80", "b", "k/x"),
        ("/", "my.b.127.0.0.1:80", "my.b", None),
        ("/b/%ff", "h", "b", "\udcff"),
    ],
)
def test_keys_are_exactly_what_was_encoded(target: str, host: str, bucket: str, key: str | None):
    request = received("GET", target, host)
    assert (request.bucket, request.key) == (bucket, key)


@pytest.mark.parametrize(
    ("host", "bucket", "key"),
    [
        ("b.s3.eu-west-1.example.com", "b", "k/x"),
        ("my.b.s3.eu-west-1.example.com:8443", "my.b", "k/x"),
        ("B.S3.eu-west-1.Example.com", "B", "k/x"),
        ("s3.eu-west-1.example.com", "k", "x"),
        ("b.s3.eu-west-1.example_com", "k", "x"),
        ("b.s3.eu-west-1.example.com.evil", "k", "x"),
        ("b.localhost", "b", "k/x"),
    ],
)
def test_a_bucket_may_stand_before_the_host_of_the_endpoint(host: str, bucket: str, key: str):
    head = read_head(f"GET /k/x HTTP/1.1\r\nHost: {host}".encode())
    request = understand(head, "R1", "https://s3.{region}.example.com")
    assert (request.bucket, request.key) == (bucket, key)


@pytest.mark.parametrize("target", ["/storage/v1/s3/b/k", "/b/k"])
def test_the_path_of_the_endpoint_may_stand_before_the_bucket(target: str):
    head = read_head(f"GET {target} HTTP/1.1\r\nHost: 0123abcd.store.example.com".encode())
    request = understand(head, "R1", "https://{project}.store.example.com/storage/v1/s3")
    assert (request.bucket, request.key, request.operation) == ("b", "k", "GetObject")


def test_a_request_shows_the_wire():
    """Everything a test may want to look at, as it came."""
    request = received("PUT", "/b/k?partNumber=7&uploadId=u%2F1")
    assert (request.method, request.target, request.path) == ("PUT", "/b/k?partNumber=7&uploadId=u%2F1", "/b/k")
    assert request.query == [("partNumber", "7"), ("uploadId", "u/1")]
    assert request.headers == [("Host", "127.0.0.1:9000")]
    assert (request.upload_id, request.part_number, request.header("HOST")) == ("u/1", 7, "127.0.0.1:9000")
    assert received("PUT", "/b/k?partNumber=x&uploadId=u").part_number is None
