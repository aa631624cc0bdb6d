"""A checkpoint survives being written down, and nothing else is taken for one."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3 import ConfigurationError, UploadCheckpoint, UploadSuspendedError
from aios3.models import UploadedPart

PARTS = (UploadedPart(1, 10, "e1", "c1"), UploadedPart(2, 12, "e2", None))
CHECKPOINT = UploadCheckpoint("bucket", "a//b/ü\n", "id&=", 10, PARTS, "crc32", 50)


def test_a_checkpoint_continues_after_its_parts() -> None:
    assert CHECKPOINT.offset == 22
    assert dataclasses.replace(CHECKPOINT, parts=()).offset == 0
    assert dataclasses.replace(CHECKPOINT, tail=3).offset == 25
    assert UploadSuspendedError("closed").checkpoint is None


@pytest.mark.parametrize(
    "checkpoint",
    [
        CHECKPOINT,
        dataclasses.replace(CHECKPOINT, tail=0),
        dataclasses.replace(CHECKPOINT, parts=(), checksum=None, size=None, tail=7),
    ],
)
def test_a_checkpoint_comes_back_from_one_line_of_json(checkpoint: UploadCheckpoint) -> None:
    text = checkpoint.to_json()
    assert UploadCheckpoint.from_json(text) == checkpoint
    assert "\n" not in text


@given(st.text(), st.text(), st.text())
def test_any_name_comes_back(bucket: str, key: str, upload_id: str) -> None:
    checkpoint = UploadCheckpoint(bucket, key, upload_id, 1, ())
    assert UploadCheckpoint.from_json(checkpoint.to_json()) == checkpoint


@pytest.mark.parametrize("text", ["", "{}", "[]", "7", "null", "{", '"text"', "[" * 100_000])
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not a checkpoint"):
        UploadCheckpoint.from_json(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [("bucket", 1), ("part_size", "10"), ("part_size", True), ("part_size", -1), ("parts", 3), ("parts", [{}])]
    + [("checksum", 5), ("size", 1.5), ("tail", -1), ("upload_id", None)],
)
def test_a_wrong_value_of_a_field_is_refused(field: str, value: object) -> None:
    text = json.dumps({**json.loads(CHECKPOINT.to_json()), field: value})
    with pytest.raises(ConfigurationError, match="not a checkpoint"):
        UploadCheckpoint.from_json(text)


@pytest.mark.parametrize(
    "parts", [(PARTS[1],), (PARTS[0], PARTS[0]), (UploadedPart(1, 9, "e"),)], ids=["gap", "twice", "short"]
)
def test_parts_that_nothing_can_follow_are_refused(parts: tuple[UploadedPart, ...]) -> None:
    with pytest.raises(ConfigurationError, match="part"):
        dataclasses.replace(CHECKPOINT, parts=parts)
    text = json.dumps({**json.loads(CHECKPOINT.to_json()), "parts": [dataclasses.asdict(part) for part in parts]})
    with pytest.raises(ConfigurationError):
        UploadCheckpoint.from_json(text)
