"""Paths of the project and of the data of its tests."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import aios3

__all__ = ["DATA", "PACKAGE", "ROOT"]

ROOT: Final = Path(__file__).parents[2]
"""Root folder of the project."""
PACKAGE: Final = Path(aios3.__file__).parent
"""The package under test, which may be the one of an installed wheel."""
DATA: Final = ROOT / "tests" / "data"
