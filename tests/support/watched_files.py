"""Files and playlists of a directory that is watched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

Step = Callable[[], None]


def playlist(*names: str) -> str:
    """Return an HLS playlist that names these files."""
    return "#EXTM3U\n" + "".join(f"#EXTINF:4.0,\n{name}\n" for name in names)


def writing(name: str, text: str) -> Step:
    """Return a step that writes a file. Each text gives the file another time of change."""

    def step() -> None:
        Path(name).write_text(text)
        os.utime(name, ns=(0, hash((name, text)) % 10**15))

    return step
