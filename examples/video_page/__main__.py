"""The video page with a store of its own, which is removed at the end.

    python -m examples.video_page [--port 8000] [--workers 1]

Run it from the folder that has ``examples``. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from threading import Thread

import uvicorn

from aios3 import S3StorageDriver, StorageError
from examples.demo import LocalStore, StoreError, local_store

BUCKET = "videos"
MOST_PORT = 65535


def configure(store: LocalStore) -> None:
    """Put the settings of the page into the environment, from which each process reads them."""
    os.environ.update(
        PROVIDER="rclone",
        BUCKET=BUCKET,
        AWS_ENDPOINT_URL=store.endpoint_url,
        AWS_REGION="us-east-1",
        AWS_ACCESS_KEY_ID=store.credentials.access_key_id,
        AWS_SECRET_ACCESS_KEY=store.credentials.secret_access_key,
    )


async def create_bucket() -> None:
    """Create the bucket of the videos."""
    async with S3StorageDriver("rclone") as driver:
        await driver.create_container(BUCKET)


def is_free(port: int) -> bool:
    """Return whether a server can listen at `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def print_url(port: int) -> None:
    """Print the URL of the page as soon as it is served."""
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            print(f"The video page: http://127.0.0.1:{port}/ (Ctrl-C ends it, and removes the videos)", flush=True)
            return
        time.sleep(0.1)


def main() -> int:
    """Serve the page until Ctrl-C. Return the exit code."""
    parser = argparse.ArgumentParser(description="Serve the video page with a local store.")
    parser.add_argument("--port", type=int, default=8000, help="where the page is served (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="number of processes (default: %(default)s)")
    options = parser.parse_args()
    if not 1 <= options.port <= MOST_PORT or options.workers < 1:
        print(f"--port must be from 1 to {MOST_PORT}, and --workers at least 1.", file=sys.stderr)
        return 2
    if not is_free(options.port):
        print(f"Port {options.port} is in use: choose another with --port.", file=sys.stderr)
        return 1
    # The server raises the signal again when it has ended. Without a handler the store would outlive the process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with local_store() as store:
            configure(store)
            asyncio.run(create_bucket())
            Thread(target=print_url, args=(options.port,), daemon=True).start()
            uvicorn.run(
                "examples.video_page.app:create_app",
                factory=True,
                port=options.port,
                workers=options.workers,
                log_level="warning",
                timeout_graceful_shutdown=3,  # browsers resume by themselves
            )
    except KeyboardInterrupt:  # before the server has started
        return 130
    except (StoreError, StorageError) as error:
        print(f"The page failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
