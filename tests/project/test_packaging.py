"""A release has one version number, and the check of the wheel installs each extra."""

from __future__ import annotations

import tomllib

import aios3
from tests.support.places import ROOT


def test_the_version_stands_in_one_place():
    """In the package; the build reads it there, and the changelog has a section for it."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    settings = tomllib.loads(text)
    assert settings["project"]["dynamic"] == ["version"]
    assert settings["tool"]["hatch"]["version"] == {"path": "aios3/__init__.py"}
    assert f'"{aios3.__version__}"' not in text
    assert f"## [{aios3.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
