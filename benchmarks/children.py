"""The parent's side of a run: starts the child, looks at it from outside when it stands still, and ends it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from benchmarks.job import Job

__all__ = ["Outcome", "RunFailedError", "UnsupportedRunError", "run_child"]

_ROOT: Final = Path(__file__).parent.parent
_QUOTED: Final = 600
_CPUCLOCK_SCHED: Final = 2


class RunFailedError(Exception):
    """A client ended badly, or the sink did not get what was sent."""


class UnsupportedRunError(Exception):
    """The client has no way of its own to do this."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run took. Imports and making the client are outside, opening connections is inside."""

    cpu_seconds: float
    """User and system time, of all threads."""
    idle_bytes: int
    over_idle_bytes: int
    """The highest resident size during the job, less the resident size before it."""
    reported: dict[str, float]
    """What only the child can know: times of its clock, and stalls."""


def run_child(interpreter: str, job: Job, *, longest: float) -> Outcome:
    """Play a job in a process of its own.

    Raises:
        UnsupportedRunError: the client said that it cannot.
        RunFailedError: the process ended badly, or took longer than ``longest`` seconds.
    """
    command = [interpreter, "-m", "benchmarks.child", job.to_json()]
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            command,
            cwd=_ROOT,
            env=_environment(job),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        )
        watchdog = threading.Timer(longest, process.kill)
        watchdog.start()
        try:
            outcome = _converse(process)
        except (_BrokenOffError, BrokenPipeError):
            process.kill()
            process.wait()
            raise RunFailedError(f"{job.client} ended early: {_last_lines(complaints)}") from None
        finally:
            watchdog.cancel()
            process.kill()
        return outcome


class _BrokenOffError(Exception):
    """The child said nothing more."""


def _converse(process: subprocess.Popen[str]) -> Outcome:
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout, process.stdin:
        _hear(process.stdout)
        _reset_peak(process.pid)
        idle, cpu_before = _status(process.pid, "VmRSS"), _cpu_seconds(process.pid)
        _let_go_on(process.stdin)
        reported = _hear(process.stdout)
        cpu, peak = _cpu_seconds(process.pid) - cpu_before, _status(process.pid, "VmHWM")
        _let_go_on(process.stdin)
    _check_against_the_bill(process, cpu)
    if reported.pop("state") == "unsupported":
        raise UnsupportedRunError(reported["reason"])
    # A program that the child has run is weighed by the child: it is gone by now.
    return Outcome(
        cpu_seconds=reported.pop("cpu_seconds", cpu),
        idle_bytes=idle,
        over_idle_bytes=int(reported.pop("over_idle_bytes", peak - idle)),
        reported=reported,
    )


def _check_against_the_bill(process: subprocess.Popen[str], cpu: float) -> None:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise _BrokenOffError
    # The two clocks of the system tick differently; a hundredth is allowed for that.
    if cpu > (usage.ru_utime + usage.ru_stime) * 1.01 + 0.02:
        raise RunFailedError("more CPU time was read from the process than it was charged for at its end")


def _hear(lines: IO[str]) -> dict[str, Any]:
    for line in lines:
        if line.startswith('{"state"'):
            heard: dict[str, Any] = json.loads(line)
            return heard
    raise _BrokenOffError


def _let_go_on(orders: IO[str]) -> None:
    orders.write("\n")
    orders.flush()


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process with all its threads, from its clock, which has no coarse ticks."""
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def _reset_peak(pid: int) -> None:
    # ru_maxrss cannot be used: it never goes down, so it would report the imports, and across exec it keeps the
    # peak of the program that forked.
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def _last_lines(complaints: IO[str]) -> str:
    complaints.seek(0)
    return complaints.read()[-_QUOTED:].strip() or "it said nothing"


def _environment(job: Job) -> dict[str, str]:
    """Return our environment without what would lead a client elsewhere: proxies and AWS settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("AWS_") and not name.lower().endswith("_proxy")
    }
    kept |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    kept |= {"AWS_EC2_METADATA_DISABLED": "true"}
    return kept | ({"SSL_CERT_FILE": job.certificate} if job.certificate else {})
