"""Serving processes that can be killed, several of which stand ready before they are needed."""

from __future__ import annotations

import multiprocessing
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections import deque
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from aios3 import PROVIDERS
from aios3.testing import S3Server

__all__ = ["MAX_AGE", "PROVIDER", "Aios3", "Serving", "Servers", "TusNode"]

PROVIDER: Final = replace(PROVIDERS["generic"], min_part_size=1024, conditional_put=True, conditional_complete=True)
MAX_AGE: Final = 600.0
"""Seconds after which an unfinished upload expires."""
_READY: Final = 60.0


@dataclass(frozen=True, slots=True)
class Serving:
    """One serving process."""

    process: Any
    url: str

    @property
    def is_dead(self) -> bool:
        """The process has ended."""
        if isinstance(self.process, subprocess.Popen):
            return self.process.poll() is not None
        return not self.process.is_alive()

    def kill(self) -> None:
        """Kill the process, and return when it is dead."""
        self.process.kill()
        (self.process.wait if isinstance(self.process, subprocess.Popen) else self.process.join)()


class Servers(ABC):
    """Pool of serving processes of one kind, at one store."""

    kinds: tuple[str, ...]
    """Kinds of scripts that the server can take."""
    forgets: bool
    """Whether a sweep promises to delete the descriptions of finished uploads, too."""

    def __init__(self, store: S3Server, part_size: int, folder: Path, ready: int = 3) -> None:
        """Start the first processes."""
        self.store = store
        self.part_size = part_size
        self.folder = folder
        self._ready: deque[Serving] = deque()
        self._taken: list[Serving] = []
        for _ in range(ready):
            self._ready.append(self._start())

    def take_two(self) -> list[Serving]:
        """Return a process that may be killed, and one that takes over. Both are as they were if none was killed."""
        if not self._taken or self._taken[0].is_dead:
            self._ready.append(self._start())
            self._taken[:1] = [self._ready.popleft()]
        if len(self._taken) < 2:
            self._ready.append(self._start())
            self._taken.append(self._ready.popleft())
        return list(self._taken)

    def close(self) -> None:
        """Kill all processes."""
        for serving in (*self._taken, *self._ready):
            serving.kill()

    @abstractmethod
    def is_description(self, key: str) -> bool:
        """Return whether a helper object may stay as long as its upload is remembered."""

    @abstractmethod
    def is_helper(self, key: str) -> bool:
        """Return whether a key is none that a user sees."""

    @abstractmethod
    def _start(self) -> Serving:
        """Start one process."""


class Aios3(Servers):
    """`aios3.web.ResumableUploads` under uvicorn."""

    kinds = ("plain", "with_upload", "deferred", "terminated", "checksum", "concatenated")
    forgets = True

    def is_description(self, key: str) -> bool:
        """See `Servers.is_description`."""
        return key.endswith((".json", ".part"))

    def is_helper(self, key: str) -> bool:
        """See `Servers.is_helper`."""
        return key.startswith(".uploads/")

    def _start(self) -> Serving:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.web.kills.serving"])
        from .serving import serve

        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        keys = self.store.credentials
        arguments = (listening, self.store.endpoint_url, keys.access_key_id, keys.secret_access_key, self.part_size)
        process = context.Process(target=serve, args=arguments, daemon=True)
        with closing(listening):
            process.start()
        return Serving(process, f"http://127.0.0.1:{port}/files")


class TusNode(Servers):
    """``@tus/server`` with ``@tus/s3-store``, started by node from a folder with the two packages."""

    kinds = ("plain", "with_upload", "deferred", "terminated")
    forgets = False

    def is_description(self, key: str) -> bool:
        """See `Servers.is_description`."""
        return key.endswith(".info")

    def is_helper(self, key: str) -> bool:
        """See `Servers.is_helper`."""
        return key.endswith((".info", ".part"))

    def _start(self) -> Serving:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        keys = self.store.credentials
        settings = (self.store.endpoint_url, keys.access_key_id, keys.secret_access_key, self.part_size, MAX_AGE * 1000)
        command = ["node", "server.mjs", port, *settings, self.folder / "cache"]
        process = subprocess.Popen([str(word) for word in command], cwd=self.folder, stderr=subprocess.DEVNULL)
        end = time.monotonic() + _READY
        while time.monotonic() < end:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.05)
        return Serving(process, f"http://127.0.0.1:{port}/files")
