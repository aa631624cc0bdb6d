"""The sink as a child process: started, asked, and ended by the runner."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

import trustme
from s3_answers import STATISTICS_PATH

__all__ = ["RunningSink", "running_sink"]

_PROGRAM: Final = Path(__file__).with_name("sink.py")


@dataclass(frozen=True, slots=True)
class RunningSink:
    """Where a sink listens and whom to trust for it."""

    endpoint: str
    certificate: str | None
    """The file with the authority of its certificate; ``None`` over http."""

    def statistics(self) -> dict[str, Any]:
        """Ask the sink what it has counted."""
        context = ssl.create_default_context(cafile=self.certificate) if self.certificate else None
        opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
        with opener.open(self.endpoint + STATISTICS_PATH, timeout=30) as answer:
            figures: dict[str, Any] = json.load(answer)
        return figures


@contextmanager
def running_sink(protocol: str) -> Iterator[RunningSink]:
    """Run a sink for ``"http"`` or ``"https"``, the latter with a certificate made for this run."""
    with TemporaryDirectory() as folder:
        arguments, certificate = _make_certificate(Path(folder)) if protocol == "https" else ([], None)
        command = [sys.executable, str(_PROGRAM), *arguments]
        # The pipe is the sink's lifeline: however the runner ends, the sink ends with it.
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            port = int(process.stdout.readline())
            try:
                yield RunningSink(f"{protocol}://127.0.0.1:{port}", certificate)
            finally:
                process.stdin.close()
                process.wait(timeout=10)


def _make_certificate(folder: Path) -> tuple[list[str], str]:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    files = {name: str(folder / name) for name in ("authority.pem", "certificate.pem", "key.pem")}
    authority.cert_pem.write_to_path(files["authority.pem"])
    issued.cert_chain_pems[0].write_to_path(files["certificate.pem"])
    issued.private_key_pem.write_to_path(files["key.pem"])
    return ["--certificate", files["certificate.pem"], "--key", files["key.pem"]], files["authority.pem"]
