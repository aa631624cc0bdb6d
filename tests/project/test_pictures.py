"""The pictures of the documentation are what their scripts draw today."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.charts import as_chart
from benchmarks.report import Result

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
DRAW = runpy.run_path(str(IMAGES / "draw.py"))


@pytest.mark.parametrize("name", DRAW["PICTURES"])
def test_a_picture_is_as_its_script_draws_it(name: str) -> None:
    """It is well formed, and its words fit into its boxes."""
    text = (IMAGES / f"{name}.svg").read_text()
    assert text == DRAW["drawn"](DRAW["PICTURES"][name]), "run docs/images/draw.py"
    ET.fromstring(text)
    for lane in DRAW["PICTURES"][name].lanes:
        room = (DRAW["WIDTH"] - 2 * DRAW["MARGIN"]) / len(lane.boxes) - DRAW["GAP"]
        assert all(len(line) * 6.7 <= room for box in lane.boxes for line in box.split("\n"))


def test_the_chart_shows_the_newest_result() -> None:
    text = (IMAGES / "speed.svg").read_text()
    assert text == as_chart(Result.load(ROOT / "benchmarks" / "results" / "latest.json")), (
        "run python -m benchmarks.charts"
    )
    ET.fromstring(text)
