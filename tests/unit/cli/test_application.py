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


@pytest.mark.parametrize("words", [["put"], ["get"], ["uploads"], ["uploads", "resume"]])
def test_every_command_has_a_help_of_its_own(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run_application([*words, "--help"]) == 0
    assert f"aios3 {' '.join(words)}" in capfd.readouterr().out


def test_options_that_all_commands_share_stand_below_their_own(capfd: pytest.CaptureFixture[str]) -> None:
    run_application(["put", "--help"])
    shown = capfd.readouterr().out
    headings = [shown.index(f"\n{heading}:\n") for heading in ("Options", "Transfer", "Object", "Store")]
    assert headings == sorted(headings)
    assert shown.index("Examples:") > headings[-1]


def test_the_default_of_the_content_type_is_that_of_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    shown = {}
    for command in ("put", "cp", "url"):
        run_application([command, "--help"])
        (shown[command],) = [line for line in capfd.readouterr().out.splitlines() if "--content-type" in line]
    assert "guessed from the key" in shown["put"]
    assert "that of the source" in shown["cp"]
    assert "With --upload" in shown["url"]


def test_commands_stand_in_the_order_of_their_use(capfd: pytest.CaptureFixture[str]) -> None:
    run_application(["uploads", "--help"])
    shown = capfd.readouterr().out.partition("Commands:")[2].split()
    assert [word for word in shown if word in ("ls", "abort", "resume", "recover")] == [
        "ls", "abort", "resume", "recover",
    ]  # fmt: skip


def test_an_interrupt_during_the_start_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("aios3.cli.application.application.main", interrupt)
    assert run_application([]) == 130


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.startswith("aios3.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "click", None)
    assert main(["--version"]) == 2
    assert capsys.readouterr().err == "aios3: the command needs the package 'click': pip install 'aios3-upload[cli]'\n"
