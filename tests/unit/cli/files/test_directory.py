"""The files of a directory, and whether the store holds them already."""

from __future__ import annotations

import os
from hashlib import md5
from pathlib import Path

import pytest

from aios3.cli._files.directory import Directory
from aios3.cli._files.equality import is_equal
from aios3.cli._shared.targets import S3Url


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Some files, a link to a file, a link to a directory, a link to nothing, and a pipe."""
    for name in ("a.ts", "sub/b.ts", "sub/deep/c.map"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("a.ts")
    (tmp_path / "round").symlink_to(".")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize(
    ("include", "exclude", "found"),
    [
        ((), (), ["a.ts", "link", "sub/b.ts", "sub/deep/c.map"]),
        (("*.ts",), (), ["a.ts", "sub/b.ts"]),
        (("*.ts",), ("sub/*",), ["a.ts"]),
        ((), ("*",), []),
    ],
)
def test_regular_files_are_chosen_by_patterns(
    directory: Path, include: tuple[str, ...], exclude: tuple[str, ...], found: list[str]
) -> None:
    chosen = Directory(str(directory), S3Url("bucket", "in"), include, exclude)
    assert [file.relative for file in chosen.files()] == found
    assert [chosen.job(file).url.key for file in chosen.files()] == [f"in/{name}" for name in found]


@pytest.mark.parametrize(("size", "parts"), [(0, [0]), (10, [10]), (25, [10, 10, 5]), (20, [10, 10]), (12, [12])])
def test_an_etag_of_any_part_size_that_is_tried_shows_equality(tmp_path: Path, size: int, parts: list[int]) -> None:
    body, rest = bytes(range(size)), iter(range(size))
    digests = [md5(bytes(next(rest) for _ in range(length))) for length in parts]
    whole = md5(b"".join(digest.digest() for digest in digests)).hexdigest()
    path = tmp_path / "file"
    path.write_bytes(body)
    etag = f"{whole}-{len(parts)}"
    assert is_equal(str(path), size, etag, [10, 12]) is (size > 0)
    assert is_equal(str(path), size, md5(body).hexdigest())
    path.write_bytes(body + b"!")
    assert not is_equal(str(path), size + 1, etag, [10, 12])
    assert not is_equal(str(path), size + 1, md5(body).hexdigest())
