"""The sink as a child process: built where there is a C compiler, started, asked, and ended by the runner."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import trustme

__all__ = ["STATISTICS_PATH", "RunningSink", "Shape", "running_sink", "sink_program"]

STATISTICS_PATH: Final = "/-/statistics"
_SOURCES: Final = Path(__file__).with_name("sink")
_ROOT: Final = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Shape:
    """How a sink differs from a fast one nearby."""

    latency: float = 0.0
    """Seconds of a round trip: an answer costs one, a connection one more, over TLS two more."""
    rate: float = 0.0
    """Bytes per second that one connection takes; 0 is unlimited."""
    requests: float = 0.0
    """Requests per second above which it answers SlowDown; 0 is unlimited."""


@dataclass(frozen=True, slots=True)
class RunningSink:
    """Where a sink listens and whom to trust for it."""

    endpoint: str
    certificate: str | None
    """The file with the authority of its certificate; ``None`` over http."""
    is_compiled: bool

    def statistics(self, prefix: str = "") -> dict[str, Any]:
        """Ask the sink what it has counted; objects and open uploads under ``prefix`` alone."""
        figures: dict[str, Any] = json.loads(self._ask("GET", f"{STATISTICS_PATH}?prefix={prefix}"))
        return figures

    def forget(self) -> None:
        """Make the sink forget all objects and uploads."""
        self._ask("DELETE", STATISTICS_PATH)

    def _ask(self, method: str, target: str) -> bytes:
        context = ssl.create_default_context(cafile=self.certificate) if self.certificate else None
        opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
        with opener.open(Request(self.endpoint + target, method=method), timeout=30) as answer:
            body: bytes = answer.read()
        return body


@contextmanager
def running_sink(protocol: str, shape: Shape, *, threads: int = 2) -> Iterator[RunningSink]:
    """Run a sink for ``"http"`` or ``"https"``, the latter with a certificate made for this run.

    Raises:
        LookupError: a shape is asked for, and there is only the Python sink, which has none.
    """
    program = sink_program()
    if program is None and shape != Shape():
        raise LookupError("latency, rates and throttling need the compiled sink: cc and OpenSSL's headers")
    with TemporaryDirectory() as folder:
        arguments, certificate = _make_certificate(Path(folder)) if protocol == "https" else ([], None)
        if program is None:
            command = [sys.executable, "-m", "benchmarks.python_sink", *arguments]
        else:
            figures = {"threads": threads, "latency": shape.latency, "rate": shape.rate, "requests": shape.requests}
            command = [str(program), *arguments, *(word for pair in figures.items() for word in _option(*pair))]
        # The pipe is the sink's lifeline: however the runner ends, the sink ends with it.
        with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            port = int(process.stdout.readline())
            try:
                yield RunningSink(f"{protocol}://127.0.0.1:{port}", certificate, program is not None)
            finally:
                process.stdin.close()
                process.wait(timeout=10)


def _option(name: str, value: float) -> tuple[str, str]:
    return f"--{name}", str(value)


def sink_program(folder: Path | None = None) -> Path | None:
    """Return the compiled sink, compiling it if its sources have changed; ``None`` where that cannot be done."""
    sources = sorted(_SOURCES.glob("*.[ch]"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    program = (folder or Path(sys.prefix)) / f"bench-sink-{digest}"
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if program.exists() or compiler is None:
        return program if program.exists() else None
    made = program.with_suffix(f".{os.getpid()}")
    files = [str(source) for source in sources if source.suffix == ".c"]
    flags = ["-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-pthread"]
    outcome = subprocess.run(
        [compiler, *flags, *files, "-o", str(made), "-lssl", "-lcrypto"], capture_output=True, text=True, check=False
    )
    if outcome.returncode:
        print(f"The sink could not be compiled, the Python one is used:\n{outcome.stderr}", file=sys.stderr)
        return None
    made.rename(program)
    return program


def _make_certificate(folder: Path) -> tuple[list[str], str]:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    files = {name: str(folder / name) for name in ("authority.pem", "certificate.pem", "key.pem")}
    authority.cert_pem.write_to_path(files["authority.pem"])
    # One file with the authority's certificate last: what a server sends.
    with open(files["certificate.pem"], "wb") as chain:
        chain.writelines(part.bytes() for part in issued.cert_chain_pems)
    issued.private_key_pem.write_to_path(files["key.pem"])
    return ["--certificate", files["certificate.pem"], "--key", files["key.pem"]], files["authority.pem"]
