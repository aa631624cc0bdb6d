"""A release has one version number, and its import stays small."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from typing import Final

import aios3
from tests.support.places import PACKAGE, ROOT

MOST_MODULES: Final = 210
"""Modules of the package that its import may load; 194 on 2026-11-29."""
OF_OTHERS: Final = frozenset(f"aios3.{name}" for name in ("cli", "dask", "doctor", "fsspec", "otel", "testing", "web"))
"""Modules that a program imports by itself if it needs them."""


def test_the_version_stands_in_one_place():
    """In the package; the build reads it there, and the changelog has a section for it."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    settings = tomllib.loads(text)
    assert settings["project"]["dynamic"] == ["version"]
    assert settings["tool"]["hatch"]["version"] == {"path": "aios3/__init__.py"}
    assert f'"{aios3.__version__}"' not in text
    assert f"## [{aios3.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_import_loads_few_modules_and_no_extra():
    program = "import json, sys, aios3; print(json.dumps(sorted(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, check=True)
    loaded = set(json.loads(found.stdout))
    assert len([name for name in loaded if name.partition(".")[0] == "aios3"]) <= MOST_MODULES
    optional = {"awscrt", "click", "dask", "distributed", "fsspec", "opentelemetry"}
    optional |= {"pytest", "python_multipart", "rich", "watchfiles"}
    assert not loaded & (OF_OTHERS | optional)
