"""A journal's directory, closed after the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.journal_scene import JournalScene


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[JournalScene]:
    """Journals in one directory, and a store."""
    scene = JournalScene(tmp_path / "journal")
    yield scene
    await scene.aclose()
