"""Set-ups that ``aios3 doctor`` is shown, right and wrong ones; as a command, writes what it says to docs/doctor.md."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aios3.cli import main
from aios3.driver import S3StorageDriver
from aios3.providers import PROVIDERS
from aios3.testing import Fault, S3Server
from tests.stores.stores import STORES, RunningStore, is_available
from tests.support.places import ROOT

__all__ = ["PAGE", "SCENES", "Scene", "block_of", "in_page", "real_store"]

PAGE: Final = ROOT / "docs" / "doctor.md"
_GENERIC: Final = PROVIDERS["generic"]
_MARK: Final = "<!-- what it prints -->\n"


@dataclass(frozen=True)
class Scene:
    """One set-up, and what the command must say about it."""

    title: str
    enter: Callable[[], AbstractContextManager[dict[str, str]]]
    """Starts the store, and gives the variables that name it."""
    code: int
    words: tuple[str, ...] = ()
    """Beginnings of lines that are neither ``ok`` nor about the lifecycle rule, in order."""
    is_golden: bool = True
    """Whether the output is the same on every machine, whatever its OpenSSL says."""


def _with_server(*faults: Fault, changed: dict[str, str] | None = None, lies: bool = False, **options: Any) -> Any:
    """Return the context of a store, which must be empty at the end unless it lies about what it has committed."""

    @contextmanager
    def enter() -> Iterator[dict[str, str]]:
        with S3Server(**options) as server:
            for fault in faults:
                server.faults.add(fault)
            yield {**_variables(server), **(changed or {})}
            assert lies or not server.open_uploads
            assert not server.objects
            assert not server.protocol_errors

    return enter


def _variables(server: S3Server) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": server.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.credentials.secret_access_key,
    }


@contextmanager
def _nothing_listens() -> Iterator[dict[str, str]]:
    with _with_server()() as variables, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield {**variables, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{bound.getsockname()[1]}"}


@contextmanager
def _https_on_an_http_port() -> Iterator[dict[str, str]]:
    """A server that takes a TLS greeting for a bad request of HTTP, as most servers do."""

    def refuse(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    with _with_server()() as variables, socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=(listener,))
        thread.start()
        try:
            yield {**variables, "AWS_ENDPOINT_URL": f"https://127.0.0.1:{listener.getsockname()[1]}"}
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _an_hour_on() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


_WITHOUT_CHECKSUMS: Final = replace(_GENERIC, sources={**_GENERIC.sources, "checksums": "the scene"})
_WITHOUT_CONDITIONS: Final = replace(_GENERIC, conditional_put=False, conditional_complete=False)
_COMPLETED: Final = b"<CompleteMultipartUploadResult/>"

SCENES: Final = (
    Scene("A right set-up", _with_server(), 0),
    Scene(
        "A wrong secret", _with_server(changed={"AWS_SECRET_ACCESS_KEY": "secret-of-another"}), 1,
        ("problem  credentials: the store refuses the keys of the environment",),
    ),
    Scene(
        "A wrong region", _with_server(changed={"AWS_REGION": "eu-west-1"}), 0,
        ("warning  region: the bucket is in region us-east-1",),
    ),
    Scene(
        "A clock that is an hour off", _with_server(clock=_an_hour_on), 0,
        ("warning  clock: this machine's clock is 60",),
    ),
    Scene("No bucket of that name", _with_server(buckets=["other"]), 1, ("problem  bucket:",)),
    Scene("Nothing listens at the endpoint", _nothing_listens, 4, ("problem  endpoint:",)),
    Scene("https against an http port", _https_on_an_http_port, 4, ("problem  endpoint:",), is_golden=False),
    Scene(
        "A store without checksums", _with_server(provider=_WITHOUT_CHECKSUMS), 0,
        tuple(f"warning  checksum {name}: the store refuses requests" for name in ("CRC32", "CRC64NVME", "SHA256")),
    ),
    Scene(
        "A store that ignores checksums", _with_server(Fault("garbage_200", "PutObject", nth=4, times=3)), 0,
        tuple(f"warning  checksum {name}: the store ignores" for name in ("CRC32", "CRC64NVME", "SHA256")),
    ),
    Scene(
        "A store without conditions", _with_server(provider=_WITHOUT_CONDITIONS), 0,
        tuple(
            f"warning  {name}: the store refuses requests with"
            for name in ("If-None-Match of PutObject", "If-Match of PutObject", "If-None-Match of Complete")
        ),
    ),
    Scene(
        "A store that ignores conditions",
        _with_server(
            Fault("garbage_200", "PutObject", nth=2, times=2),
            Fault("garbage_200", "CompleteMultipartUpload", nth=2, body=_COMPLETED),
            lies=True,
        ),
        0,
        (
            "warning  If-None-Match of PutObject: PutObject ignores",
            "warning  If-Match of PutObject: PutObject ignores",
            "warning  If-None-Match of Complete: Complete ignores",
        ),
    ),
    Scene(
        "Keys that may only read",
        _with_server(Fault("answer", "PutObject", status=403, code="AccessDenied", times=99)), 1,
        ("problem  permission to write: the keys may not write objects",),
    ),
)  # fmt: skip


def block_of(title: str, output: str) -> str:
    """Return the part of the page for one scene: its output, with a fixed port."""
    output = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9000", output)
    return f"### {title}\n\n```console\n$ aios3 doctor s3://bucket; echo $?\n{output}```\n\n"


def in_page(block: str) -> bool:
    """Return whether the page shows exactly this."""
    return block.rstrip("\n") in PAGE.read_text("utf-8")


@contextmanager
def real_store(name: str) -> Iterator[RunningStore]:
    """Start a store that others wrote, with a bucket, in the environment of this process."""
    with STORES[name]() as store:
        os.environ.update(
            AWS_ENDPOINT_URL=store.endpoint_url,
            AWS_REGION=store.region,
            AWS_ACCESS_KEY_ID=store.credentials.access_key_id,
            AWS_SECRET_ACCESS_KEY=store.credentials.secret_access_key,
        )
        asyncio.run(_make_bucket(store))
        yield store


async def _make_bucket(store: RunningStore) -> None:
    async with S3StorageDriver(store.provider) as driver:
        await driver.create_container("bucket")


def _real_stores() -> Iterator[tuple[str, str]]:
    for name in filter(is_available, STORES):
        with real_store(name) as store:
            code, output = _run("--provider", store.provider)
        yield f"{name} {store.version}", f"{output}{code}\n"


def _run(*words: str) -> tuple[int, str]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = main(["doctor", "s3://bucket", *words])
    return code, output.getvalue()


def _write_page() -> None:
    head = PAGE.read_text("utf-8").partition(_MARK)[0]
    blocks = []
    for scene in SCENES:
        with scene.enter() as variables:
            os.environ.update({**variables, "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"})
            code, output = _run()
        assert code == scene.code, (scene.title, code)
        blocks.append(block_of(scene.title, f"{output}{code}\n"))
    blocks += [block_of(*shown) for shown in _real_stores()]
    PAGE.write_text(f"{head}{_MARK}\n{''.join(blocks)}".rstrip("\n") + "\n", "utf-8")


if __name__ == "__main__":
    for _name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[_name]
    sys.exit(_write_page())
