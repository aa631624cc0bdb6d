"""Verification in a receipt: exactly what was sent, and what came back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aios3 import ANONYMOUS, PROVIDERS, TransferConfig, Verification
from aios3._protocol.operations import Committed, CompleteMultipartUpload
from aios3._upload.shared.integrity import ObjectChecksum
from aios3._upload.shared.receipts import verification_of_multipart
from aios3.testing import Fault, S3Server
from tests.support.fakes import HEADERS, make_job, multipart_md5
from tests.support.upload_scene import content

PART = 1024
SMALL, LARGE = b"small", content(0.7)
AMAZON = replace(PROVIDERS["aws"], endpoint=None, endpoint_variants=(), addressing="path", min_part_size=PART)
GENERIC = replace(PROVIDERS["generic"], min_part_size=PART)
SHA = {"checksum": "sha256"}
NOTHING = frozenset[str]()


async def verify(make_driver, provider, body=LARGE, *, tls=None, attributes=None, faults=(), **options: Any):
    """Upload, and return what the receipt says of it and the server that was used."""
    transfer = TransferConfig(part_size=PART, **options.pop("transfer", {}))
    server = S3Server(provider, ssl_context=tls and tls.server, public_buckets=("bucket",))
    async with server:
        for fault in faults:
            server.faults.add(fault)
        more = {"ssl_context": tls.client} if tls else {}
        driver = make_driver(on=server, transfer=transfer, **more, **options)
        source = [body[start : start + 300] for start in range(0, len(body), 300)]
        receipt = await driver.upload_object_via_stream(source, "bucket", "key", **(attributes or {}))
    return receipt.verification, server


def verification(*bodies: str, whole: str | None, checksum: bool = False, etag: bool = False) -> Verification:
    return Verification(frozenset(bodies), whole, checksum, etag)


@pytest.mark.parametrize(
    ("is_secure", "body", "provider", "transfer", "expected"),
    [
        (False, LARGE, GENERIC, {}, verification("signature", whole=None, etag=True)),
        (False, LARGE, AMAZON, {"checksum": None}, verification("signature", whole="size", etag=True)),
        (False, LARGE, AMAZON, {}, verification("signature", "crc32", whole="full-object", checksum=True, etag=True)),
        (
            False,
            LARGE,
            AMAZON,
            {"checksum": "crc64nvme"},
            verification("signature", "crc64nvme", whole="full-object", checksum=True, etag=True),
        ),
        (False, LARGE, AMAZON, SHA, verification("signature", "sha256", whole="composite", checksum=True, etag=True)),
        (False, SMALL, GENERIC, {}, verification("signature", whole="full-object")),
        (False, SMALL, AMAZON, {}, verification("signature", "crc32", whole="full-object", checksum=True)),
        (False, SMALL, AMAZON, SHA, verification("signature", "sha256", whole="full-object", checksum=True)),
        (True, LARGE, GENERIC, {}, verification(whole=None, etag=True)),
        (True, LARGE, AMAZON, {}, verification("crc32", whole="full-object", checksum=True, etag=True)),
        (True, LARGE, AMAZON, {"checksum": None}, verification(whole="size", etag=True)),
        (True, LARGE, GENERIC, {"payload_signing": "sha256"}, verification("signature", whole=None, etag=True)),
        (True, SMALL, GENERIC, {}, verification(whole="size")),
        (True, SMALL, AMAZON, {}, verification("crc32", whole="full-object", checksum=True)),
    ],
)
async def test_a_receipt_says_what_was_verified(make_driver, tls, is_secure, body, provider, transfer, expected):
    """Over https bodies are not signed unless the caller asks for it; TLS does not count."""
    found, server = await verify(make_driver, provider, body, transfer=transfer, tls=tls if is_secure else None)
    assert found == expected
    sent = [request for request in server.requests if request.operation in ("PutObject", "UploadPart")]
    is_signed = all(request.header("x-amz-content-sha256") != "UNSIGNED-PAYLOAD" for request in sent)
    assert is_signed == ("signature" in found.bodies)


async def test_an_unsigned_upload_has_no_signature_in_its_receipt(make_driver):
    found, _ = await verify(make_driver, GENERIC, credentials=ANONYMOUS)
    assert found.bodies == NOTHING


@pytest.mark.parametrize("body", [SMALL, LARGE])
async def test_the_receipt_of_a_locked_object_names_its_md5(make_driver, body):
    found, _ = await verify(make_driver, GENERIC, body, attributes={"object_lock_legal_hold": True})
    assert found.bodies == {"signature", "content-md5"}
    assert found.whole == ("full-object" if body is SMALL else None)
    assert found.is_etag_confirmed


@pytest.mark.parametrize(("size", "whole"), [(None, None), (len(LARGE), "size")])
async def test_the_receipt_of_a_streamed_body_names_a_declared_length_only(server, make_driver, size, whole):
    async with S3Server(GENERIC, accept_chunked=True) as server:
        driver = make_driver(on=server, transfer=TransferConfig(part_size=PART, mechanism="stream"))
        receipt = await driver.upload_object_via_stream([LARGE], "bucket", "key", size=size)
    assert receipt.verification == Verification(whole=whole)


async def test_a_lost_commit_response_is_confirmed_by_head(make_driver):
    faults = [Fault("drop_after", "CompleteMultipartUpload", times=9)]
    found, _ = await verify(make_driver, AMAZON, faults=faults)
    assert found == Verification(frozenset({"signature", "crc32"}), "full-object", True, True)


async def test_an_etag_that_is_no_md5_confirms_nothing(make_driver):
    answer = b"<CompleteMultipartUploadResult><ETag>own</ETag></CompleteMultipartUploadResult>"
    faults = [
        Fault("garbage_after", "CompleteMultipartUpload", status=200, body=answer),
        Fault("answer", "HeadObject", status=403, code="AccessDenied"),
    ]
    found, _ = await verify(make_driver, AMAZON, faults=faults)
    assert (found.is_checksum_confirmed, found.is_etag_confirmed) == (False, False)


@pytest.mark.parametrize("checksum", [None, "crc32"])
def test_a_resumed_upload_has_only_checksums_in_its_receipt(checksum: str | None) -> None:
    """It is unknown how the earlier parts were signed."""
    parts = [(1, '"e"', checksum and "c=")]
    operation = CompleteMultipartUpload("bucket", "key", "id", parts, checksum, {}, 5)
    job = replace(make_job(), checksum=checksum and ObjectChecksum(checksum, is_full_object=True), resume=object())
    found = verification_of_multipart(
        job, operation, Committed(multipart_md5([b""]), None, None, None), checksum=None, is_signed=True
    )
    assert found == Verification(frozenset({checksum} if checksum else ()), "full-object" if checksum else "size")


def test_a_resumed_locked_upload_has_no_md5_in_its_receipt() -> None:
    headers = replace(HEADERS, create={"x-amz-object-lock-legal-hold": "ON"})
    operation = CompleteMultipartUpload("bucket", "key", "id", [(1, '"e"', None)], None, {}, None)
    found = [
        verification_of_multipart(
            make_job(headers=headers, resume=resume),
            operation,
            Committed(None, None, None, None),
            checksum=None,
            is_signed=True,
        )
        for resume in (None, object())
    ]
    assert found == [Verification(frozenset({"signature", "content-md5"})), Verification()]


@pytest.mark.parametrize("provider", [AMAZON, GENERIC], ids=lambda provider: provider.name)
async def test_the_size_is_sent_with_complete_to_stores_that_check_it(make_driver, provider):
    """In the signature, and also when Complete is repeated."""
    _, server = await verify(make_driver, provider, faults=[Fault("drop_after", "CompleteMultipartUpload")])
    sent = {request.operation: request.header("x-amz-mp-object-size") for request in server.requests}
    assert sent.pop("CompleteMultipartUpload") == (str(len(LARGE)) if provider is AMAZON else None)
    assert set(sent.values()) == {None}
    completes = [request for request in server.requests if request.operation == "CompleteMultipartUpload"]
    assert len(completes) == 2
    for complete in completes:
        assert ("x-amz-mp-object-size" in complete.header("Authorization")) == (provider is AMAZON)
