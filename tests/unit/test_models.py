"""What the library hands out: values that do not change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_type_hints

import pytest

from aios3._protocol.attributes.headers import read_attributes
from aios3.models import (
    Container,
    PartsUploaded,
    PendingUpload,
    StorageObject,
    UploadAttributes,
    UploadedPart,
    UploadProgress,
    UploadReceipt,
    Verification,
)
from aios3.providers import PROVIDERS

VALUES: list[Any] = [
    UploadedPart(1, 5, "etag"),
    UploadReceipt("b", "k", 5, "etag", None, None, (), None, None, 0, 0.1),
    PartsUploaded((), 0, b"tail"),
    Verification(),
    UploadProgress(5, 0, None, 0),
    Container("b"),
    StorageObject("b", "k", 5, "etag"),
    PendingUpload("b", "k", "id", None),
]


def test_the_repr_of_uploaded_parts_shows_that_there_is_a_tail_and_not_its_bytes() -> None:
    parts = (UploadedPart(1, 5, "etag"),)
    shown = repr(PartsUploaded(parts, 5, b"secret!"))
    assert shown == f"PartsUploaded(parts={parts!r}, size=5, tail=<7 bytes>)"


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_do_not_change(value: Any) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(value)[0].name, "other")
    assert not hasattr(value, "__dict__")
    assert dataclasses.replace(value) == value


def test_metadata_cannot_be_changed() -> None:
    """Not even the empty one, which all share."""
    metadata = StorageObject("b", "k", 5, "etag").metadata
    assert isinstance(metadata, Mapping)
    with pytest.raises(TypeError):
        metadata["a"] = "b"  # type: ignore[index]


def test_all_attributes_are_known_to_the_protocol() -> None:
    """None of them is only a promise: None leaves each out, and an unknown one is refused."""
    names = get_type_hints(UploadAttributes)
    assert len(names) >= 23
    headers = read_attributes("key", dict.fromkeys(names), PROVIDERS["aws"])
    assert headers.create == {"content-type": "application/octet-stream"}
    with pytest.raises(TypeError, match="no upload attribute 'unknown'"):
        read_attributes("key", {"unknown": None}, PROVIDERS["aws"])
