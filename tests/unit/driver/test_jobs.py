"""What the caller of an upload asked for is checked and put together before anything is sent."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from aios3 import (
    PROVIDERS,
    ConfigurationError,
    ObjectTooLargeError,
    PartLimitError,
    Provider,
    TransferConfig,
    UploadCheckpoint,
)
from aios3._driver.arguments import make_job
from aios3._upload.shared.job import UploadJob
from aios3.models import UploadedPart
from aios3.options import GIB, MIB

PART = 5 * MIB
CHECKPOINT = UploadCheckpoint("bucket", "key", "id", PART, (UploadedPart(1, PART, "e", "c"),), "crc32", 3 * PART)


DEFAULTS: dict[str, Any] = dict.fromkeys(("size", "max_size", "on_progress", "transfer", "resume")) | {"attributes": {}}


def job(provider: str | Provider = "aws", transfer: TransferConfig = TransferConfig(), **call: Any) -> UploadJob:
    found = PROVIDERS[provider] if isinstance(provider, str) else provider
    return make_job(found, transfer, "bucket", "key", **DEFAULTS | call)


def test_the_options_of_the_call_come_before_those_of_the_driver():
    assert job(transfer=TransferConfig(part_size=6 * MIB)).plan.first_size == 6 * MIB
    own = TransferConfig(part_size=7 * MIB, concurrency=3)
    made = make_job(
        PROVIDERS["aws"], TransferConfig(), "bucket", "key",
        **DEFAULTS | {"size": 1, "max_size": 2, "transfer": own, "attributes": {"content_type": "video/mp4"}},
    )  # fmt: skip
    assert (made.plan.first_size, made.concurrency, made.size, made.max_size) == (7 * MIB, 3, 1, 2)
    assert made.headers.create["content-type"] == "video/mp4"


@pytest.mark.parametrize(
    ("provider", "asked", "got"),
    [("aws", "auto", "crc32"), ("generic", "auto", None), ("aws", None, None), ("aws", "sha256", "sha256")],
)
def test_a_checksum_is_sent_where_the_store_takes_it_or_it_was_asked_for(provider, asked, got):
    made = job(provider, TransferConfig(checksum=asked))
    assert (made.checksum and made.checksum.algorithm) == got


def test_a_checksum_that_needs_a_missing_extra_is_refused_if_chosen_and_left_out_else(monkeypatch):
    monkeypatch.setattr("aios3._driver.arguments.is_available", lambda algorithm: False)
    assert job("aws").checksum is None
    with pytest.raises(ConfigurationError, match=r"pip install 'aios3-upload\[checksums\]'"):
        job("aws", TransferConfig(checksum="crc32c"))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        *[({"size": size}, ConfigurationError, "^size must be a number of bytes") for size in (-1, "5", 1.0, True)],
        ({"max_size": "1"}, ConfigurationError, "^max_size must be a number of bytes, not '1'"),
        ({"size": 2, "max_size": 1}, ObjectTooLargeError, "max_size"),
        ({"size": 10**18}, ObjectTooLargeError, None),
        ({"transfer": "5"}, TypeError, "transfer must be a TransferConfig, not a str"),
        ({"resume": "checkpoint"}, TypeError, "resume"),
        ({"on_progress": 5}, TypeError, "on_progress must be a function or None, not a int"),
        ({"attributes": {"Metadata": {}}}, TypeError, "no upload attribute 'Metadata'; known are: .*metadata"),
        ({"resume": CHECKPOINT, "max_size": PART - 1}, ObjectTooLargeError, "max_size"),
        ({"transfer": TransferConfig(checksum="crc32"), "provider": "generic"}, ConfigurationError, "take crc32"),
        (
            {
                "resume": dataclasses.replace(CHECKPOINT, size=None, checksum=None),
                "size": 10_001 * PART,
                "provider": "cloudflare",  # its part size cannot change
            },
            PartLimitError,
            None,
        ),
    ],
)
def test_a_call_that_cannot_work_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        job(**call)


METHODS = {
    "upload_object_via_stream": lambda driver, bucket, key: driver.upload_object_via_stream(b"x", bucket, key),
    "open_upload": lambda driver, bucket, key: driver.open_upload(bucket, key).__aenter__(),
    "upload_object": lambda driver, bucket, key: driver.upload_object(__file__, bucket, key),
    "get_container": lambda driver, bucket, key: driver.get_container(bucket),
    "create_container": lambda driver, bucket, key: driver.create_container(bucket),
    "delete_container": lambda driver, bucket, key: driver.delete_container(bucket),
    "iterate_container_objects": lambda driver, bucket, key: anext(driver.iterate_container_objects(bucket)),
    "iterate_multipart_uploads": lambda driver, bucket, key: anext(driver.iterate_multipart_uploads(bucket)),
    "cleanup_multipart_uploads": lambda driver, bucket, key: driver.cleanup_multipart_uploads(
        bucket, older_than=timedelta(hours=1)
    ),
    "get_container_cdn_url": lambda driver, bucket, key: driver.get_container_cdn_url(bucket),
    "get_object": lambda driver, bucket, key: driver.get_object(bucket, key),
    "delete_object": lambda driver, bucket, key: driver.delete_object(bucket, key),
    "download_object_as_stream": lambda driver, bucket, key: anext(driver.download_object_as_stream(bucket, key)),
    "download_object": lambda driver, bucket, key: driver.download_object(bucket, key, "/nowhere/file"),
    "get_object_cdn_url": lambda driver, bucket, key: driver.get_object_cdn_url(bucket, key),
    "create_upload_url": lambda driver, bucket, key: driver.create_upload_url(bucket, key, expires_in=60),
}


@pytest.mark.parametrize("method", METHODS)
async def test_a_name_that_cannot_be_is_refused_before_any_request(server, driver, method):
    """It could reach another host, bucket or object. The message lists the characters of a bucket's name."""
    for bucket in ("", None, 5, b"bucket", "a/b", "bucket/../x", "..", "bucket?x", "buck et", "bücket", "b" * 256):
        with pytest.raises(ConfigurationError, match="bucket name: use letters, digits"):
            await METHODS[method](driver, bucket, "key")
    for key in ("", "\ud800", None) if "container" not in method and "multipart" not in method else ():
        with pytest.raises(ConfigurationError, match="^(a|the) key "):
            await METHODS[method](driver, "bucket", key)
    assert server.requests == []


@pytest.mark.parametrize("prefix", [None, b"a", "\ud800", "x" * 1025])
async def test_a_prefix_that_no_key_can_have_is_refused_before_any_request(server, driver, prefix):
    for call in (
        anext(driver.iterate_container_objects("bucket", prefix=prefix)),
        anext(driver.iterate_multipart_uploads("bucket", prefix=prefix)),
        driver.cleanup_multipart_uploads("bucket", prefix=prefix, older_than=timedelta(hours=1)),
    ):
        with pytest.raises(ConfigurationError, match="prefix"):
            await call
    assert server.requests == []


@pytest.mark.parametrize(("size", "concurrency"), [(PART, 2), (64 * MIB, 1)])
def test_no_more_parts_are_in_flight_than_the_store_can_reorder_and_at_least_one(size, concurrency):
    small = dataclasses.replace(PROVIDERS["generic"], reorder_buffer=2 * PART)
    assert job(small, TransferConfig(part_size=size)).concurrency == concurrency


def test_a_resumed_upload_keeps_what_it_was_begun_with() -> None:
    """Part size and checksum, whatever the driver's options say now; and it stays multipart."""
    now = TransferConfig(part_size=8 * MIB, checksum=None, mechanism="stream", memory_limit=GIB)
    made = job("aws", now, resume=CHECKPOINT, size=3 * PART)
    assert made.plan.first_size == PART
    assert made.checksum is not None
    assert made.checksum.algorithm == "crc32"
    assert made.resume is CHECKPOINT


@pytest.mark.parametrize(
    ("changes", "call", "match"),
    [
        ({"bucket": "other"}, {}, "not of bucket/key"),
        ({"key": "other"}, {}, "not of bucket/key"),
        ({}, {"size": PART}, "begun with a size"),
        ({"size": None}, {"size": PART - 1}, "more than the declared size"),
        ({"checksum": "crc64"}, {}, "checksum"),
        ({"part_size": 1, "parts": ()}, {}, "part_size"),
        ({"part_size": 6 * GIB, "parts": ()}, {}, "part_size"),
        ({"part_size": GIB, "parts": ()}, {}, "memory_limit"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(changes: dict[str, Any], call: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        job(resume=dataclasses.replace(CHECKPOINT, **changes), **call)
