"""The tests that fsspec has for every filesystem."""

from __future__ import annotations

from typing import Any

import pytest
from fsspec.tests import abstract

from aios3.fsspec import Aios3FileSystem


class Fixtures(abstract.AbstractFixtures):
    """What fsspec asks of a filesystem whose tests it is to run."""

    @pytest.fixture
    def fs(self, make_fs: Any) -> Aios3FileSystem:
        return make_fs()

    @pytest.fixture
    def fs_path(self) -> str:
        return "bucket"

    @pytest.fixture
    def fs_join(self) -> Any:
        return lambda *names: "/".join(names)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestCopy(abstract.AbstractCopyTests, Fixtures):
    """Copies inside the store."""


class TestGet(abstract.AbstractGetTests, Fixtures):
    """Downloads."""


class TestPut(abstract.AbstractPutTests, Fixtures):
    """Uploads of files."""


class TestOpen(abstract.AbstractOpenTests, Fixtures):
    """Files that must not exist."""


class TestPipe(abstract.AbstractPipeTests, Fixtures):
    """Uploads of bytes."""
