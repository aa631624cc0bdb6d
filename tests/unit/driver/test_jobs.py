"""What the caller of an upload asked for is checked and put together before anything is sent."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from aios3 import PROVIDERS, ConfigurationError, ObjectTooLargeError, PartLimitError, TransferConfig, UploadCheckpoint
from aios3._driver.arguments import check_place, make_job
from aios3._upload.shared.job import UploadJob
from aios3.models import UploadedPart
from aios3.options import GIB, MIB

PART = 5 * MIB
CHECKPOINT = UploadCheckpoint("bucket", "key", "id", PART, (UploadedPart(1, PART, "e", "c"),), "crc32", 3 * PART)


def job(provider: str = "aws", transfer: TransferConfig = TransferConfig(), **call: Any) -> UploadJob:
    defaults: dict[str, Any] = {
        "size": None,
        "max_size": None,
        "on_progress": None,
        "transfer": None,
        "resume": None,
        "attributes": {},
    }
    return make_job(PROVIDERS[provider], transfer, "bucket", "key", **{**defaults, **call})


def test_the_call_comes_before_the_driver() -> None:
    """Its own transfer options; else the driver's."""
    assert job(transfer=TransferConfig(part_size=6 * MIB)).plan.first_size == 6 * MIB
    own = TransferConfig(part_size=7 * MIB, concurrency=3)
    made = make_job(
        PROVIDERS["aws"],
        TransferConfig(),
        "bucket",
        "key",
        size=1,
        max_size=2,
        on_progress=None,
        transfer=own,
        resume=None,
        attributes={"content_type": "video/mp4"},
    )
    assert (made.plan.first_size, made.concurrency, made.size, made.max_size) == (7 * MIB, 3, 1, 2)
    assert made.headers.create["content-type"] == "video/mp4"


@pytest.mark.parametrize(
    ("provider", "asked", "got"),
    [
        ("aws", "auto", "crc32"),
        ("generic", "auto", None),
        ("aws", None, None),
        ("aws", "sha256", "sha256"),
    ],
)
def test_a_checksum_is_sent_where_the_store_takes_it(provider: str, asked: Any, got: str | None) -> None:
    """Or where it was asked for."""
    made = job(provider, TransferConfig(checksum=asked))
    assert (made.checksum and made.checksum.algorithm) == got


def test_a_default_checksum_that_needs_a_missing_extra_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aios3._driver.arguments.is_available", lambda algorithm: False)
    assert job("aws").checksum is None


def test_a_chosen_checksum_that_needs_a_missing_extra_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names what to install."""
    monkeypatch.setattr("aios3._driver.arguments.is_available", lambda algorithm: False)
    with pytest.raises(ConfigurationError, match=r"pip install 'aios3-upload\[checksums\]'"):
        job("aws", TransferConfig(checksum="crc32c"))


def test_a_checksum_that_the_store_does_not_take_is_refused() -> None:
    """Rather than ignored."""
    with pytest.raises(ConfigurationError, match="not known to take crc32"):
        job("generic", TransferConfig(checksum="crc32"))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ({"size": -1}, ConfigurationError),
        ({"max_size": "1"}, ConfigurationError),
        ({"size": 2, "max_size": 1}, ObjectTooLargeError),
        ({"size": 10**18}, ObjectTooLargeError),
        ({"transfer": object()}, TypeError),
        ({"resume": "checkpoint"}, TypeError),
        ({"on_progress": 1}, TypeError),
        ({"attributes": {"colour": "red"}}, TypeError),
    ],
)
def test_a_call_that_cannot_work_is_refused(call: dict[str, Any], error: type[Exception]) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(error):
        job(**call)


def test_no_more_parts_are_in_flight_than_the_store_can_reorder() -> None:
    """At least one is."""
    small = dataclasses.replace(PROVIDERS["generic"], reorder_buffer=2 * PART)
    for size, concurrency in ((PART, 2), (64 * MIB, 1)):
        made = make_job(
            small,
            TransferConfig(part_size=size),
            "bucket",
            "key",
            size=None,
            max_size=None,
            on_progress=None,
            transfer=None,
            resume=None,
            attributes={},
        )
        assert made.concurrency == concurrency


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
    """Nothing was sent."""
    with pytest.raises(ConfigurationError, match=match):
        job(resume=dataclasses.replace(CHECKPOINT, **changes), **call)


def test_a_checkpoint_that_holds_too_much_already_is_refused() -> None:
    """Of what may be uploaded at most."""
    with pytest.raises(ObjectTooLargeError, match="max_size"):
        job(resume=CHECKPOINT, max_size=PART - 1)


def test_a_resumed_upload_that_cannot_become_so_long_is_refused() -> None:
    """Its part size cannot change any more."""
    checkpoint = dataclasses.replace(CHECKPOINT, size=None)
    with pytest.raises(PartLimitError):
        job("cloudflare", resume=dataclasses.replace(checkpoint, checksum=None), size=10_001 * PART)


def test_a_place_is_bucket_and_key() -> None:
    """Both must be the checkpoint's."""
    check_place(CHECKPOINT, "bucket", "key")
    with pytest.raises(ConfigurationError, match="bucket/key, not of bucket/kez"):
        check_place(CHECKPOINT, "bucket", "kez")
