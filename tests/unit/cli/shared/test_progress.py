"""Progress on standard error, with a terminal and without."""

from __future__ import annotations

import io
import json

import pytest
from rich.progress import DownloadColumn

from aios3.cli._shared.options import _ATTRIBUTES as OPTIONS  # noqa: N811
from aios3.cli._shared.options import StoreOptions, UploadOptions
from aios3.cli._shared.output import show_receipt
from aios3.cli._shared.progress import _bar, _Rate, make_display
from aios3.models import UploadAttributes, UploadProgress, UploadReceipt
from aios3.options import MIB


class Terminal(io.StringIO):
    """Stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def show(kind: str, stream: io.StringIO, times: list[float], first: int = 0) -> str:
    """Show an upload of four parts, which begins with `first` of them, with the clock at these times."""
    clock = iter(times)
    with make_display(kind, stream, lambda: next(clock)) as display, display.following("s3://b/\x1b[2Jk") as follow:
        for done in range(first, 5):
            if follow is not None:
                follow(UploadProgress(done * MIB, done * MIB, 4 * MIB, done, done * MIB))
    return stream.getvalue()


def test_plain_lines_are_seconds_apart_and_the_last_one_is_there() -> None:
    shown = show("auto", io.StringIO(), [0, 0, 1, 5, 6, 7, 8]).splitlines()
    assert [line.split(": ")[2] for line in shown] == ["2.0 MiB of 4.0 MiB stored, 409.6 KiB/s"] + [
        "4.0 MiB of 4.0 MiB stored, 512.0 KiB/s"
    ]
    assert "\x1b" not in shown[0]


def test_parts_of_an_earlier_process_do_not_count_towards_the_rate() -> None:
    shown = show("auto", io.StringIO(), [0, 1, 2, 4], first=3)
    assert shown.splitlines()[-1].endswith("4.0 MiB of 4.0 MiB stored, 256.0 KiB/s")


def test_json_lines_have_the_names_of_the_python_api() -> None:
    shown = json.loads(show("json", Terminal(), [0, 0, 1, 1, 1, 1, 2]).splitlines()[-1])
    assert set(shown) == {"url", "bytes_per_second", *UploadProgress.__dataclass_fields__}


@pytest.mark.parametrize(
    ("kind", "term", "is_bar"), [("auto", "xterm", True), ("auto", "dumb", False), ("none", "xterm", False)]
)
def test_a_bar_is_for_terminals(kind: str, term: str, is_bar: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    shown = show(kind, Terminal(), [0, 0, 1, 2, 3, 4, 5])
    assert ("\x1b" in shown) is is_bar
    assert "\x1b[2J" not in shown


def test_lines_beside_a_bar_have_the_terminal_for_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with make_display("auto", stream) as display, display.following("s3://b/k"):
        with display.writing():
            written = len(stream.getvalue())
            stream.write("receipt\n")
            before = stream.getvalue()[:written]
        after = stream.getvalue()[written:].removeprefix("receipt\n")
    assert before.endswith("\x1b[?25h\r\x1b[1A\x1b[2K")  # the cursor is back, and the line of the bar is empty
    assert "s3://b/k" in after


def test_the_bar_shows_the_rate_in_the_units_of_the_size() -> None:
    now = 0.0
    bar = _bar(Terminal())
    bar.get_time = lambda: now
    task = bar.add_task("name", total=4 * MIB)
    for now in (1.0, 2.0, 3.0):
        bar.update(task, completed=now * MIB)
    shown = [column.render(bar.tasks[0]) for column in bar.columns if isinstance(column, DownloadColumn | _Rate)]
    assert [text.plain for text in shown] == ["3.0/4.0 MiB", "1.0 MiB/s"]


def test_a_terminal_without_colour_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in show("auto", Terminal(), [])


def test_every_attribute_of_an_upload_has_an_option() -> None:
    assert set(OPTIONS) == set(UploadAttributes.__annotations__)
    assert len({*StoreOptions.__dataclass_fields__, *UploadOptions.__dataclass_fields__, *OPTIONS}) == 41


def test_a_receipt_that_cannot_be_written_is_a_message(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(text: str) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("aios3.cli._shared.output.show_text", fail)
    monkeypatch.setattr("aios3.cli._shared.output.drop_standard_output", lambda: None)
    show_receipt(UploadReceipt("b", "k", 1, "e", None, None, (), None, None, 0, 0.0), as_json=False)
    assert capfd.readouterr().err == "aios3: s3://b/k is stored, but its receipt is lost: Broken pipe\n"
