"""Progress of uploads on standard error: a bar on a terminal, otherwise plain lines, JSON lines, or nothing."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, Literal, Protocol, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from aios3.cli._shared.options import F
from aios3.cli._shared.output import format_size, printable
from aios3.models import UploadProgress

__all__ = ["ProgressDisplay", "make_display", "progress_option"]

Kind = Literal["auto", "plain", "json", "none"]
OnProgress = Callable[[UploadProgress], None]
_SECONDS: Final = {"plain": 5.0, "json": 1.0}
"""Least time between two lines of one upload."""


def progress_option(function: F) -> F:
    """Add ``--progress`` to a command, which receives it as ``progress``."""
    return click.option(
        "--progress",
        type=click.Choice(["auto", "plain", "json", "none"]),
        default="auto",
        help="Progress on standard error. auto: a bar on a terminal, otherwise plain lines.",
    )(function)


class ProgressDisplay(Protocol):
    """Shows uploads while they run."""

    def following(self, name: str) -> AbstractContextManager[OnProgress | None]:
        """Show one upload inside the block, which passes the result as ``on_progress``."""

    def writing(self) -> AbstractContextManager[None]:
        """Make room inside the block for lines that are written to the terminal."""


@contextmanager
def make_display(
    kind: Kind, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[ProgressDisplay]:
    """Show progress inside the block.

    Args:
        kind: as in ``--progress``.
        stream: where to; ``None`` for standard error.
        clock: seconds, for the distance of lines.
    """
    stream = sys.stderr if stream is None else stream
    if kind == "none" or stream is None:  # standard error may be closed
        yield _Nothing()
    elif kind == "auto" and stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb"):
        bar = _Bar(_bar(stream))
        with bar.ended():
            yield bar
    else:
        lines: Literal["plain", "json"] = "json" if kind == "json" else "plain"
        yield _Lines(lines, stream, clock)


class _Nothing:
    def following(self, name: str) -> AbstractContextManager[OnProgress | None]:
        return nullcontext()

    def writing(self) -> AbstractContextManager[None]:
        return nullcontext()


class _Rate(ProgressColumn):
    """Rate in the binary units of the size beside it. Rich's own column has decimal units."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{format_size(speed)}/s", style="progress.data.speed")


def _bar(stream: TextIO) -> Progress:
    # Rich obeys NO_COLOR. Standard output and error stay as they are, for receipts and the words of commands.
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        _Rate(),
        TimeElapsedColumn(),
        console=Console(file=stream, force_terminal=True),
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
    )


class _Bar:
    """Bars of the uploads that run, which are gone when none runs."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar

    @contextmanager
    def ended(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._bar.stop()

    @contextmanager
    def following(self, name: str) -> Iterator[OnProgress | None]:
        task = self._bar.add_task(printable(name), total=None)
        self._bar.start()

        def on_progress(progress: UploadProgress) -> None:
            self._bar.update(task, completed=progress.bytes_stored, total=progress.bytes_total)

        try:
            yield on_progress
        finally:
            self._bar.remove_task(task)
            if not self._bar.tasks:
                self._bar.stop()

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._bar.stop()
        yield
        if self._bar.tasks:
            self._bar.start()


class _Lines:
    """Lines of plain text or JSON, for logs: no colour and no carriage return."""

    def __init__(self, kind: Literal["plain", "json"], stream: TextIO, clock: Callable[[], float]) -> None:
        self._write = _plain_line if kind == "plain" else _json_line
        self._seconds = _SECONDS[kind]
        self._stream = stream
        self._clock = clock

    @contextmanager
    def following(self, name: str) -> Iterator[OnProgress | None]:
        began = written = self._clock()
        resumed = 0
        last: UploadProgress | None = None

        def on_progress(progress: UploadProgress) -> None:
            nonlocal written, resumed, last
            if last is None and progress.parts_stored:  # parts of an earlier process: they say nothing about the rate
                resumed = progress.bytes_stored
            last, now = progress, self._clock()
            if now - written >= self._seconds:
                written = now
                self._show(name, progress, resumed, now - began)

        yield on_progress
        if last is not None:
            self._show(name, last, resumed, self._clock() - began)

    def writing(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _show(self, name: str, progress: UploadProgress, resumed: int, elapsed: float) -> None:
        rate = (progress.bytes_stored - resumed) / elapsed if elapsed > 0 else 0.0
        click.echo(self._write(name, progress, rate), self._stream)


def _plain_line(name: str, progress: UploadProgress, rate: float) -> str:
    total = "" if progress.bytes_total is None else f" of {format_size(progress.bytes_total)}"
    return printable(f"aios3: {name}: {format_size(progress.bytes_stored)}{total} stored, {format_size(rate)}/s")


def _json_line(name: str, progress: UploadProgress, rate: float) -> str:
    known: dict[str, Any] = {field: getattr(progress, field) for field in progress.__dataclass_fields__}
    return json.dumps({"url": name, **known, "bytes_per_second": round(rate)})
