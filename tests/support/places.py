"""Paths of the project and of the data of its tests."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["DATA", "ROOT"]

ROOT: Final = Path(__file__).parents[2]
"""Root folder of the project."""
DATA: Final = ROOT / "tests" / "data"
