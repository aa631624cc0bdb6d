"""The child process: ``python -m benchmarks.child JOB``, one client, one job.

It speaks in lines of JSON with the runner, which looks at the process from
outside whenever it stands still: ``ready`` when the client is made, then after
a line from the runner the job, then ``done``, then after another line the end.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import resource
import sys
import traceback
from typing import Any

from benchmarks.clients import Client
from benchmarks.job import Job
from benchmarks.play import UnsupportedError, play

__all__ = ["main"]


def main() -> None:
    """Play the job of the command line."""
    job = Job.from_json(sys.argv[1])
    _allow_many_connections()
    module = importlib.import_module(f"benchmarks.clients.{job.client}")
    if job.uvloop:
        import uvloop

        uvloop.run(_run(module.client, job))
    else:
        asyncio.run(_run(module.client, job))
    # The threads of some clients in Rust abort a process whose interpreter is taken down under them.
    os._exit(0)


def _allow_many_connections() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _run(make: Any, job: Job) -> None:
    async with make(job) as client:
        gc.collect()
        _meet({"state": "ready"})
        _meet(await _outcome(client, job))


async def _outcome(client: Client, job: Job) -> dict[str, Any]:
    try:
        return {"state": "done"} | await play(client, job)
    except UnsupportedError as error:
        return {"state": "unsupported", "reason": str(error)}
    except BaseExceptionGroup as group:
        traceback.print_exception(_first_leaf(group))
        sys.exit(1)


def _first_leaf(error: BaseException) -> BaseException:
    return _first_leaf(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _meet(message: dict[str, Any]) -> None:
    """Say something and stand still, loop and all, until the runner has looked."""
    print(json.dumps(message), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
