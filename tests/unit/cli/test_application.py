"""The command as a whole: help, usage, and a missing extra."""

from __future__ import annotations

import sys

import pytest

from aios3.cli import main
from aios3.cli.application import run_application


def test_without_arguments_the_help_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_application([]) == 2
    assert "Exit codes:" in capfd.readouterr().err


def test_an_error_of_usage_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_application(["nonsense"]) == 2
    out, err = capfd.readouterr()
    assert (out, err) == ("", "aios3: No such command 'nonsense'. (see: aios3 --help)\n")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.startswith("aios3.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "click", None)
    assert main(["--version"]) == 2
    assert capsys.readouterr().err == "aios3: the command needs the package 'click': pip install 'aios3-upload[cli]'\n"
