"""The way to a bucket."""

from __future__ import annotations

import ssl

import pytest

from aios3._doctor.findings import problem_of
from aios3.credentials import ANONYMOUS
from aios3.doctor import examine_bucket
from aios3.driver import S3StorageDriver
from aios3.errors import TransportError, TransportTimeoutError
from aios3.testing import S3Server


def _with_cause(cause: Exception, *, was_sent: bool = False) -> TransportError:
    error = TransportError("ListObjectsV2 at https://store.example")
    error.__cause__ = cause
    error.was_sent = was_sent
    return error


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (_with_cause(ssl.SSLCertVerificationError(1, "certificate verify failed")), "AWS_CA_BUNDLE"),
        (_with_cause(ssl.SSLError(1, "WRONG_VERSION_NUMBER")), "try http://"),
        (_with_cause(ConnectionRefusedError()), "whether the store runs"),
        (_with_cause(ConnectionResetError(), was_sent=True), "try https://"),
        (TransportTimeoutError("ListObjectsV2 at https://store.example"), "write http:// there"),
    ],
)
def test_no_response_is_explained_by_its_cause(error: TransportError, advice: str) -> None:
    found = problem_of(error)
    assert advice in found.advice
    assert found.cause == "no response"


async def test_a_public_bucket_is_examined_without_keys() -> None:
    async with S3Server(public_buckets=["bucket"]) as server:
        async with S3StorageDriver(endpoint_url=server.endpoint_url, credentials=ANONYMOUS) as driver:
            found = await examine_bucket(driver, "bucket")
        assert not server.objects
    assert "unsigned requests" in next(each.text for each in found if each.subject == "credentials")
