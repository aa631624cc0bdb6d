"""The command and its store, for the tests of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aios3.testing import S3Server
from tests.support.command_line import CommandLine


@pytest.fixture
def aios3(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CommandLine]:
    """The command, in an empty directory, without files of AWS, with a store that has one bucket."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    with S3Server() as server:
        command = CommandLine(server, capfd)
        for name, value in command.environment.items():
            monkeypatch.setenv(name, value)
        yield command
