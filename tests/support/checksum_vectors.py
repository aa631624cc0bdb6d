"""Published checksum values, and the inputs of their recipes."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from itertools import count
from typing import Any

from tests.support.places import DATA

VECTORS = DATA / "vectors"
ALGORITHMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")


def load(name: str) -> Any:
    """Return the vectors of a file, for example ``checksums/combine.json``."""
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def make_input(recipe: dict[str, Any]) -> bytes:
    """Return the bytes that a recipe describes."""
    return _make(**recipe)


@cache
def _make(recipe: str, text: str = "", byte: int = 0, length: int = 0, seed: str = "") -> bytes:
    if recipe == "text":
        return text.encode()
    if recipe == "repeat":
        return bytes([byte]) * length
    if recipe == "counter":
        return (bytes(range(256)) * (length // 256 + 1))[:length]
    assert recipe == "sha256ctr"
    found = bytearray()
    for number in count():
        if len(found) >= length:
            return bytes(found[:length])
        found += hashlib.sha256(seed.encode() + number.to_bytes(8, "big")).digest()
    raise AssertionError


def as_integer(checksum: str) -> int:
    """Return the value of a base64 checksum."""
    return int.from_bytes(base64.b64decode(checksum), "big")
