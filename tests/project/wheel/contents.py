"""Contents and size of a wheel: ``python -m tests.project.wheel.contents dist/*.whl``."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Final

__all__ = ["describe"]

FOLDERS: Final = ("aios3/", "aios3_upload-")
"""Beginnings of every path in a wheel: the package and its metadata. Tests, benchmarks and real stores stay out."""


def describe(wheel: Path) -> str:
    """Return the size of a wheel, packed and installed.

    Raises:
        AssertionError: the wheel has a file that belongs to no user.
    """
    with zipfile.ZipFile(wheel) as archive:
        files = archive.infolist()
    strange = [file.filename for file in files if not file.filename.startswith(FOLDERS)]
    assert not strange, strange
    unpacked = sum(file.file_size for file in files)
    packed = wheel.stat().st_size
    return f"{wheel.name}: {len(files)} files, {packed / 1024:.0f} KiB, unpacked {unpacked / 1024:.0f} KiB"


if __name__ == "__main__":
    print(describe(Path(sys.argv[1])))
