"""Store for development: ``python -m aios3.testing`` runs an `S3Server` until it is interrupted."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence

from aios3.providers import PROVIDERS

from .server.server import S3Server
from .store.cors import CorsRule

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a store that holds everything in memory, and print the variables with which clients find it.

    SIGINT and SIGTERM end it.

    Raises:
        SystemExit: code 2 with one line that says why the store cannot listen, or how the arguments are wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m aios3.testing", description="An S3 store in memory, on loopback.")
    parser.add_argument("--port", type=_port, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--bucket", action="append", help="bucket that exists from the start (default: bucket)")
    parser.add_argument("--provider", choices=sorted(PROVIDERS), default="generic", help="store whose limits apply")
    parser.add_argument("--region", default="us-east-1", help="region that signatures must name")
    parser.add_argument("--cors", action="store_true", help="let the scripts of any page send requests")
    given = parser.parse_args(arguments)
    server = S3Server(
        given.provider,
        region=given.region,
        buckets=given.bucket or ["bucket"],
        port=given.port,
        cors=CorsRule() if given.cors else None,
    )
    try:
        asyncio.run(_serve(server))
    except _CannotListenError as error:
        parser.exit(2, f"{parser.prog}: cannot listen on 127.0.0.1:{given.port}: {error}\n")
    except KeyboardInterrupt:
        return


class _CannotListenError(Exception):
    """The port cannot be used. The message is the reason of the system."""


def _port(text: str) -> int:
    with contextlib.suppress(ValueError):
        if 0 <= (number := int(text)) <= 65535:
            return number
    raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 65535")


async def _serve(server: S3Server) -> None:
    stopped = asyncio.Event()
    with contextlib.suppress(NotImplementedError):  # Windows ends the process at once
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(server)
        except OSError as error:
            raise _CannotListenError(error.strerror) from error
        sys.stdout.write(_variables(server))
        sys.stdout.flush()
        await stopped.wait()


def _variables(server: S3Server) -> str:
    values = {
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.credentials.secret_access_key,
        "AWS_REGION": server.region,
        "AWS_DEFAULT_REGION": server.region,
    }
    lines = [f"export {name}={value}\n" for name, value in values.items()]
    return "".join(
        [*lines, f"# buckets: {', '.join(server.store.buckets)}; all is in memory; Ctrl-C ends the server\n"]
    )


if __name__ == "__main__":
    main()
