"""The page on the command line: its lines run as they stand, with stand-ins for the programs that they name."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest

from aios3.testing import Fault, S3Server
from tests.support.command_line import CommandLine
from tests.support.documents import Block, page_block
from tests.support.places import ROOT

RECIPES = page_block("docs/command-line.md", "pg_dump -Fc", "console")
RESUMING = page_block("docs/command-line.md", "uploads resume", "console")
DIRECTORIES = page_block("docs/command-line.md", "--watch", "console")
OLD = page_block("docs/command-line.md", "uploads abort", "console")
COMPLETION = page_block("docs/command-line.md", "_AIOS3_COMPLETE", "console")

FILM = bytes(range(256)) * 45056
"""Three parts."""


@pytest.fixture(autouse=True)
def _scene(aios3: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the buckets, the files, and the programs of the page."""
    aios3.server.store.buckets.update(dict.fromkeys(("backup", "videos", "www"), datetime.now(UTC)))
    programs = tmp_path / "bin"
    for folder in (programs, Path("src"), Path("site"), Path("live"), Path.home()):
        folder.mkdir()
        (folder / "some").write_text("text")
    for name in ("pg_dump", "pg_dumpall", "ffmpeg"):
        (programs / name).write_text("#!/bin/sh\nprintf bytes\n")
    (programs / "aios3").write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m aios3 "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    Path("big.mkv").write_bytes(FILM)


def commands_of(block: Block) -> Iterator[list[str]]:
    """Yield the words of each line, as a shell gives them to a program."""
    for line in block.text.splitlines():
        prompt, name, *words = shlex.split(line, comments=True)
        assert (prompt, name) == ("$", "aios3")
        yield [os.path.expanduser(word) for word in words]


def run(aios3: CommandLine, words: list[str]) -> int:
    """Run a line in this process, and write its output to the file that it names."""
    *words, target = words if ">" in words else [*words, os.devnull]
    done = aios3(*(word for word in words if word != ">"))
    Path(target).write_text(done.out)
    return done.code


def run_until(aios3: CommandLine, words: list[str], ready: Callable[[S3Server], object]) -> int:
    """Run a line, and press Ctrl-C when the store is as wanted."""

    def press() -> None:
        asyncio.run(asyncio.wait_for(aios3.server.wait_for(ready), 40))
        os.kill(os.getpid(), signal.SIGINT)

    pressing = Thread(target=press)
    pressing.start()
    try:
        return run(aios3, words)
    finally:
        pressing.join()


@pytest.mark.parametrize("block", [RECIPES, OLD], ids=["recipes", "old uploads"])
def test_the_lines_succeed(aios3: CommandLine, block: Block) -> None:
    assert [words for words in commands_of(block) if run(aios3, words)] == []
    assert block is OLD or set(aios3.keys()) == {"shop.dump", "src.tgz", "talk.mkv", "all.sql.gz"}


def test_an_interrupted_upload_is_resumed_in_each_way(aios3: CommandLine) -> None:
    interrupted, *others = commands_of(RESUMING)
    assert len(others) == 5
    for words in others:
        if not aios3.server.open_uploads:
            aios3.server.store.objects.clear()
            aios3.server.faults.add(Fault("stall_before", "UploadPart", part_number=3))
            assert run_until(aios3, interrupted, lambda s: s.open_uploads and len(s.open_uploads[0].parts) == 2) == 6
        assert run(aios3, words) == 0
        assert aios3.keys() == ({} if "ls" in words else {"big.mkv": FILM})


def test_directories_are_uploaded_once_or_as_they_change(aios3: CommandLine) -> None:
    once, watching = commands_of(DIRECTORIES)
    assert run(aios3, once) == 0
    assert aios3.keys() == {}  # a dry run
    assert run_until(aios3, watching, lambda server: server.objects) == 130
    assert aios3.keys() == {"live/some": b"text"}


def test_the_shells_learn_the_command() -> None:
    (Path.home() / ".config/fish/completions").mkdir(parents=True)
    for line in COMPLETION.text.splitlines():
        subprocess.run(["bash", "-c", line.removeprefix("$ ")], check=True, timeout=40)
    learnt = subprocess.run(
        ["bash", "-c", ". ~/.bashrc && complete -p aios3"], check=True, timeout=40, capture_output=True, text=True
    )
    assert learnt.stdout.rstrip().endswith("aios3")
    assert "eval" in (Path.home() / ".zshrc").read_text()
    assert "aios3" in (Path.home() / ".config/fish/completions/aios3.fish").read_text()
