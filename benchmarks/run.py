"""Measures aios3, aiobotocore and the floor side by side and prints the result as Markdown.

Every client runs as a process of its own, one at a time, in turns: one round
is one run of each, so that whatever else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from report import Sample, facts, table
from sink_process import RunningSink, running_sink

MIB: Final = 1024 * 1024
_CLIENTS: Final = Path(__file__).with_name("clients")
_LONGEST_RUN: Final = 300.0


@dataclass(frozen=True, slots=True)
class Contestant:
    """One row of the table: a client program, and how it is asked to run."""

    name: str
    program: str
    variant: str | None = None


CONTESTANTS: Final = {
    "floor": Contestant("floor (asyncio, no S3)", "floor_stream.py"),
    "aios3": Contestant("aios3", "aios3_stream.py"),
    "aios3-crc32": Contestant("aios3, CRC-32 sent", "aios3_stream.py", "crc32"),
    "aiobotocore": Contestant("aiobotocore loop", "aiobotocore_stream.py"),
}


class RunFailedError(Exception):
    """A client ended badly, or the sink did not get what was sent."""


def main() -> None:
    """Measure what was asked for and print it."""
    options = _options()
    print(facts(sys.argv[1:], options.size_mib, options.chunk_kib, options.repeats, options.stall_repeats))
    for protocol in options.protocols:
        with running_sink(protocol) as sink:
            samples, tls = _measure(sink, options)
        print(table(protocol, tls, {CONTESTANTS[name].name: taken for name, taken in samples.items()}), flush=True)


def _measure(sink: RunningSink, options: argparse.Namespace) -> tuple[dict[str, list[Sample]], str | None]:
    samples: dict[str, list[Sample]] = {name: [] for name in options.clients}
    rounds = ["warm-up"] + ["measured"] * options.repeats + ["heartbeat"] * options.stall_repeats
    for turn, kind in enumerate(rounds):
        size = min(64, options.size_mib) if kind == "warm-up" else options.size_mib
        for name in options.clients:
            print(f"{sink.endpoint} round {turn}/{len(rounds) - 1} ({kind}): {name}", file=sys.stderr)
            sample = _run_once(sink, CONTESTANTS[name], turn, size * MIB, options.chunk_kib * 1024, kind == "heartbeat")
            if kind != "warm-up":
                samples[name].append(sample)
    return samples, sink.statistics()["tls"]


def _run_once(
    sink: RunningSink, contestant: Contestant, turn: int, size: int, chunk_size: int, heartbeat: bool
) -> Sample:
    key = f"{contestant.program}-{contestant.variant}-{turn}"
    command = [sys.executable, str(_CLIENTS / contestant.program), sink.endpoint, str(size), str(chunk_size)]
    command += ["--key", key]
    command += ["--certificate", sink.certificate] if sink.certificate else []
    command += ["--variant", contestant.variant] if contestant.variant else []
    command += ["--heartbeat"] if heartbeat else []
    before = sink.statistics()
    printed, cpu_of_process = _run_child(command)
    after = sink.statistics()
    figures = json.loads(printed)
    if after["objects"].get(f"/bench/{key}") != size or after["open_uploads"]:
        raise RunFailedError(f"{contestant.name}: the sink did not commit the {size} bytes that were streamed")
    if figures["cpu_seconds"] > cpu_of_process:
        raise RunFailedError(f"{contestant.name}: reported more CPU time than its process was charged for")
    return Sample(
        bytes=size,
        wall_seconds=figures["wall_seconds"],
        cpu_seconds=figures["cpu_seconds"],
        over_idle_bytes=figures["peak_bytes"] - figures["idle_bytes"],
        sink_cpu_seconds=after["cpu_seconds"] - before["cpu_seconds"],
        resent_bytes=after["bytes_received"] - before["bytes_received"] - size,
        stall_max_seconds=figures.get("stall_max_seconds"),
        stall_p999_seconds=figures.get("stall_p999_seconds"),
    )


def _run_child(command: list[str]) -> tuple[str, float]:
    """Run a client to its end; return what it printed and the CPU seconds its whole process was charged for."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment())
    watchdog = threading.Timer(_LONGEST_RUN, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        with process.stdout:
            printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        watchdog.cancel()
    if process.returncode:
        raise RunFailedError(f"{' '.join(command)} ended with {process.returncode}")
    return printed, usage.ru_utime + usage.ru_stime


def _environment() -> dict[str, str]:
    """Return our environment without what would lead a client elsewhere: proxies and AWS settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("AWS_") and not name.lower().endswith("_proxy")
    }
    return kept | {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mib", type=int, default=1024, help="length of the stream")
    parser.add_argument("--chunk-kib", type=int, default=64, help="length of the source's chunks")
    parser.add_argument("--repeats", type=int, default=5, help="measured rounds")
    parser.add_argument("--stall-repeats", type=int, default=3, help="further rounds with the heartbeat")
    parser.add_argument("--quick", action="store_true", help="256 MiB, 3 measured rounds, 1 with the heartbeat")
    parser.add_argument("--only", choices=["http", "https"], help="one protocol instead of both")
    parser.add_argument("--clients", nargs="+", choices=list(CONTESTANTS), default=list(CONTESTANTS))
    options = parser.parse_args()
    if options.quick:
        options.size_mib, options.repeats, options.stall_repeats = 256, 3, 1
    if min(options.size_mib, options.chunk_kib, options.repeats) < 1 or options.stall_repeats < 0:
        parser.error("sizes and repeats must be positive")
    options.protocols = [options.only] if options.only else ["http", "https"]
    return options


if __name__ == "__main__":
    main()
