"""Scene with journals in one directory and a fake store, and journal entries."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aios3._journal.entries import JournalEntry
from aios3._journal.journal import Journal

from .fakes import FakeClock, FakeStore, make_engine

HERE = "http://store.test"
AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def entry(**changes: Any) -> JournalEntry:
    known: dict[str, Any] = {
        "at": AT,
        "bucket": "bucket",
        "key": "key",
        "part_size": 4096,
        "checksum": None,
        "size": None,
    }
    return JournalEntry(**{**known, **changes})


class JournalScene:
    """Store, and as many journals in one directory as a test opens."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.engine = make_engine(self.store, self.clock)
        self.journals: list[Journal] = []

    async def open(self, endpoint: str = HERE) -> Journal:
        journal = Journal(self.directory, endpoint, self.clock())
        self.journals.append(journal)
        await journal.open()
        return journal

    @property
    def files(self) -> list[str]:
        """Text of each journal file."""
        return [path.read_text() for path in sorted(self.directory.iterdir())]

    async def aclose(self) -> None:
        for journal in self.journals:
            await journal.aclose()
