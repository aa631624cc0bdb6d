"""Parts that a store holds are compared with the file that they are said to come from."""

from __future__ import annotations

import base64
import hashlib
import zlib
from pathlib import Path

import pytest

from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._upload.multipart.resume import holds_parts
from aios3.models import UploadedPart
from tests.support.fakes import md5

PIECES = [b"a" * (SEGMENT_SIZE + 5), b"b" * SEGMENT_SIZE, b"c" * 7]


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A file of three parts."""
    file = tmp_path / "file"
    file.write_bytes(b"".join(PIECES))
    return str(file)


def parts_of(pieces: list[bytes], algorithm: str | None = None) -> list[UploadedPart]:
    checksums = {
        None: lambda piece: None,
        "crc32": lambda piece: base64.b64encode(zlib.crc32(piece).to_bytes(4, "big")).decode(),
        "sha256": lambda piece: base64.b64encode(hashlib.sha256(piece).digest()).decode(),
    }
    return [
        UploadedPart(number, len(piece), "no-md5" if algorithm else md5(piece), checksums[algorithm](piece))
        for number, piece in enumerate(pieces, 1)
    ]


@pytest.mark.parametrize("algorithm", [None, "crc32", "sha256"])
@pytest.mark.parametrize("count", [0, 1, 3])
async def test_the_file_it_was(path: str, algorithm: str | None, count: int) -> None:
    """By checksums where there are any, else by the MD5s in the ETags; no parts are in every file."""
    assert await holds_parts(path, parts_of(PIECES[:count], algorithm), algorithm)


@pytest.mark.parametrize("algorithm", [None, "crc32", "sha256"])
async def test_a_byte_that_differs(path: str, algorithm: str | None) -> None:
    """In a later part."""
    assert not await holds_parts(path, parts_of([PIECES[0], b"b" * (SEGMENT_SIZE - 1) + b"B"], algorithm), algorithm)


async def test_a_file_that_is_shorter(path: str) -> None:
    """Its bytes are the part's, as far as they go."""
    assert not await holds_parts(path, parts_of([b"".join(PIECES) + b"more"]), None)


async def test_an_etag_that_is_no_md5_proves_nothing(path: str) -> None:
    """An encrypted part, for example."""
    assert not await holds_parts(path, [UploadedPart(1, len(PIECES[0]), "0" * 32)], None)


async def test_a_file_that_is_not_there(path: str) -> None:
    """Its error is the file's."""
    with pytest.raises(FileNotFoundError):
        await holds_parts(path + "-gone", [], None)
