"""The command ``aios3`` against a loopback store: in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final

import pytest

from aios3.cli import main
from aios3.options import MIB
from aios3.testing import S3Server
from tests.support.places import ROOT

__all__ = ["TWO_PARTS", "CommandLine", "Result", "python", "result_of"]

TWO_PARTS: Final = 6 * MIB
"""Bytes of a source that becomes a multipart upload."""


@dataclass(frozen=True)
class Result:
    """Exit code and output of one run."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line of standard output."""
        return json.loads(self.out.splitlines()[-1])


def python(program: str) -> list[str]:
    """Return a command line that runs a Python program."""
    return [sys.executable, "-c", program]


class CommandLine:
    """The command, its store in a thread, and the environment that names the store."""

    def __init__(self, server: S3Server, capfd: pytest.CaptureFixture[str]) -> None:
        self.server = server
        self._capfd = capfd

    @property
    def environment(self) -> dict[str, str]:
        """Variables of AWS that name the store."""
        return {
            "AWS_ENDPOINT_URL": self.server.endpoint_url,
            "AWS_REGION": self.server.region,
            "AWS_ACCESS_KEY_ID": self.server.credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.server.credentials.secret_access_key,
        }

    def __call__(self, *words: object) -> Result:
        """Run the command in this process."""
        self._capfd.readouterr()
        code = main([str(word) for word in words])
        return Result(code, *self._capfd.readouterr())

    def main(self, *words: object) -> int:
        """Run the command in this process, and leave its output alone."""
        return main([str(word) for word in words])

    def keys(self) -> dict[str, bytes]:
        """Return the objects of the bucket, and their bytes."""
        return {key: found.body or b"" for (_, key), found in self.server.objects.items()}

    @contextmanager
    def process(
        self, *words: object, stdin: int | IO[Any] = subprocess.DEVNULL, progress: str | None = "json"
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run the command in a process of its own, with JSON lines as its progress; kill it at the end of the block."""
        first, *rest = (str(word) for word in words)
        shown = [] if progress is None else ["--progress", progress]
        process = subprocess.Popen(
            [sys.executable, "-m", "aios3", first, *shown, *rest],
            env={**os.environ, **self.environment, "PYTHONPATH": str(ROOT)},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def result_of(process: subprocess.Popen[bytes]) -> Result:
    """Wait for the end of a process."""
    out, err = process.communicate(timeout=40)
    return Result(process.returncode, out.decode(), err.decode())
