"""Compares commands that upload their standard input: ``python -m benchmarks.pipes --programs DIRECTORY``.

Prints a table for ``docs/command-line.md``. The directory has ``aws``, ``s5cmd`` and ``rclone``. Each command has its
default options, and uploads to a store of `aios3.testing`. Needs the extra ``cli``, and takes some minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aios3._protocol.parts.part_buffer import PartBuffer
from aios3._protocol.parts.part_plan import plan_upload
from aios3.options import TransferConfig
from aios3.providers import PROVIDERS
from aios3.testing import S3Server
from benchmarks.job import GIB, MIB
from benchmarks.layouts import Layout, lay_out

__all__ = ["main"]

_BUCKET: Final = "bucket"
_KEY: Final = "key"
_DYING: Final = 20_000_000
"""Bytes that a producer writes before it fails."""
_MEASURED: Final = 300_000_000
"""Bytes of the stream whose memory and part sizes are measured."""
_PACED: Final = "for i in $(seq 300); do head -c 1048576 /dev/zero || exit; sleep 0.05; done"
"""Shell program that writes 300 MiB, at most 20 MiB a second."""
_PATIENCE: Final = 100.0
"""Seconds until a command that is still trying is killed."""
_PARTS: Final = 10_000
_PLANNED: Final = 100 * GIB


@dataclass(frozen=True)
class Uploader:
    """One command that uploads what it reads."""

    title: str
    version: Sequence[str]
    """Command that prints the version."""
    words: Sequence[str]
    """Command that uploads its standard input."""
    no_clobber: Sequence[str] | None = None
    """The same, with the option that keeps an existing object; ``None`` if there is no such option."""
    producer: Sequence[str] | None = None
    """Words before a producer that the command runs itself; ``None`` if it runs none."""


@dataclass(frozen=True)
class Ended:
    """End of one run."""

    code: int | None
    """Exit code; ``None`` if the command had to be killed."""
    out: str
    seconds: float
    """Time from the disturbance to the end."""
    peak: int = 0
    """Largest memory of one of its processes, in bytes."""


def _uploaders(programs: Path) -> list[Uploader]:
    aios3 = [sys.executable, "-m", "aios3"]
    put = [*aios3, "put", "--progress", "none"]
    aws, rclone = str(programs / "aws"), str(programs / "rclone")
    (s5cmd,) = [*programs.parent.glob("lib/*/site-packages/s5cmd/bin/s5cmd")] or [programs / "s5cmd"]
    url = f"s3://{_BUCKET}/{_KEY}"
    return [
        Uploader(
            "aios3 put", [*aios3, "--version"], [*put, "-", url], [*put, "--if-none-match", "-", url], [*put, url, "--"]
        ),
        Uploader("aws s3 cp -", [aws, "--version"], [aws, "s3", "cp", "-", url]),
        Uploader(
            "s5cmd pipe",
            [str(s5cmd), "version"],
            [str(s5cmd), "pipe", url],
            [str(s5cmd), "pipe", "--no-clobber", url],
        ),
        Uploader(
            "rclone rcat",
            [rclone, "version"],
            [rclone, "rcat", f"sink:{_BUCKET}/{_KEY}"],
            [rclone, "rcat", "--immutable", f"sink:{_BUCKET}/{_KEY}"],
        ),
    ]


def _environment(server: S3Server) -> dict[str, str]:
    keys = server.credentials
    remote = {
        "type": "s3",
        "provider": "Other",
        "endpoint": server.endpoint_url,
        "region": server.region,
        "access_key_id": keys.access_key_id,
        "secret_access_key": keys.secret_access_key,
    }
    return {
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "S3_ENDPOINT_URL": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_REGION": server.region,
        "AWS_DEFAULT_REGION": server.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "RCLONE_CONFIG": os.devnull,
        **{f"RCLONE_CONFIG_SINK_{name.upper()}": value for name, value in remote.items()},
    }


@contextmanager
def _running(words: Sequence[str], server: S3Server, stdin: int) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    with tempfile.TemporaryDirectory() as home:
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RCLONE_"))}
        out = Path(home, "out")
        with out.open("wb") as file:
            process = subprocess.Popen(
                words,
                env={**variables, **_environment(server), "HOME": home},
                stdin=stdin,
                stdout=file,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            yield process, out
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _finish(process: subprocess.Popen[bytes], out: Path) -> Ended:
    """Wait for the end of a command, and measure its memory meanwhile."""
    began, peaks = time.monotonic(), {0}
    while (code := process.poll()) is None and time.monotonic() - began < _PATIENCE:
        peaks.update(_peaks_of(process.pid))
        time.sleep(0.02)
    return Ended(code, out.read_text("utf-8", "replace"), time.monotonic() - began, max(peaks))


def _peaks_of(session: int) -> Iterator[int]:
    """Yield the peak memory of each process of a session, in bytes."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError, ValueError):
            if os.getsid(int(status.parent.name)) == session:
                lines = status.read_text().splitlines()
                yield from (1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _run(words: Sequence[str], server: S3Server, size: int) -> Ended:
    """Run a command, whose standard input has so many bytes."""
    producer = subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE)
    assert producer.stdout is not None
    with producer, _running(words, server, producer.stdout.fileno()) as (process, out):
        producer.stdout.close()
        return _finish(process, out)


def _disturb(words: Sequence[str], server: S3Server, disturb: Callable[[subprocess.Popen[bytes]], None]) -> Ended:
    """Run a command whose standard input is slow, and disturb it when the store has its first part."""
    producer = subprocess.Popen(["sh", "-c", _PACED], stdout=subprocess.PIPE)
    assert producer.stdout is not None
    try:
        with _running(words, server, producer.stdout.fileno()) as (process, out):
            while not any(upload.parts for upload in server.open_uploads):
                time.sleep(0.02)
            disturb(process)
            return _finish(process, out)
    finally:
        producer.stdout.close()
        producer.kill()
        producer.wait()


def _row_of_a_dying_producer(uploader: Uploader) -> str:
    dying = f"head -c {_DYING} /dev/zero; exit 9"
    with S3Server() as server:
        words = ["sh", "-c", f'({dying}) | exec "$@"', "sh", *uploader.words]
        shown = _stored(server, _finish_alone(words, server))
    if uploader.producer is None:
        return shown
    with S3Server() as server:
        own = _stored(server, _finish_alone([*uploader.producer, "sh", "-c", dying], server))
    return f"with `--`: {own}; with `-`: {shown}"


def _finish_alone(words: Sequence[str], server: S3Server) -> Ended:
    with _running(words, server, subprocess.DEVNULL) as running:
        return _finish(*running)


def _stored(server: S3Server, ended: Ended) -> str:
    is_open = f", {len(server.open_uploads)} open upload" if server.open_uploads else ""
    return f"{'stored' if server.objects else 'nothing stored'}{is_open}, {_code(ended)}"


def _code(ended: Ended) -> str:
    return f"still trying after {_PATIENCE:.0f} s" if ended.code is None else f"code {ended.code}"


def _row_of_an_empty_input(uploader: Uploader) -> str:
    with S3Server() as server:
        shown = _stored(server, _run(uploader.words, server, 0)).replace("stored", "empty object", 1)
    if uploader.producer is None:
        return shown
    with S3Server() as server:
        words = [*uploader.words[:-2], "--fail-empty", *uploader.words[-2:]]
        return f"{shown}; `--fail-empty`: {_stored(server, _run(words, server, 0))}"


def _row_of_no_clobber(uploader: Uploader) -> str:
    if uploader.no_clobber is None:
        return "no option in this version"
    with S3Server() as server:
        _run(uploader.words, server, 5)
        before = len(server.requests)
        ended = _run(uploader.no_clobber, server, 7)
        requests = [request.operation for request in server.requests[before:]]
        is_kept = server.objects[_BUCKET, _KEY].size == 5
    way = "decided by the store" if "PutObject" in requests else "looks first"
    return f"{f'{way}, kept' if is_kept else 'replaced'}, {_code(ended)}"


def _row_of_a_signal(uploader: Uploader) -> str:
    with S3Server() as server:
        ended = _disturb(uploader.words, server, lambda process: process.terminate())
        code = f"code {128 - ended.code}" if ended.code is not None and ended.code < 0 else _code(ended)
        return f"{'one upload left open' if server.open_uploads else 'aborted'}, {code}"


def _row_of_a_dying_store(uploader: Uploader) -> str:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(S3Server())
        ended = _disturb(uploader.words, server, lambda _: stack.close())
    return _code(ended) if ended.code is None else f"{_code(ended)} after {ended.seconds:.0f} s"


def _rows_of_a_long_stream(uploader: Uploader) -> Iterator[tuple[str, str]]:
    with S3Server() as server:
        ended = _run(uploader.words, server, _MEASURED)
        part_size = server.objects[_BUCKET, _KEY].parts[0].size
    yield "receipt", f"`{shown}`" if (shown := ended.out.strip().replace("\n", " ")) else "none"
    yield "memory", f"{ended.peak / MIB:.0f} MiB"
    if uploader.producer is None:
        yield "100 GiB, length unknown", _plan_of(part_size)
        yield "longest", f"{_PARTS * part_size / GIB:.1f} GiB"
    else:
        yield "100 GiB, length unknown", _own_plan()
        yield "longest", f"{_own_limit() / GIB:.1f} GiB"


def _plan_of(part_size: int) -> str:
    count = -(-_PLANNED // part_size)
    return f"{count:,} parts of {part_size / MIB:g} MiB" + ("" if count <= _PARTS else f": fails after {_PARTS:,}")


def _own_plan() -> str:
    layout = lay_out(PROVIDERS["generic"], _PLANNED, is_declared=False)
    assert isinstance(layout, Layout)
    return f"{layout.parts:,} parts of {layout.first / MIB:g} to {layout.largest / MIB:g} MiB"


def _own_limit() -> int:
    """Return the bytes of the longest source of unknown length that the default options take."""
    cutter = PartBuffer(plan_upload(PROVIDERS["generic"], TransferConfig(), TransferConfig(), size=None))
    total = 0
    for _ in range(_PARTS):
        cutter.begin()
        total += cutter.missing
        cutter.take()
    return total


def _table(uploaders: Sequence[Uploader]) -> str:
    rows: dict[str, list[str]] = {}
    single: Mapping[str, Callable[[Uploader], str]] = {
        "producer dies": _row_of_a_dying_producer,
        "empty input": _row_of_an_empty_input,
        "no-clobber": _row_of_no_clobber,
        "SIGTERM": _row_of_a_signal,
        "store dies": _row_of_a_dying_store,
    }
    for uploader in uploaders:
        for name, row in single.items():
            rows.setdefault(name, []).append(row(uploader))
            print(uploader.title, name, rows[name][-1], file=sys.stderr)
        for name, cell in _rows_of_a_long_stream(uploader):
            rows.setdefault(name, []).append(cell)
            print(uploader.title, name, cell, file=sys.stderr)
    titles = [f"`{uploader.title}`" for uploader in uploaders]
    lines = [f"| | {' | '.join(titles)} |", f"|{' --- |' * (len(titles) + 1)}"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())])


def _version_of(uploader: Uploader) -> str:
    done = subprocess.run(uploader.version, check=True, capture_output=True, text=True, timeout=60)
    return f"{uploader.title}: {done.stdout.splitlines()[0]}"


def main() -> None:
    """Run all commands, and print the table below their versions."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipes", description=__doc__)
    parser.add_argument("--programs", type=Path, required=True, metavar="DIRECTORY", help="has aws, s5cmd and rclone")
    uploaders = _uploaders(parser.parse_args().programs.absolute())
    print(f"{datetime.now(UTC):%Y-%m-%d}; {'; '.join(map(_version_of, uploaders))}\n\n{_table(uploaders)}")


if __name__ == "__main__":
    main()
